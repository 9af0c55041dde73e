// Where one sequence stands in its plan: before thinking, thinking, or in the answer.
//
// Owns: the matcher, the mask and the counters of one sequence. Does not own: sampling. Invariants: a token that is outside the
// mask is never chosen; thinking is over when the answer's constraint begins; what is forced is never more than the limit.
import QuernGrammar
import QuernTensor

struct Guide {
    private enum Phase { case opening, thinking, answer }

    private let plan: GuidancePlan
    private var phase: Phase
    private var matcher: GrammarMatcher?
    private var mask: TokenMask
    private var repetition: RepetitionDetector?
    private(set) var thinkingTokens = 0
    private(set) var thinkingEnd: ThinkingEnd?

    /// Why the completion is over after a token.
    enum End { case complete, repetition, stuck }

    init(_ plan: GuidancePlan, tokenCount: Int) {
        self.plan = plan
        switch plan.thinking {
        case nil: phase = .answer
        case .some(let thinking): phase = thinking.opening == nil ? .thinking : .opening
        }
        matcher = plan.answer.map { GrammarMatcher($0) }
        mask = TokenMask(tokenCount: tokenCount)
        repetition = plan.repetition.map { RepetitionDetector($0) }
    }

    /// Leaves only what may come next in `logits`.
    ///
    /// - Parameter isSelective: the sampler looks at few tokens and can ask `allows` of each.
    /// - Returns: whether it must ask, because nothing was taken out.
    mutating func restrict(_ logits: Floats, stopTokens: Set<TokenID>, isSelective: Bool) -> Bool {
        switch phase {
        case .thinking:
            // An end in the middle of thinking would leave no answer.
            for token in stopTokens where Int(token) < logits.count { logits[Int(token)] = Self.excluded }
        case .opening, .answer:
            guard let isWide = matcher?.isWide else { return false }
            if isWide && isSelective { return true }
            matcher?.fill(&mask)
            if matcher?.isComplete == true {
                for token in stopTokens where Int(token) < mask.tokenCount { mask[token] = true }
            }
            if phase == .opening, let opening = plan.thinking?.opening { mask[opening] = true }
            mask.exclude(from: logits, value: Self.excluded)
        }
        return false
    }

    /// Whether a token may come next, of an answer under a constraint.
    mutating func allows(_ token: TokenID, stopTokens: Set<TokenID>) -> Bool {
        if matcher?.allows(token) == true { return true }
        if stopTokens.contains(token) { return matcher?.isComplete == true }
        return phase == .opening && token == plan.thinking?.opening
    }

    /// Low enough never to be chosen, finite because the sampler refuses infinities.
    private static let excluded = -Float.greatestFiniteMagnitude

    /// Moves on by a token that is no stop token.
    mutating func accept(_ token: TokenID) -> End? {
        let loops = repetition?.accept(token) ?? false
        switch phase {
        case .opening where token == plan.thinking?.opening:
            phase = .thinking
            return nil
        case .thinking:
            thinkingTokens += 1
            if token == plan.thinking?.end { endThinking(.closed) }
            if loops, phase == .thinking { thinkingEnd = .repetition }
            return nil
        case .opening, .answer:
            phase = .answer
            if loops { return .repetition }
            guard matcher != nil else { return nil }
            guard matcher?.accept(token) == true else { return .stuck }
            return matcher?.isExhausted == true ? .complete : nil
        }
    }

    private mutating func endThinking(_ reason: ThinkingEnd) {
        phase = .answer
        if thinkingEnd == nil { thinkingEnd = reason }
        repetition?.reset()
    }

    /// Tokens to append without sampling: the end of thinking when its time is up, or what the constraint leaves no choice about.
    /// The guide has moved past them.
    ///
    /// - Parameters:
    ///   - room: tokens the request may still have.
    ///   - samplesAnswer: every token of the answer is to be sampled all the same, for its log-probability.
    mutating func forcedTokens(room: Int, samplesAnswer: Bool) -> [TokenID] {
        switch phase {
        case .opening: return []
        case .thinking:
            guard let thinking = plan.thinking else { return [] }
            if thinkingEnd == nil, let budget = thinking.budget, thinkingTokens >= budget { thinkingEnd = .budget }
            if thinkingEnd == nil, room <= thinking.answerReserve + thinking.closing.count { thinkingEnd = .reserve }
            guard thinkingEnd != nil else { return [] }
            endThinking(.closed)
            return Array(thinking.closing.prefix(room))
        case .answer:
            guard !samplesAnswer, let forced = matcher?.forcedTokens(limit: room), !forced.isEmpty else { return [] }
            for token in forced {
                _ = matcher?.accept(token)
                _ = repetition?.accept(token)       // a loop is noticed at the next token that was chosen
            }
            return forced
        }
    }

    /// Nothing may follow.
    var isExhausted: Bool { phase == .answer && matcher?.isExhausted == true }
}

extension SequenceState {
    /// Moves the guide past a token, and appends what it forces.
    mutating func followGuide(_ token: TokenID) {
        switch guide?.accept(token) {
        case nil: break
        case .complete?: outcome = .finished(.stop)
        case .repetition?: outcome = .finished(.repetition)
        case .stuck?: outcome = .failed(.constraintStuck)
        }
        // The next step computes what is forced like a piece of a prompt.
        while outcome == nil {
            let room = maxTokens - generatedCount
            let samplesAnswer = request.topLogprobs != nil
            guard let forced = guide?.forcedTokens(room: room, samplesAnswer: samplesAnswer), !forced.isEmpty else { return }
            for token in forced {
                tokens.append(token)
                sampler.note(token)
                sink.yield(.token(token))
            }
            if guide?.isExhausted == true { outcome = .finished(.stop) }
        }
    }
}

extension GuidancePlan {
    /// - Throws: `guidanceMismatch` when it names tokens the model does not have.
    func validate(tokenCount: Int) throws(EngineError) {
        let tags = [thinking?.opening, thinking?.end].compactMap { $0 } + (thinking?.closing ?? [])
        guard answer.map({ $0.vocabulary.tokenCount == tokenCount }) ?? true, tags.allSatisfy({ $0 >= 0 && Int($0) < tokenCount })
        else { throw .guidanceMismatch(tokenCount: tokenCount) }
    }
}

extension TokenMask {
    /// Overwrites the logits of tokens that are not in the mask.
    fileprivate func exclude(from logits: Floats, value: Float) {
        let buffer = logits.buffer
        words.withUnsafeBufferPointer { words in
            for index in words.indices {
                let first = index << 6
                guard first < buffer.count else { return }
                var excluded = ~words[index]
                if buffer.count - first < 64 { excluded &= (1 << UInt64(buffer.count - first)) - 1 }
                if excluded == .max {
                    buffer[first..<(first + 64)].update(repeating: value)
                } else {
                    while excluded != 0 {
                        buffer[first + excluded.trailingZeroBitCount] = value
                        excluded &= excluded - 1
                    }
                }
            }
        }
    }
}
