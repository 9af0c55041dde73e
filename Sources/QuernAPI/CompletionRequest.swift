// POST /v1/completions, and prompts that are text or token ids, one or many.
import QuernJSON

/// A prompt that needs no chat template.
public enum PlainPrompt: Sendable, Equatable {
    case text(String)
    case tokens([Int32])
}

extension RequestFields {
    /// A string, a list of token ids, or a list of either; an empty list is refused.
    mutating func prompts(_ key: String, limit: Int) throws(APIError) -> [PlainPrompt] {
        let maxTokens = GenerationFields.Limits.tokens
        guard let value = value(key) else { throw .invalid(key, "\(key) is missing") }
        if let text = value.stringValue { return [.text(text)] }
        guard let list = value.arrayValue else {
            throw .invalid(key, "\(key) is \(value.typeName), expected a string, a list of token ids, or a list of these")
        }
        guard let first = list.first else { throw .invalid(key, "\(key) is empty", code: "empty_prompt") }
        if first.intValue != nil { return [.tokens(try Self.tokens(value, key, limit: maxTokens))] }
        guard list.count <= limit else { throw .invalid(key, "\(key) has \(list.count) elements, the limit is \(limit)") }
        var prompts: [PlainPrompt] = []
        for (index, element) in list.enumerated() {
            if let text = element.stringValue {
                prompts.append(.text(text))
            } else {
                prompts.append(.tokens(try Self.tokens(element, "\(key)/\(index)", limit: maxTokens)))
            }
        }
        return prompts
    }
}

/// POST /v1/completions.
public struct CompletionRequest: Sendable {
    public static let maxPrompts = 1024

    public var prompts: [PlainPrompt]
    /// Recognise spellings of special tokens in prompt text; off unless asked for.
    public var parsesSpecial: Bool
    /// Give the prompt before the completion.
    public var echoes: Bool
    /// How many alternatives to give per token; nil gives no log-probabilities.
    public var logprobs: Int?
    public var generation: GenerationFields
    public var structure: StructureFields

    public init(_ json: JSONValue) throws(APIError) {
        var fields = try RequestFields(json)
        generation = try GenerationFields(&fields)
        structure = try StructureFields(&fields)
        prompts = try fields.prompts("prompt", limit: Self.maxPrompts)
        parsesSpecial = try fields.bool("parse_special") ?? false
        echoes = try fields.bool("echo") ?? false
        logprobs = try fields.integer("logprobs", in: 0...GenerationFields.Limits.logprobs)
        try fields.refuse("suffix") { $0 == "" }
        try fields.finish()
    }
}
