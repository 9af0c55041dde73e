// Which tokens the next step computes: continuous batching without phases.
//
// Owns: waiting and running sequences, their blocks and slots. Does not own: bytes of the cache, the forward pass.
// Invariants: a sequence is admitted only with blocks for its whole length, so it never fails half-way; every exit goes
// through `remove`, which releases them. Decoding sequences come first in a step, then prefill chunks.
import DequeModule
import QuernTensor

struct SchedulerLimits: Sendable {
    /// Sequences computed together.
    var maxSequences = 8
    /// Prompt tokens computed in one step.
    var prefillChunk = 256
    /// Requests waiting for admission.
    var queueLimit = 512
}

struct Scheduler: ~Copyable {
    let limits: SchedulerLimits
    private(set) var running: [SequenceState] = []
    private(set) var waiting: Deque<SequenceState> = []
    private var pool: BlockPool
    private let tables: [Int32s]            // one block table per slot
    private var freeSlots: [Int]
    private let arena = Arena(chunkByteCount: 1 << 20)
    /// Sequences of the current step whose logits were computed, in the order of its logit rows.
    private(set) var sampled: [Int] = []

    init(pool: consuming BlockPool, blocksPerSequence: Int, limits: SchedulerLimits) throws(SystemError) {
        self.limits = limits
        self.pool = pool
        var tables: [Int32s] = []
        for _ in 0..<limits.maxSequences { tables.append(try arena.integers(blocksPerSequence)) }
        self.tables = tables
        freeSlots = Array((0..<limits.maxSequences).reversed())
        running.reserveCapacity(limits.maxSequences)
        sampled.reserveCapacity(limits.maxSequences)
    }

    var isIdle: Bool { running.isEmpty && waiting.isEmpty }
    var freeBlocks: Int { pool.freeCount }
    var blockCount: Int { pool.blockCount }

    /// Queues a sequence; false when the queue is full.
    mutating func enqueue(_ sequence: SequenceState) -> Bool {
        guard waiting.count < limits.queueLimit else { return false }
        waiting.append(sequence)
        return true
    }

    /// Starts waiting sequences, first come first served, while slots and blocks last.
    mutating func admit(now: ContinuousClock.Instant) {
        while !freeSlots.isEmpty, let next = waiting.first {
            let size = KVStorage.blockSize
            guard let blocks = pool.allocate((next.neededTokens + size - 1) / size) else { return }
            var sequence = waiting.removeFirst()
            sequence.blocks = blocks
            sequence.slot = freeSlots.removeLast()
            sequence.started = now
            for (index, block) in blocks.enumerated() { tables[sequence.slot][index] = block.index }
            sequence.sink.yield(.started(cachedTokens: 0))
            running.append(sequence)
        }
    }

    /// Fills `step` with one token of every decoding sequence and up to `prefillChunk` prompt tokens.
    mutating func schedule(into step: inout StepBatch) {
        step.reset()
        sampled.removeAll(keepingCapacity: true)
        for index in running.indices where running[index].pendingCount == 1 { add(index, count: 1, to: &step) }
        var budget = limits.prefillChunk
        for index in running.indices where running[index].pendingCount > 1 && budget > 0 {
            let count = min(running[index].pendingCount, budget)
            budget -= count
            add(index, count: count, to: &step)
        }
    }

    private mutating func add(_ index: Int, count: Int, to step: inout StepBatch) {
        let start = running[index].computedCount
        let reachesEnd = start + count == running[index].tokens.count
        for position in start..<(start + count) {
            let isLast = reachesEnd && position == start + count - 1
            step.append(
                running[index].tokens[position], position: position, blocks: tables[running[index].slot],
                needsLogits: isLast)
        }
        running[index].computedCount = start + count
        if reachesEnd { sampled.append(index) }
    }

    /// Access to one running sequence, for sampling.
    mutating func update<Result>(_ index: Int, _ body: (inout SequenceState) -> Result) -> Result {
        body(&running[index])
    }

    /// Removes finished sequences: `isFinished` is asked for each running one.
    mutating func removeAll(where isFinished: (SequenceState) -> Bool) {
        for index in running.indices.reversed() where isFinished(running[index]) { remove(index) }
    }

    /// Removes the sequence with this id, wherever it is; nil when it is gone already.
    mutating func remove(id: UInt64) -> SequenceState? {
        if let index = running.firstIndex(where: { $0.id == id }) { return remove(index) }
        if let index = waiting.firstIndex(where: { $0.id == id }) { return waiting.remove(at: index) }
        return nil
    }

    @discardableResult private mutating func remove(_ index: Int) -> SequenceState {
        let sequence = running.remove(at: index)
        pool.release(sequence.blocks)
        freeSlots.append(sequence.slot)
        return sequence
    }
}
