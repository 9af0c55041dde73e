// From the events of one generation to the pieces of one choice: text, log-probabilities, token ids, reason.
//
// Invariants: log-probabilities travel with the text of their tokens; the pieces of a stream, joined, are the whole answer.
import Quern
import QuernAPI
import QuernEngine
import QuernTokenizer
import Foundation

/// What an answer contains besides text.
struct AnswerFormat: Sendable {
    var kind: CompletionResponse.Kind
    var returnsTokens: Bool
    /// Whether tokens come with their log-probabilities.
    var hasLogprobs = false
    var echoes = false
    /// The most tokens the client wanted.
    var maxTokens: Int?
    /// Splits a chat's text into reasoning, content and calls; nil leaves it whole.
    var parser: AnswerParser?
}

struct ChoiceAssembler {
    private let index: Int
    private let format: AnswerFormat
    private let tokenizer: Tokenizer?
    private let prompt: [TokenID]
    /// The prompt begins with a token that is not part of its text.
    private let addsBOS: Bool
    private var cursor: TextCursor
    private var logprobs: [LogprobEntry] = []
    private var reader: AnswerReader

    init(index: Int, format: AnswerFormat, prompt: [TokenID], addsBOS: Bool, tokenizer: Tokenizer?) {
        self.index = index
        self.format = format
        self.prompt = prompt
        self.addsBOS = addsBOS
        self.tokenizer = tokenizer
        reader = AnswerReader(format.parser, maxTokens: format.maxTokens)
        cursor = TextCursor(tokenizer?.makeDetokenizer(skipSpecialTokens: true))
    }

    /// Tokens that came while the model was thinking.
    var thinkingTokens: Int { reader.thinkingTokens }

    /// The next piece; nil when the event adds nothing to the answer.
    mutating func add(_ event: TextEvent) -> ChoicePart? {
        switch event {
        case .started: return format.echoes && !format.hasLogprobs ? echo([]) : nil
        case .promptLogprobs(let list): return echo(list)
        case .progress, .failed: return nil
        case .stopped:
            _ = reader.read(event)
            return nil
        case .logprobs(let scores):
            logprobs.append(entry(scores, offset: cursor.advance(scores.token)))
            return nil
        case .text(_, let tokens):
            let piece = part(reader.read(event), tokens)
            let isEmpty = piece.text.isEmpty && piece.reasoning.isEmpty && piece.calls.isEmpty
            return isEmpty && piece.logprobs == nil && piece.tokens == nil ? nil : piece
        case .finished(let reason, let usage, _):
            // A chat does not show the token that ended it.
            if format.kind == .chat { logprobs = [] }
            var last = part(reader.read(event), [])
            switch reader.end(reason, usage) {
            case .natural, .stopString: last.finishReason = "stop"
            case .calls: last.finishReason = "tool_calls"
            case .limit(let limit): (last.finishReason, last.limit) = ("length", limit.rawValue)
            case .cancelled: last.finishReason = "cancelled"
            }
            return last
        }
    }

    private mutating func part(_ events: [AnswerEvent], _ tokens: [TokenID]) -> ChoicePart {
        var part = ChoicePart(index: index)
        for event in events {
            switch event {
            case .content(let text): part.text += text
            case .reasoning(let text): part.reasoning += text
            case .callStarted(let number, let name):
                var call = ChoicePart.CallPart(index: number)
                call.id = "call_" + UUID().key
                call.name = name
                part.calls.append(call)
            case .callArguments(let number, let text):
                var call = ChoicePart.CallPart(index: number)
                call.arguments = text
                var piece = ChoicePart(index: index)
                piece.calls = [call]
                part.append(piece)
            }
        }
        if format.returnsTokens && !tokens.isEmpty { part.tokens = tokens }
        if !logprobs.isEmpty {
            part.logprobs = logprobs
            logprobs = []
        }
        return part
    }

    /// The prompt as the beginning of the text.
    private mutating func echo(_ scores: [TokenLogprobs]) -> ChoicePart {
        var whole = TextCursor(tokenizer?.makeDetokenizer(skipSpecialTokens: false))
        var entries: [LogprobEntry] = []
        for (position, token) in prompt.enumerated() {
            let isHidden = addsBOS && position == 0
            let offset = isHidden ? 0 : whole.advance(token)
            guard format.hasLogprobs else { continue }
            entries.append(
                position == 0
                    ? LogprobEntry(bytes: bytes(token), logprob: nil, top: [], offset: offset)
                    : entry(scores[position - 1], offset: offset))
        }
        var part = ChoicePart(index: index)
        part.text = whole.finish()
        if format.hasLogprobs { part.logprobs = entries }
        cursor.offset = whole.offset
        return part
    }

    private func entry(_ scores: TokenLogprobs, offset: Int) -> LogprobEntry {
        LogprobEntry(
            bytes: bytes(scores.token), logprob: Double(scores.logprob),
            top: scores.top.map { LogprobEntry.Candidate(bytes: bytes($0.token), logprob: Double($0.logprob)) }, offset: offset)
    }

    private func bytes(_ token: TokenID) -> [UInt8] { tokenizer?.bytes(of: token).map { [UInt8]($0) } ?? [] }
}

/// Where in a text its tokens begin.
private struct TextCursor {
    private var detokenizer: Detokenizer?
    private var text = ""
    /// Unicode scalars so far.
    var offset = 0

    init(_ detokenizer: Detokenizer?) { self.detokenizer = detokenizer }

    /// Adds a token; returns where its text begins.
    mutating func advance(_ token: TokenID) -> Int {
        let start = offset
        append(detokenizer?.append(token) ?? "")
        return start
    }

    /// The whole text, with what is left of an incomplete character.
    mutating func finish() -> String {
        append(detokenizer?.finish() ?? "")
        return text
    }

    private mutating func append(_ piece: String) {
        text += piece
        offset += piece.unicodeScalars.count
    }
}
