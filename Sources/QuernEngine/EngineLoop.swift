// The body of the engine thread: take commands, schedule, compute, sample, deliver.
//
// Owns: all mutable inference state, born and used on one thread; deliberately not Sendable.
// Invariants: schedule, forward and sample neither log nor throw; whatever happens to one sequence, the others continue.
import QuernModel
import QuernTensor

final class EngineLoop {
    private let decoder: Decoder
    private let compute: Compute
    private let memory: SequenceMemory
    private var scheduler: Scheduler
    private var step: StepBatch
    private var isDraining = false
    private var totals = EngineStatistics()
    /// What the last step ended. Told after the counters are published: who has an answer finds it counted.
    private var ended: [SequenceState] = []
    private var meter: WorkMeter
    private let clock = ContinuousClock()
    /// When the last turn of the loop began. A turn that took longer than `longestTurn` stood still: the process was stopped or
    /// the machine asleep, and nobody's waiting time went on.
    private var lastTurn = ContinuousClock.now
    private static let longestTurn = Duration.seconds(10)
    /// Logits beyond belong to padding rows of the embedding.
    private let tokenCount: Int

    init(
        decoder: Decoder, compute: Compute, memory: SequenceMemory, scheduler: consuming Scheduler, tokenCount: Int
    ) throws(SystemError) {
        self.tokenCount = tokenCount
        self.decoder = decoder
        self.compute = compute
        self.memory = memory
        self.scheduler = scheduler
        meter = WorkMeter(decoder, memory: memory, headRows: compute.maxLogitRows)
        step = try StepBatch(capacity: compute.maxTokens, maxRuns: memory.sequenceSlots)
    }

    /// Runs until drained. `publish` receives the counters after every step.
    func run(_ inbox: EngineInbox, publish: (EngineStatistics) -> Void) {
        while true {
            if scheduler.isIdle {
                if isDraining { return inbox.close() }
                compute.heartbeat.rest { inbox.waitForCommand() }
                lastTurn = clock.now
            }
            for command in inbox.takeAll() { handle(command) }
            admit()
            scheduler.schedule(into: &step)
            if step.count > 0 {
                decoder.forward(step, memory: memory, compute: compute)
                totals.steps += 1
                meter.add(step, expertBytes: compute.expertBytes)
                scheduler.shareComputed()
                deliver()
            }
            publish(statistics())
            announceEnds()
        }
    }

    private func admit() {
        let now = clock.now
        let stoodStill = now - lastTurn - Self.longestTurn
        lastTurn = now
        guard scheduler.waitingCount > 0 else { return }
        if stoodStill > .zero { scheduler.excuse(stoodStill, now: now) }
        while let late = scheduler.removeExpired(now: now) {
            late.sink.fail(.queueTimeout(seconds: Int(scheduler.limits.queueTimeout.components.seconds)))
        }
        scheduler.admit(now: now, work: meter.total)
    }

    private func handle(_ command: EngineCommand) {
        switch command {
        case .submit(let submission):
            guard !isDraining else { return submission.sink.fail(.shuttingDown) }
            scheduler.enqueue(SequenceState(
                submission, tokenCount: tokenCount, hiddenSize: decoder.config.hiddenSize, submitted: clock.now))
        case .cancel(let id):
            if let sequence = scheduler.remove(id: id) { finish(sequence, .cancelled) }
        case .drain:
            admit()     // what there is room for counts as live
            isDraining = true
            while let waiting = scheduler.removeUnstarted() { waiting.sink.fail(.shuttingDown) }
        case .abandon:
            isDraining = true
            while let sequence = scheduler.removeAny() { sequence.sink.fail(.shuttingDown) }
        case .yieldMemory:
            while let waiting = scheduler.removeUnstarted() { waiting.sink.fail(.memoryShort) }
            scheduler.yieldMemory()
        case .logits(let request):
            request.answer(computeLogits(request))
        }
    }

    /// Hands every sequence what the step computed for it, and takes out those that are over.
    private func deliver() {
        let (now, work) = (clock.now, meter.total)
        for (index, token) in scheduler.pooledTokens {
            let state = decoder.finalState(of: token, compute: compute)
            scheduler.update(index) { $0.pooled?.add(state) }
        }
        projectRows { row, index in
            let logits = row.slice(from: 0, count: tokenCount)
            let (sequence, purpose) = scheduler.logitUses[index]
            scheduler.update(sequence) { $0.take(logits, for: purpose, compute: compute, now: now, work: work) }
            if purpose == .nextToken { totals.generatedTokens += 1 }
        }
        scheduler.updateAll { $0.reportPrompt() }
        scheduler.removeAll { sequence in
            guard sequence.outcome != nil else { return false }
            ended.append(sequence)
            totals.promptTokens += sequence.request.prompt.count
            totals.cachedTokens += sequence.usage().cachedTokens
            totals.finishedSequences += 1
            return true
        }
    }

    /// Logits of the step's rows, one after the other; as many at a time as there is room for.
    private func projectRows(_ body: (_ row: Floats, _ index: Int) -> Void) {
        let width = decoder.config.vocabularySize
        var start = 0
        while start < step.logitCount {
            let rows = start..<min(start + compute.maxLogitRows, step.logitCount)
            decoder.project(rows, of: step, compute: compute)
            for row in rows { body(compute.logits.slice(from: (row - start) * width, count: width), row) }
            start = rows.upperBound
        }
    }

    private func announceEnds() {
        for sequence in ended {
            switch sequence.outcome {
            case .finished(let reason): finish(sequence, reason)
            case .failed(let error): sequence.sink.fail(error)
            case nil: break
            }
        }
        ended.removeAll(keepingCapacity: true)
    }

    private func finish(_ sequence: SequenceState, _ reason: FinishReason) {
        sequence.sink.yield(.finished(reason, sequence.usage(), sequence.timings(now: clock.now, work: meter.total)))
        sequence.sink.finish()
    }

    func statistics() -> EngineStatistics {
        var snapshot = totals
        snapshot.work = meter.total
        snapshot.runningSequences = scheduler.running.count
        snapshot.waitingSequences = scheduler.waitingCount
        snapshot.preemptions = scheduler.preemptions
        snapshot.cachedBlocks = scheduler.cachedBlocks
        snapshot.freeBlocks = scheduler.freeBlocks
        snapshot.blockCount = scheduler.blockCount
        return snapshot
    }

    /// Every logit of the wanted positions: the diagnostic behind `quern logits`, outside the scheduler.
    private func computeLogits(_ request: LogitsRequest) -> Result<[[Float]], EngineError> {
        guard scheduler.isIdle else { return .failure(.queueFull(limit: 0)) }
        scheduler.clearPrefixes()
        let size = KVStorage.blockSize
        let count = request.tokens.count
        let arena = Arena(chunkByteCount: 1 << 16)
        guard scheduler.blockCount * size >= count, let blocks = try? arena.integers((count + size - 1) / size) else {
            return .failure(.contextLengthExceeded(prompt: count, limit: scheduler.blockCount * size))
        }
        for index in 0..<blocks.count { blocks[index] = Int32(index) }   // the pool is idle: every block is free
        memory.states.reset(0)
        var rows: [Int: [Float]] = [:]
        var start = 0
        while start < count {
            step.reset()
            let end = min(start + scheduler.limits.prefillChunk, count)
            for position in start..<end {
                step.append(
                    request.tokens[position], position: position, blocks: blocks, slot: 0,
                    needsLogits: request.positions.contains(position))
            }
            decoder.forward(step, memory: memory, compute: compute)
            projectRows { row, index in rows[start + Int(step.logitRows[index])] = Array(row.buffer) }
            start = end
        }
        return .success(request.positions.sorted().compactMap { rows[$0] })
    }
}
