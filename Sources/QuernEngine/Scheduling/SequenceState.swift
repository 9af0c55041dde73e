// The engine-side state of one request.
//
// Invariant: `computedCount` never exceeds `tokens.count`; the scheduler only ever makes the first catch up with the
// second, so that there is no prefill phase and no decode phase. `holding` covers prompt plus `maxTokens` from admission.

struct SequenceState {
    let id: UInt64
    let request: GenerationRequest
    let sink: GenerationSink
    /// Its place in the queue, until it is started.
    var permit: QueuePermit?
    let submitted: ContinuousClock.Instant
    /// The same, later by what nobody could have served.
    var waitingSince: ContinuousClock.Instant
    let maxTokens: Int
    var tokens: [TokenID]
    var computedCount = 0
    var holding = BlockHolding()
    /// Prompt tokens that were computed before this request.
    var cachedTokens = 0
    var slot = 0
    var sampler: Sampler
    /// Prompt tokens that the client was told are computed.
    var reportedCount = 0
    /// Of the prompt's tokens but the first, as far as computed.
    var promptLogprobs: [TokenLogprobs] = []
    var pooled: PooledState?
    var guide: Guide?
    var started: ContinuousClock.Instant?
    var firstToken: ContinuousClock.Instant?
    /// What the engine had computed by the first token, and what the client was told of.
    var firstTokenWork = EngineWork()
    var reportedWork = EngineWork()
    /// Set once, when the sequence is over.
    var outcome: Outcome?

    enum Outcome {
        case finished(FinishReason)
        case failed(EngineError)
    }

    init(_ submission: Submission, tokenCount: Int, hiddenSize: Int, submitted: ContinuousClock.Instant) {
        id = submission.id
        request = submission.request
        sink = submission.sink
        maxTokens = submission.maxTokens
        permit = submission.permit
        self.submitted = submitted
        waitingSince = submitted
        tokens = request.prompt
        tokens.reserveCapacity(request.prompt.count + maxTokens)
        sampler = Sampler(request.sampling, tokenCount: tokenCount, prompt: request.prompt)
        pooled = request.pooling.map { PooledState($0, width: hiddenSize) }
        guide = request.guidance.map { Guide($0, tokenCount: tokenCount) }
    }

    var generatedCount: Int { tokens.count - request.prompt.count }
    var pendingCount: Int { tokens.count - computedCount }
    var neededTokens: Int { request.prompt.count + maxTokens }

    func usage() -> Usage {
        var usage = Usage()
        usage.promptTokens = request.prompt.count
        usage.completionTokens = generatedCount
        usage.cachedTokens = min(cachedTokens, request.prompt.count)
        usage.thinkingTokens = guide?.thinkingTokens ?? 0
        usage.thinkingEnd = guide?.thinkingEnd
        return usage
    }

    func timings(now: ContinuousClock.Instant, work: EngineWork) -> Timings {
        var timings = Timings()
        let start = started ?? now
        timings.queueMS = milliseconds(start - submitted)
        timings.promptMS = milliseconds((firstToken ?? now) - start)
        timings.predictedMS = firstToken.map { milliseconds(now - $0) } ?? 0
        if firstToken != nil { timings.predictedWork = work - firstTokenWork }
        timings.promptCount = request.prompt.count
        timings.predictedCount = generatedCount
        return timings
    }
}

private func milliseconds(_ duration: Duration) -> Double { duration / .milliseconds(1) }

/// Where a sequence's events go. Delivery may allocate; it happens after a step, never inside one.
typealias GenerationSink = AsyncStream<GenerationEvent>.Continuation

extension GenerationSink {
    func fail(_ error: EngineError) {
        yield(.failed(error))
        finish()
    }
}
