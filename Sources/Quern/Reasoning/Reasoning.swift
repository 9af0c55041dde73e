// Thinking before the answer: whether a model does, whether it has begun, and how to bound it.
//
// Owns: the tags and what the prompt says about them. Does not own: counting (the engine's Guide) or splitting (AnswerParser).
// Invariant: tags are single tokens of the model; a model without them does not think as far as this library is concerned.
import QuernEngine
import QuernTemplate
import QuernTokenizer

public enum Reasoning {
    static let open = "<think>"
    static let close = "</think>"

    /// How generation starts after `prompt`.
    ///
    /// - Parameter prompt: what the chat template rendered.
    public static func start(_ prompt: RenderedPrompt, template: String, tokenizer: Tokenizer) -> ThinkingStart {
        guard template.contains(close), token(open, tokenizer) != nil, token(close, tokenizer) != nil else { return .absent }
        // Only what the template itself wrote counts: a user's tag is text.
        var tail = prompt.segments.last.flatMap { $0.isTrusted ? $0.text : nil } ?? ""
        while let last = tail.last, last.isWhitespace { tail.removeLast() }
        if tail.hasSuffix(open) { return .open }
        return tail.hasSuffix(close) ? .absent : .possible
    }

    /// The bounds of thinking as tokens.
    ///
    /// - Parameters:
    ///   - budget: most tokens of thinking; nil for no limit but the request's own.
    ///   - answerReserve: tokens of the request's limit kept for the answer.
    /// - Returns: nil when there is no thinking to bound.
    public static func plan(
        _ start: ThinkingStart, budget: Int?, answerReserve: Int, tokenizer: Tokenizer
    ) -> ThinkingPlan? {
        guard start != .absent, let opening = token(open, tokenizer), let end = token(close, tokenizer) else { return nil }
        return ThinkingPlan(
            opening: start == .possible ? opening : nil, end: end,
            closing: tokenizer.encode("\n") + [end] + tokenizer.encode("\n\n"), budget: budget, answerReserve: answerReserve)
    }

    /// Thinking that is over before it began, for a model that would think.
    static func nothing(after start: ThinkingStart, tokenizer: Tokenizer) -> [TokenID] {
        let text = (start == .possible ? "\(open)\n" : "") + "\n\(close)\n\n"
        return tokenizer.encode(text, parseSpecial: true)
    }

    private static func token(_ tag: String, _ tokenizer: Tokenizer) -> TokenID? { tokenizer.token(spelled: tag) }
}
