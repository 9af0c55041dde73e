// What a completion must look like, beyond sampling: a constraint on the answer, bounds on thinking, an end to loops.
//
// Plain values made by whoever knows the text (tags as token ids, grammars already compiled); the engine thread turns a plan
// into a Guide when the request arrives.
import QuernGrammar

public struct GuidancePlan: Sendable {
    /// What the answer may be; nil leaves it free. It starts where thinking ends.
    public var answer: CompiledGrammar?
    public var thinking: ThinkingPlan?
    /// When the completion counts as a loop; nil never.
    public var repetition: RepetitionLimits?

    public init(answer: CompiledGrammar? = nil, thinking: ThinkingPlan? = nil, repetition: RepetitionLimits? = nil) {
        self.answer = answer
        self.thinking = thinking
        self.repetition = repetition
    }
}

/// How a model thinks before it answers, and for how long.
public struct ThinkingPlan: Sendable, Equatable {
    /// The tag that opens thinking; nil when the prompt has opened it already.
    public var opening: TokenID?
    /// The tag that ends it.
    public var end: TokenID
    /// What is appended, unsampled, to end it early; holds `end`.
    public var closing: [TokenID]
    /// Most tokens of thinking.
    public var budget: Int?
    /// Tokens of the request's limit that are kept for the answer: thinking is closed when only these and `closing` are left.
    public var answerReserve: Int

    public init(opening: TokenID?, end: TokenID, closing: [TokenID], budget: Int? = nil, answerReserve: Int = 0) {
        self.opening = opening
        self.end = end
        self.closing = closing
        self.budget = budget
        self.answerReserve = answerReserve
    }
}

/// Why thinking ended.
public enum ThinkingEnd: String, Sendable {
    /// The model closed it.
    case closed
    case budget
    /// What was left of the token limit was needed for the answer.
    case reserve
    case repetition
}

/// A completion loops when its last tokens repeat with some period.
public struct RepetitionLimits: Sendable, Equatable {
    /// Longest period looked for, in tokens.
    public var longestPeriod = 128
    /// Times the period must have come.
    public var count = 8
    /// Tokens that must have been repeats at least.
    public var minimumTokens = 200

    public init() {}
}
