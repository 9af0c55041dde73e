// POST /tokenize and /detokenize, with llama.cpp's names; vLLM's names for the input are understood too.
import QuernJSON

public struct TokenizeRequest: Sendable {
    public enum Input: Sendable {
        case text(String)
        case chat(ChatFields)
    }

    public var model: String?
    public var input: Input
    /// Begin with the tokenizer's beginning-of-text token, if it has one.
    public var addsSpecial: Bool
    /// Recognise spellings of special tokens in the text.
    public var parsesSpecial: Bool
    public var withPieces: Bool

    public init(_ json: JSONValue) throws(APIError) {
        var fields = try RequestFields(json)
        model = try fields.string("model")
        let (ours, theirs) = (try fields.bool("add_special"), try fields.bool("add_special_tokens"))
        addsSpecial = ours ?? theirs ?? false
        parsesSpecial = try fields.bool("parse_special") ?? true
        withPieces = try fields.bool("with_pieces") ?? false
        let (content, prompt) = (try fields.string("content"), try fields.string("prompt"))
        if let text = content ?? prompt {
            input = .text(text)
        } else if fields.object["messages"] != nil {
            input = .chat(try ChatFields(&fields))
        } else {
            throw .invalid("content", "content is missing")
        }
        try fields.finish()
    }
}

public struct DetokenizeRequest: Sendable {
    public var model: String?
    public var tokens: [Int32]

    public init(_ json: JSONValue) throws(APIError) {
        var fields = try RequestFields(json)
        model = try fields.string("model")
        guard fields.value("tokens") != nil else { throw .invalid("tokens", "tokens is missing") }
        tokens = try fields.tokens("tokens", limit: GenerationFields.Limits.tokens)
        try fields.finish()
    }
}
