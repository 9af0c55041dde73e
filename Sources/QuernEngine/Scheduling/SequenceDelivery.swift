// What a step gives to one sequence: its next token, log-probabilities of its prompt, its pooled vector, and the events that
// tell of them.
//
// Invariants: events come in the order started, progress, prompt, tokens, end; a prompt is reported once, however often the
// sequence is interrupted and computed again.
import QuernTensor

/// What the logits of one token of a step are for.
enum LogitPurpose {
    case nextToken, promptScore
}

extension SequenceState {
    /// Why the logits at `position` are wanted; nil when they are not.
    func logitPurpose(at position: Int) -> LogitPurpose? {
        if position == tokens.count - 1 { return generatedCount < maxTokens ? .nextToken : nil }
        guard request.scoresPrompt, reportedCount < request.prompt.count, position + 1 < request.prompt.count else { return nil }
        return position >= promptLogprobs.count ? .promptScore : nil
    }

    /// Takes one row of logits, which is scratch afterwards.
    ///
    /// - Parameter work: what was computed until now.
    mutating func take(_ logits: Floats, for purpose: LogitPurpose, compute: Compute, now: ContinuousClock.Instant, work: EngineWork) {
        guard outcome == nil else { return }
        switch purpose {
        case .nextToken:
            reportPrompt()
            sample(logits, compute: compute, now: now, work: work)
        case .promptScore:
            let token = request.prompt[promptLogprobs.count + 1]
            guard let scores = TokenLogprobs(token, logits: logits, top: request.topLogprobs ?? 0, kernels: compute.kernels) else {
                outcome = .failed(.numericFault)
                return
            }
            promptLogprobs.append(scores)
        }
    }

    /// Chooses the next token, delivers it and decides whether the sequence is over.
    private mutating func sample(_ logits: Floats, compute: Compute, now: ContinuousClock.Instant, work: EngineWork) {
        var row = logits
        if request.topLogprobs != nil {     // these are of the logits as the model made them
            row = compute.spareLogits.slice(from: 0, count: logits.count)
            _ = row.buffer.update(fromContentsOf: logits.buffer)
        }
        let stopTokens = request.stopTokens
        let asksGuide = guide?.restrict(row, stopTokens: stopTokens, isSelective: sampler.isSelective) ?? false
        if generatedCount < request.minTokens {
            for token in stopTokens where Int(token) < row.count { row[Int(token)] = -.infinity }
        }
        let chosen = asksGuide
            ? sampler.sample(row, kernels: compute.kernels, under: &guide, stopTokens: stopTokens)
            : sampler.sample(row, kernels: compute.kernels)
        guard let token = chosen else {
            outcome = .failed(.numericFault)
            return
        }
        if firstToken == nil { (firstToken, firstTokenWork) = (now, work) }
        if request.reportsWork {
            sink.yield(.computed(work - reportedWork))
            reportedWork = work
        }
        tokens.append(token)
        if let top = request.topLogprobs, let scores = TokenLogprobs(token, logits: logits, top: top, kernels: compute.kernels) {
            sink.yield(.logprobs(scores))
        }
        if stopTokens.contains(token) {
            outcome = .finished(.stop)
            return
        }
        sink.yield(.token(token))
        followGuide(token)
        if outcome == nil, generatedCount >= maxTokens { outcome = .finished(.length) }
    }

    /// After a step: tells how much of the prompt is computed, and once, when it is, everything that was asked about it.
    mutating func reportPrompt() {
        let count = min(computedCount, request.prompt.count)
        guard count > reportedCount, outcome == nil else { return }
        reportedCount = count
        if request.reportsProgress { sink.yield(.progress(count)) }
        guard count == request.prompt.count else { return }
        if request.scoresPrompt {
            sink.yield(.promptLogprobs(promptLogprobs))
            promptLogprobs = []
        }
        if let pooled { sink.yield(.embedding(pooled.embedding())) }
        if maxTokens == 0 { outcome = .finished(.length) }
    }
}
