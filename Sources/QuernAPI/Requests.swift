// The requests of the OpenAI-compatible surface.
import QuernJSON

/// POST /v1/chat/completions.
public struct ChatCompletionRequest: Sendable {
    /// Objects with `role` and text `content`, ready for a chat template.
    public var messages: [JSONValue]
    public var templateVariables = JSONObject()
    public var generation: GenerationFields

    static let maxMessages = 8192
    /// Template variables the server sets itself.
    static let reserved: Set<String> = ["messages", "tools", "add_generation_prompt", "bos_token", "eos_token", "tokenize"]

    public init(_ json: JSONValue) throws(APIError) {
        var fields = try RequestFields(json)
        generation = try GenerationFields(&fields)
        guard let list = fields.value("messages")?.arrayValue, !list.isEmpty, list.count <= Self.maxMessages else {
            throw .invalid("messages", "messages must be a list of 1 to \(Self.maxMessages) messages")
        }
        messages = []
        for (index, message) in list.enumerated() { messages.append(try Self.message(message, "messages/\(index)")) }
        if let variables = fields.value("chat_template_kwargs") {
            guard let object = variables.objectValue, object.count <= 64 else {
                throw .invalid("chat_template_kwargs", "chat_template_kwargs is not an object of at most 64 members")
            }
            for member in object.members where Self.reserved.contains(member.key) {
                throw .invalid("chat_template_kwargs/\(member.key)", "chat_template_kwargs/\(member.key) is reserved")
            }
            templateVariables = object
        }
        for key in ["tools", "tool_choice", "functions", "function_call"] { try fields.refuse(key) { $0.arrayValue?.isEmpty == true } }
        try fields.finish()
    }

    /// Roles are the template's business; content becomes one string, or stays null.
    private static func message(_ json: JSONValue, _ path: String) throws(APIError) -> JSONValue {
        guard var object = json.objectValue else { throw .invalid(path, "\(path) is \(json.typeName), expected an object") }
        guard let role = object["role"]?.stringValue, !role.isEmpty, role.utf8.count <= 64 else {
            throw .invalid("\(path)/role", "\(path)/role is not a short string")
        }
        switch object["content"] {
        case .string?, .null?: break
        case .array(let parts)?: object["content"] = .string(try text(parts, "\(path)/content"))
        case nil where role == "assistant": object["content"] = .string("")
        case nil: throw .invalid("\(path)/content", "\(path)/content is missing")
        case .some(let other): throw .invalid("\(path)/content", "\(path)/content is \(other.typeName), expected a string")
        }
        return .object(object)
    }

    private static func text(_ parts: [JSONValue], _ path: String) throws(APIError) -> String {
        var text = ""
        for (index, part) in parts.enumerated() {
            guard part["type"]?.stringValue == "text", let piece = part["text"]?.stringValue else {
                throw .invalid("\(path)/\(index)", "\(path)/\(index) is not a text part; other content is not supported")
            }
            text += piece
        }
        return text
    }
}

/// POST /v1/completions.
public struct CompletionRequest: Sendable {
    public enum Prompt: Sendable {
        case text(String)
        case tokens([Int32])
    }

    public var prompt: Prompt
    /// Recognise spellings of special tokens in the prompt text; off unless asked for.
    public var parsesSpecial: Bool
    public var generation: GenerationFields

    public init(_ json: JSONValue) throws(APIError) {
        var fields = try RequestFields(json)
        generation = try GenerationFields(&fields)
        switch fields.value("prompt") {
        case .string(let text)?: prompt = .text(text)
        case .array?: prompt = .tokens(try fields.tokens("prompt", limit: 1 << 24))
        case let other?: throw .invalid("prompt", "prompt is \(other.typeName), expected a string or a list of token ids")
        case nil: throw .invalid("prompt", "prompt is missing")
        }
        parsesSpecial = try fields.bool("parse_special") ?? false
        try fields.refuse("echo") { $0.boolValue == false }
        try fields.finish()
    }
}
