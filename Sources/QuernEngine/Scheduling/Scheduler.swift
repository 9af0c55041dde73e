// Which tokens the next step computes: continuous batching without phases.
//
// Owns: waiting and running sequences, their slots and block tables. Does not own: bytes of the cache, the forward pass.
// Invariants: a sequence is admitted only with blocks for its whole length, so it never fails half-way; every exit goes
// through `vacate`, which gives them back. Decoding sequences come first in a step, then prefill chunks, the urgent first.
import QuernTensor

struct SchedulerLimits: Sendable {
    /// Sequences computed together.
    var maxSequences = 8
    /// Prompt tokens computed in one step.
    var prefillChunk = 256
    /// The same beside decoding sequences, whose next token waits for the step's end.
    var mixedPrefillChunk = 64
    /// Longest wait for admission, batch requests excepted.
    var queueTimeout: Duration
}

struct Scheduler: ~Copyable {
    let limits: SchedulerLimits
    private(set) var running: [SequenceState] = []
    private var queue = AdmissionQueue()
    private let memory: SequenceMemory
    private var cache: BlockCache
    private let tables: [Int32s]            // one block table per slot
    private var freeSlots: [Int]
    private let arena = Arena(chunkByteCount: 1 << 20)
    /// The first in the queue does not fit: nothing changes before a sequence leaves or arrives.
    private var isBlocked = false
    /// What the logits of the current step are for, in the order of its logit rows.
    private(set) var logitUses: [(sequence: Int, purpose: LogitPurpose)] = []
    /// Tokens of the current step whose final hidden state goes into a pooled vector.
    private(set) var pooledTokens: [(sequence: Int, token: Int)] = []
    private(set) var preemptions = 0

    init(memory: SequenceMemory, blocksPerSequence: Int, limits: SchedulerLimits) throws(SystemError) {
        self.limits = limits
        self.memory = memory
        cache = BlockCache(
            blockCount: memory.cache.blockCount, hasStates: memory.hasStates, snapshots: memory.snapshotSlots)
        var tables: [Int32s] = []
        for _ in 0..<limits.maxSequences { tables.append(try arena.integers(blocksPerSequence)) }
        self.tables = tables
        freeSlots = Array((0..<limits.maxSequences).reversed())
        running.reserveCapacity(limits.maxSequences)
        logitUses.reserveCapacity(limits.maxSequences)
    }

    var isIdle: Bool { running.isEmpty && queue.isEmpty }
    var waitingCount: Int { queue.count }
    var freeBlocks: Int { cache.freeCount }
    var cachedBlocks: Int { cache.cachedCount }
    var blockCount: Int { cache.blockCount }

    mutating func enqueue(_ sequence: SequenceState) {
        queue.append(sequence)
        isBlocked = false
    }

    /// Starts waiting sequences while slots and blocks last; a request more urgent than a running batch one takes its place.
    ///
    /// - Parameter work: what was computed until now.
    mutating func admit(now: ContinuousClock.Instant, work: EngineWork) {
        while !isBlocked, let index = queue.next(now: now, running: running) {
            if start(index, now: now, work: work) { continue }
            guard let victim = victim(for: queue[index].request) else {
                isBlocked = true
                return
            }
            preemptions += 1
            queue.prepend(vacate(victim))
        }
    }

    /// The running sequence to interrupt for `request`: the batch one that started last; without one, and for an owner who runs
    /// nothing, the last of whoever runs most. Nobody waits because others came first with more.
    private func victim(for request: GenerationRequest) -> Int? {
        guard request.priority > .batch else { return nil }
        if let index = running.lastIndex(where: { $0.request.priority == .batch }) { return index }
        let shares = Dictionary(running.map { ($0.request.domain.owner, 1) }, uniquingKeysWith: +)
        guard shares[request.domain.owner] == nil, let most = shares.max(by: { $0.value < $1.value }), most.value > 1
        else { return nil }
        return running.lastIndex { $0.request.domain.owner == most.key }
    }

    private mutating func start(_ index: Int, now: ContinuousClock.Instant, work: EngineWork) -> Bool {
        guard !freeSlots.isEmpty else { return false }
        let next = queue[index]
        // At least the last token is computed: its logits are wanted.
        let reusable = next.tokens.prefix(next.request.needsWholePrompt ? 0 : next.tokens.count - 1)
        let memory = self.memory     // closures must not touch what is being changed
        let held = cache.hold(reusable, needed: next.neededTokens, domain: next.request.domain) {
            memory.cache.copyBlock(Int($0.index), to: Int($1.index))
        }
        guard let (holding, computedCount, snapshot) = held else { return false }
        var sequence = queue.remove(at: index)
        sequence.holding = holding
        sequence.computedCount = computedCount
        sequence.slot = freeSlots.removeLast()
        if let snapshot { memory.states.copy(snapshot, to: sequence.slot) } else { memory.states.reset(sequence.slot) }
        if sequence.started == nil {
            sequence.started = now
            sequence.reportedWork = work
            sequence.permit = nil
            sequence.cachedTokens = computedCount
            sequence.sink.yield(.started(cachedTokens: computedCount))
        }
        for (position, block) in holding.blocks.enumerated() { tables[sequence.slot][position] = block.index }
        running.append(sequence)
        return true
    }

    /// Nobody has waited during the last `time`: the engine stood still.
    mutating func excuse(_ time: Duration, now: ContinuousClock.Instant) { queue.excuse(time, now: now) }

    /// Takes out the first request that has waited longer than the limit.
    mutating func removeExpired(now: ContinuousClock.Instant) -> SequenceState? {
        queue.removeExpired(now: now, limit: limits.queueTimeout)
    }

    /// Takes out the first request that was never started.
    mutating func removeUnstarted() -> SequenceState? { queue.removeUnstarted() }

    /// Takes out any sequence, running or waiting; nil when there is none.
    mutating func removeAny() -> SequenceState? {
        running.isEmpty ? queue.removeFirst() : vacate(running.count - 1)
    }

    /// Fills `step` with one token of every decoding sequence and a chunk of prompt tokens.
    mutating func schedule(into step: inout StepBatch) {
        step.reset()
        logitUses.removeAll(keepingCapacity: true)
        pooledTokens.removeAll(keepingCapacity: true)
        for index in running.indices where running[index].pendingCount == 1 { add(index, count: 1, to: &step) }
        var budget = step.count > 0 ? limits.mixedPrefillChunk : limits.prefillChunk
        for priority in Priority.allCases.reversed() {
            for index in running.indices where running[index].request.priority == priority && budget > 0 {
                guard running[index].pendingCount > 1 else { continue }
                let count = chunk(of: running[index], budget: budget)
                budget -= count
                add(index, count: count, to: &step)
            }
        }
    }

    /// Tokens of a prompt to compute in this step: as many as may be, but a state is worth keeping at the end of a block.
    private func chunk(of sequence: SequenceState, budget: Int) -> Int {
        let count = min(sequence.pendingCount, budget)
        guard memory.hasStates else { return count }
        let lastBoundary = (sequence.computedCount + count) / KVStorage.blockSize * KVStorage.blockSize
        return lastBoundary > sequence.computedCount ? lastBoundary - sequence.computedCount : count
    }

    private mutating func add(_ index: Int, count: Int, to step: inout StepBatch) {
        let end = running[index].computedCount + count
        for position in running[index].computedCount..<end {
            let purpose = running[index].logitPurpose(at: position)
            if let purpose { logitUses.append((index, purpose)) }
            if let pooled = running[index].pooled, pooled.needs(position, of: running[index].tokens.count) {
                pooledTokens.append((index, step.count))
            }
            step.append(
                running[index].tokens[position], position: position, blocks: tables[running[index].slot],
                slot: running[index].slot, needsLogits: purpose != nil)
        }
        running[index].computedCount = end
    }

    /// Lets other sequences use what the last step completed.
    mutating func shareComputed() {
        let memory = self.memory
        for index in running.indices {
            let slot = running[index].slot
            cache.share(&running[index].holding, tokens: running[index].tokens, computedCount: running[index].computedCount) {
                memory.states.copy(slot, to: $0)
            }
        }
    }

    /// Access to one running sequence, for sampling.
    mutating func update<Result>(_ index: Int, _ body: (inout SequenceState) -> Result) -> Result {
        body(&running[index])
    }

    mutating func updateAll(_ body: (inout SequenceState) -> Void) {
        for index in running.indices { body(&running[index]) }
    }

    /// Removes finished sequences: `isFinished` is asked for each running one.
    mutating func removeAll(where isFinished: (SequenceState) -> Bool) {
        for index in running.indices.reversed() where isFinished(running[index]) { vacate(index) }
    }

    /// Removes the sequence with this id, wherever it is; nil when it is gone already.
    mutating func remove(id: UInt64) -> SequenceState? {
        if let index = running.firstIndex(where: { $0.id == id }) { return vacate(index) }
        isBlocked = false
        return queue.remove(id: id)
    }

    /// Takes a running sequence out; it can be queued again and goes on where it was.
    @discardableResult private mutating func vacate(_ index: Int) -> SequenceState {
        var sequence = running.remove(at: index)
        let memory = self.memory
        cache.release(sequence.holding, tokens: sequence.tokens, computedCount: sequence.computedCount) {
            memory.states.copy(sequence.slot, to: $0)
        }
        sequence.holding = BlockHolding()
        sequence.computedCount = 0
        freeSlots.append(sequence.slot)
        isBlocked = false
        return sequence
    }

    /// Forgets every prefix and returns the memory of all blocks that nobody uses to the system.
    mutating func yieldMemory() {
        cache.clear()
        isBlocked = false
        memory.cache.yield(blocks: cache.freeBlocks.map { Int($0.index) })
    }

    /// Forgets every prefix. Needs an idle scheduler.
    mutating func clearPrefixes() {
        precondition(running.isEmpty)
        cache.clear()
    }
}
