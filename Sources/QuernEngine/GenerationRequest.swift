// What the engine is asked and what it answers: token ids only, no text.

/// Index into the vocabulary.
public typealias TokenID = Int32

/// A prompt to continue.
public struct GenerationRequest: Sendable {
    public var prompt: [TokenID]
    /// Most tokens to generate; nil runs to the end of the context, 0 computes the prompt only.
    public var maxTokens: Int?
    /// Tokens that end the completion; they are counted but not delivered.
    public var stopTokens: Set<TokenID>
    public var sampling: SamplingParameters
    /// Stop tokens are not chosen before so many tokens.
    public var minTokens = 0
    /// Give the log-probability of every generated token, and of so many likeliest ones.
    public var topLogprobs: Int?
    /// Give those of the prompt's tokens too; needs `topLogprobs`.
    public var scoresPrompt = false
    /// Tell how much of the prompt is computed while it is.
    public var reportsProgress = false
    /// Tell what was computed for every token.
    public var reportsWork = false
    /// Pool the prompt's final hidden states; nothing is generated.
    public var pooling: Pooling?
    public var priority = Priority.normal
    /// Who asks: shares are fair between owners, and cached prefixes are never used across domains.
    public var domain = CacheDomain()
    /// What the completion must look like; nil leaves it free.
    public var guidance: GuidancePlan?

    public init(prompt: [TokenID], maxTokens: Int?, stopTokens: Set<TokenID>, sampling: SamplingParameters) {
        self.prompt = prompt
        self.maxTokens = maxTokens
        self.stopTokens = stopTokens
        self.sampling = sampling
    }

    /// Something is wanted of every position of the prompt, so that cached ones are of no use.
    var needsWholePrompt: Bool { scoresPrompt || pooling == .mean }
}

/// Why a completion ended.
public enum FinishReason: String, Sendable {
    case stop, length, cancelled
    /// It repeated itself; see `RepetitionLimits`.
    case repetition
}

/// Token counts of one request.
public struct Usage: Sendable, Equatable {
    public var promptTokens = 0
    public var completionTokens = 0
    /// Prompt tokens whose keys and values were already cached.
    public var cachedTokens = 0
    /// Completion tokens spent on thinking, and why it ended; nil when it did not begin or never ended.
    public var thinkingTokens = 0
    public var thinkingEnd: ThinkingEnd?

    public init() {}
}

/// Where a request's time went, in milliseconds; names after llama.cpp's `timings`.
public struct Timings: Sendable, Equatable {
    /// From submission to the first computed token.
    public var queueMS = 0.0
    /// Prefill: from then to the first generated token.
    public var promptMS = 0.0
    /// Decode: from the first generated token to the last.
    public var predictedMS = 0.0
    /// What the engine did for all sequences in the time of `predictedMS`.
    public var predictedWork = EngineWork()
    public var promptCount = 0
    public var predictedCount = 0

    public init() {}
}

/// One event in the life of a request. Failure is an event, not a thrown error.
public enum GenerationEvent: Sendable {
    case started(cachedTokens: Int)
    /// So many of the prompt's tokens are computed.
    case progress(Int)
    /// Of the prompt's tokens but the first, which nothing predicts; once the prompt is computed.
    case promptLogprobs([TokenLogprobs])
    /// Of the next token, before it; also of a stop token, which is not delivered itself.
    case logprobs(TokenLogprobs)
    /// What the engine did for all sequences since this one was started, or since its last token; comes before a token.
    case computed(EngineWork)
    case token(TokenID)
    /// The pooled prompt, of length one.
    case embedding([Float])
    case finished(FinishReason, Usage, Timings)
    case failed(EngineError)
}

public enum EngineError: Error, Sendable, Equatable, CustomStringConvertible {
    case emptyPrompt
    case contextLengthExceeded(prompt: Int, limit: Int)
    case tokenOutOfRange(index: Int, token: TokenID, tokenCount: Int)
    case queueFull(limit: Int)
    /// One owner has too many requests waiting.
    case ownerQueueFull(limit: Int)
    case queueTimeout(seconds: Int)
    /// The machine has little memory left; what runs is finished first.
    case memoryShort
    case shuttingDown
    case numericFault
    /// No token of the vocabulary continues what the constraint wants.
    case constraintStuck
    case guidanceMismatch(tokenCount: Int)
    case unknownInstructionSet(String, supported: [String])
    case contextOutOfRange(Int, limit: Int)

    public var description: String {
        switch self {
        case .emptyPrompt: "the prompt is empty"
        case .contextLengthExceeded(let prompt, let limit):
            "the prompt has \(prompt) tokens; the context holds \(limit) with the tokens to generate"
        case .tokenOutOfRange(let index, let token, let size):
            "prompt token \(index) is \(token); the vocabulary has \(size) tokens"
        case .queueFull(let limit): "the queue holds its limit of \(limit) requests"
        case .ownerQueueFull(let limit): "this user has \(limit) requests waiting, which is the limit"
        case .queueTimeout(let seconds): "the request waited \(seconds) seconds without being started"
        case .memoryShort: "the machine is short of memory"
        case .shuttingDown: "the engine is shutting down"
        case .constraintStuck: "the vocabulary has no token that the constraint allows next"
        case .guidanceMismatch(let count): "the constraint was compiled for another vocabulary than the model's \(count) tokens"
        case .numericFault: "the model produced a logit that is not a finite number"
        case .unknownInstructionSet(let name, let supported):
            "instruction set '\(name)' is not supported by this processor; supported: \(supported.joined(separator: ", "))"
        case .contextOutOfRange(let wanted, let limit):
            "a context of \(wanted) tokens was asked for; the model allows 1 to \(limit)"
        }
    }
}
