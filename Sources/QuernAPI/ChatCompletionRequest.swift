// POST /v1/chat/completions, and the part of it that other routes share: messages and how they become a prompt.
import QuernJSON

/// Messages and the settings of the chat template.
public struct ChatFields: Sendable {
    /// Objects with `role` and text `content`, ready for a chat template.
    public var messages: [JSONValue] = []
    public var templateVariables = JSONObject()
    /// End with the opening of the assistant's turn.
    public var addsGenerationPrompt = true
    /// End inside the last message, which the model continues.
    public var continuesFinalMessage = false

    public static let maxMessages = 8192
    static let roles: Set<String> = ["system", "developer", "user", "assistant", "tool", "function"]
    /// Template variables the server sets itself.
    static let reserved: Set<String> = ["messages", "tools", "add_generation_prompt", "bos_token", "eos_token", "tokenize"]

    /// - Parameter messages: as chat completions spell them.
    init(_ messages: [JSONValue], continuesFinalMessage: Bool = false) {
        self.messages = messages
        self.continuesFinalMessage = continuesFinalMessage
        addsGenerationPrompt = !continuesFinalMessage
    }

    init(_ fields: inout RequestFields) throws(APIError) {
        continuesFinalMessage = try fields.bool("continue_final_message") ?? false
        let adds = try fields.bool("add_generation_prompt")
        addsGenerationPrompt = adds ?? !continuesFinalMessage
        if continuesFinalMessage && addsGenerationPrompt {
            throw .invalid("add_generation_prompt", "add_generation_prompt and continue_final_message exclude each other")
        }
        guard let list = fields.value("messages")?.arrayValue, !list.isEmpty, list.count <= Self.maxMessages else {
            throw .invalid("messages", "messages must be a list of 1 to \(Self.maxMessages) messages")
        }
        for (index, message) in list.enumerated() { messages.append(try Self.message(message, "messages/\(index)")) }
        try readVariables(&fields)
        try fields.refuseUnsupportedInChat()
    }

    /// `chat_template_kwargs`.
    mutating func readVariables(_ fields: inout RequestFields) throws(APIError) {
        guard let json = fields.value("chat_template_kwargs") else { return }
        guard let object = json.objectValue, object.count <= 64 else {
            throw .invalid("chat_template_kwargs", "chat_template_kwargs is not an object of at most 64 members")
        }
        for member in object.members where Self.reserved.contains(member.key) {
            throw .invalid("chat_template_kwargs/\(member.key)", "chat_template_kwargs/\(member.key) is reserved")
        }
        templateVariables = object
    }

    /// Content becomes one string, or stays null; the newer name of the system role becomes the one templates know.
    private static func message(_ json: JSONValue, _ path: String) throws(APIError) -> JSONValue {
        guard var object = json.objectValue else { throw .invalid(path, "\(path) is \(json.typeName), expected an object") }
        guard let role = object["role"]?.stringValue, roles.contains(role) else {
            throw .invalid("\(path)/role", "\(path)/role is not one of \(roles.sorted().joined(separator: ", "))")
        }
        if role == "developer" { object["role"] = "system" }
        switch object["content"] {
        case .string?, .null?: break
        case .array(let parts)?: object["content"] = .string(try text(parts, "\(path)/content"))
        case nil where role == "assistant": object["content"] = ""
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

/// POST /v1/chat/completions; also what `/v1/chat/completions/input_tokens` counts, and what requests of other APIs become.
public struct ChatCompletionRequest: Sendable {
    public var chat: ChatFields
    public var generation: GenerationFields
    public var structure: StructureFields
    /// How many alternatives to give per token; nil gives no log-probabilities.
    public var logprobs: Int?

    init(_ chat: ChatFields, _ generation: GenerationFields, _ structure: StructureFields) {
        self.chat = chat
        self.generation = generation
        self.structure = structure
    }

    public init(_ json: JSONValue) throws(APIError) {
        var fields = try RequestFields(json)
        generation = try GenerationFields(&fields)
        structure = try StructureFields(&fields)
        try structure.readChat(&fields)
        chat = try ChatFields(&fields)
        let wantsLogprobs = try fields.bool("logprobs") ?? false
        let alternatives = try fields.integer("top_logprobs", in: 0...GenerationFields.Limits.logprobs)
        if alternatives != nil && !wantsLogprobs { throw .invalid("top_logprobs", "top_logprobs needs logprobs: true") }
        logprobs = wantsLogprobs ? alternatives ?? 0 : nil
        try fields.finish()
    }
}

/// POST /apply-template.
public struct TemplateRequest: Sendable {
    public var model: String?
    public var chat: ChatFields

    public init(_ json: JSONValue) throws(APIError) {
        var fields = try RequestFields(json)
        model = try fields.string("model")
        chat = try ChatFields(&fields)
        try fields.finish()
    }
}
