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
    private let clock = ContinuousClock()
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
        step = try StepBatch(
            capacity: compute.maxTokens, maxLogitRows: compute.maxLogitRows, maxRuns: memory.sequenceSlots)
    }

    /// Runs until drained. `publish` receives the counters after every step.
    func run(_ inbox: EngineInbox, publish: (EngineStatistics) -> Void) {
        while true {
            if scheduler.isIdle {
                if isDraining { return }
                inbox.waitForCommand()
            }
            for command in inbox.takeAll() { handle(command) }
            admit()
            scheduler.schedule(into: &step)
            if step.count > 0 {
                decoder.forward(step, memory: memory, compute: compute)
                totals.steps += 1
                scheduler.shareComputed()
                sampleAndDeliver()
            }
            publish(statistics())
        }
    }

    private func admit() {
        guard scheduler.waitingCount > 0 else { return }
        let now = clock.now
        while let late = scheduler.removeExpired(now: now) {
            fail(late.sink, .queueTimeout(seconds: Int(scheduler.limits.queueTimeout.components.seconds)))
        }
        scheduler.admit(now: now)
    }

    private func handle(_ command: EngineCommand) {
        switch command {
        case .submit(let submission):
            guard !isDraining else { return fail(submission.sink, .shuttingDown) }
            scheduler.enqueue(SequenceState(submission, tokenCount: tokenCount, submitted: clock.now))
        case .cancel(let id):
            if let sequence = scheduler.remove(id: id) { finish(sequence, .cancelled) }
        case .drain:
            isDraining = true
        case .logits(let request):
            request.answer(computeLogits(request))
        }
    }

    private func sampleAndDeliver() {
        let width = decoder.config.vocabularySize
        let now = clock.now
        for (row, index) in scheduler.sampled.enumerated() {
            let logits = compute.logits.slice(from: row * width, count: tokenCount)
            let kernels = compute.kernels
            scheduler.update(index) { $0.accept(logits, kernels: kernels, now: now) }
        }
        totals.generatedTokens += scheduler.sampled.count
        scheduler.removeAll { sequence in
            guard let outcome = sequence.outcome else { return false }
            switch outcome {
            case .finished(let reason): finish(sequence, reason)
            case .failed(let error): fail(sequence.sink, error)
            }
            totals.promptTokens += sequence.request.prompt.count
            totals.cachedTokens += sequence.usage().cachedTokens
            totals.finishedSequences += 1
            return true
        }
    }

    private func finish(_ sequence: SequenceState, _ reason: FinishReason) {
        sequence.sink.yield(.finished(reason, sequence.usage(), sequence.timings(now: clock.now)))
        sequence.sink.finish()
    }

    private func fail(_ sink: GenerationSink, _ error: EngineError) {
        sink.yield(.failed(error))
        sink.finish()
    }

    private func statistics() -> EngineStatistics {
        var snapshot = totals
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
        let width = decoder.config.vocabularySize
        var rows: [Int: [Float]] = [:]
        var start = 0
        while start < count {
            step.reset()
            while start + step.count < count, step.count < scheduler.limits.prefillChunk, step.logitCount < compute.maxLogitRows {
                let position = start + step.count
                step.append(
                    request.tokens[position], position: position, blocks: blocks, slot: 0,
                    needsLogits: request.positions.contains(position))
            }
            decoder.forward(step, memory: memory, compute: compute)
            for row in 0..<step.logitCount {
                rows[start + Int(step.logitRows[row])] = Array(compute.logits.slice(from: row * width, count: width).buffer)
            }
            start += step.count
        }
        return .success(request.positions.sorted().compactMap { rows[$0] })
    }
}

extension SequenceState {
    /// Samples the next token, delivers it and decides whether the sequence is over.
    fileprivate mutating func accept(_ logits: Floats, kernels: Kernels, now: ContinuousClock.Instant) {
        guard let token = sampler.sample(logits, kernels: kernels) else {
            outcome = .failed(.numericFault)
            return
        }
        if firstToken == nil { firstToken = now }
        tokens.append(token)
        if request.stopTokens.contains(token) {
            outcome = .finished(.stop)
            return
        }
        sink.yield(.token(token))
        if generatedCount >= maxTokens { outcome = .finished(.length) }
    }
}
