// From the text of one generation to what it says, and why it ended, in terms that belong to no API.
import Quern
import QuernEngine

/// Why an answer ended.
enum AnswerEnd: Sendable {
    /// By itself.
    case natural
    /// By itself, and it holds calls.
    case calls
    case stopString(String)
    case limit(AnswerLimit)
    case cancelled
}

/// What cut an answer off.
enum AnswerLimit: String, Sendable {
    case maxTokens = "max_tokens"
    case contextLength = "context_length"
    case repetition
}

struct AnswerReader: Sendable {
    /// Splits text into reasoning, content and calls; nil leaves it whole.
    private var parser: AnswerParser?
    /// The most tokens the client wanted.
    private let maxTokens: Int?
    private var hasCalls = false
    private var stop: String?
    /// Tokens that came while the model was thinking.
    private(set) var thinkingTokens = 0

    init(_ parser: AnswerParser?, maxTokens: Int?) {
        self.parser = parser
        self.maxTokens = maxTokens
    }

    mutating func read(_ event: TextEvent) -> [AnswerEvent] {
        switch event {
        case .text(let text, let tokens):
            if parser?.isThinking == true { thinkingTokens += tokens.count }
            let events = parser?.append(text) ?? [.content(text)]
            hasCalls = hasCalls || events.contains { if case .callStarted = $0 { true } else { false } }
            return events
        case .stopped(let string):
            stop = string
            return []
        case .finished: return parser?.finish() ?? []
        case .started, .progress, .promptLogprobs, .logprobs, .failed: return []
        }
    }

    func end(_ reason: FinishReason, _ usage: Usage) -> AnswerEnd {
        switch reason {
        case .stop: stop.map { .stopString($0) } ?? (hasCalls ? .calls : .natural)
        case .length: .limit(maxTokens.map { usage.completionTokens >= $0 } ?? false ? .maxTokens : .contextLength)
        case .repetition: .limit(.repetition)
        case .cancelled: .cancelled
        }
    }
}
