// How the next token is chosen. Plain values; the sampler gives them meaning.

/// Sampling settings of one request. The defaults sample from the model's own distribution.
public struct SamplingParameters: Sendable, Hashable {
    /// 0 chooses the most likely token; 1 leaves the distribution as it is.
    public var temperature: Float = 1
    /// Keep the k most likely tokens; 0 keeps all.
    public var topK = 0
    /// Keep the smallest set of tokens whose probability reaches p; 1 keeps all.
    public var topP: Float = 1
    /// Drop tokens less likely than this fraction of the most likely one; 0 keeps all.
    public var minP: Float = 0
    /// Divides (or multiplies, when negative) the logits of tokens seen in prompt or completion; 1 is off.
    public var repetitionPenalty: Float = 1
    /// Subtracted once from the logit of every token of the completion.
    public var presencePenalty: Float = 0
    /// Subtracted once per occurrence from the logit of every token of the completion.
    public var frequencyPenalty: Float = 0
    /// The same seed, prompt and model give the same tokens, whatever else is running. Nil draws a fresh one.
    public var seed: UInt64?
    /// Added to the logits of single tokens before anything else but the penalties.
    public var logitBias: [TokenID: Float] = [:]

    public init() {}

    public var isGreedy: Bool { temperature <= 1e-6 }
    var usesPenalties: Bool { repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0 }
}
