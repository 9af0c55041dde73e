// POST /v1/responses and /v1/responses/input_tokens: OpenAI's Responses API without a memory.
//
// Invariants: nothing is stored, and a request that relies on stored things is refused rather than answered without them; the
// request becomes a chat completion's, or is refused by the name of the field that has no meaning here.
import QuernJSON

public struct ResponsesRequest: Sendable {
    public let chat: ChatCompletionRequest
    /// What an answer repeats of its request.
    public let echo: ResponseEcho

    public init(_ json: JSONValue) throws(APIError) {
        var fields = try RequestFields(json)
        let generation = try GenerationFields(shared: &fields, maxTokens: "max_output_tokens")
        var echo = ResponseEcho()
        echo.maxTokens = generation.maxTokens
        var structure = StructureFields()
        try structure.readFormat(&fields, &echo)
        try structure.readEffort(&fields, &echo)
        try structure.readFunctions(&fields, &echo)
        var chat = ChatFields(try Self.messages(&fields, &echo))
        try chat.readVariables(&fields)
        try fields.readLabels()
        echo.metadata = fields.object["metadata"]?.objectValue ?? JSONObject()
        try fields.refuseStoredThings()
        try fields.refuseUnsupportedInResponses()
        try fields.finish()
        self.chat = ChatCompletionRequest(chat, generation, structure)
        self.echo = echo
    }

    private static func messages(_ fields: inout RequestFields, _ echo: inout ResponseEcho) throws(APIError) -> [JSONValue] {
        var history = ChatHistory()
        if let instructions = try fields.string("instructions") {
            echo.instructions = instructions
            history.add(role: "system", instructions)
        }
        switch fields.value("input") {
        case .string(let text)?: history.add(role: "user", text)
        case .array(let items)? where (1...ChatFields.maxMessages).contains(items.count):
            for (index, item) in items.enumerated() { try history.add(item: item, "input/\(index)") }
        default: throw .invalid("input", "input must be a string or a list of 1 to \(ChatFields.maxMessages) items")
        }
        return try history.finish()
    }
}

extension StructureFields {
    fileprivate mutating func readFormat(_ fields: inout RequestFields, _ echo: inout ResponseEcho) throws(APIError) {
        let format = try fields.nested("text") { text throws(APIError) in
            try text.refuse("verbosity") { $0 == "medium" }
            let json = text.value("format")
            let format = try text.nested("format") { format throws(APIError) in try Self.format(&format) }
            return format.map { ($0, json) }
        }
        guard let (format, json) = format ?? nil else { return }
        self.format = format
        if let json { echo.format = json }
    }

    private static func format(_ fields: inout RequestFields) throws(APIError) -> Format {
        switch try fields.string("type") {
        case "text"?: return .text
        case "json_object"?: return .jsonObject
        case "json_schema"?:
            for key in ["name", "description"] { _ = try fields.string(key) }
            _ = try fields.bool("strict")
            guard let schema = fields.value("schema") else { throw .invalid("text/format/schema", "text/format/schema is missing") }
            return .schema(schema, pointer: "/text/format/schema")
        default: throw .invalid("text/format/type", "text/format/type must be text, json_object or json_schema")
        }
    }

    fileprivate mutating func readEffort(_ fields: inout RequestFields, _ echo: inout ResponseEcho) throws(APIError) {
        let effort = try fields.nested("reasoning") { reasoning throws(APIError) in
            for key in ["summary", "generate_summary"] {
                try reasoning.refuse(key, because: "is not supported: thinking is given in full, never in summary") { $0 == "auto" }
            }
            try reasoning.refuse("context") { $0 == "auto" }
            return try reasoning.string("effort")
        }
        if let effort = effort ?? nil {
            try think(effort, "reasoning/effort")
            echo.effort = effort
        }
        try readBounds(&fields)
    }

    fileprivate mutating func readFunctions(_ fields: inout RequestFields, _ echo: inout ResponseEcho) throws(APIError) {
        toolPlaces = (name: "name", schema: "parameters")
        if let value = fields.value("tools") {
            guard let list = value.arrayValue else { throw fields.wrongType("tools", value, "a list") }
            for (index, element) in list.enumerated() {
                var tool = try RequestFields(element, path: "tools/\(index)")
                try tool.expect("type", ["function"])
                try tool.refuse("defer_loading") { $0 == false }
                try tool.refuse("allowed_callers") { $0 == ["direct"] }
                try tool.refuse("output_schema")
                let (name, description) = (try tool.required("name"), try tool.string("description"))
                let (parameters, isStrict) = (tool.value("parameters"), try tool.bool("strict"))
                tools.append(Self.function(name, description, parameters, isStrict: isStrict))
                echo.tools.append([
                    "type": "function", "name": .string(name), "description": description.map { .string($0) } ?? .null,
                    "parameters": parameters ?? .null, "strict": isStrict.map { .bool($0) } ?? .null,
                ])
                try tool.finish()
            }
        }
        allowsParallelCalls = try fields.bool("parallel_tool_calls") ?? true
        echo.allowsParallelCalls = allowsParallelCalls
        guard let choice = fields.value("tool_choice") else { return }
        echo.toolChoice = choice
        if choice.objectValue == nil { return toolChoice = choice }
        try fields.nested("tool_choice") { choice throws(APIError) in
            try choice.expect("type", ["function"])
            toolChoice = ["type": "function", "function": ["name": .string(try choice.required("name"))]]
        }
    }
}

extension RequestFields {
    fileprivate mutating func refuseStoredThings() throws(APIError) {
        let remedy = "this server stores no responses; send the whole conversation as input"
        try refuse("store", because: "cannot be true: \(remedy)") { $0 == false }
        for key in ["previous_response_id", "conversation", "prompt"] { try refuse(key, because: "cannot be used: \(remedy)") }
        try refuse("background", because: "cannot be true: this server stores no responses to be fetched later") { $0 == false }
    }

    fileprivate mutating func refuseUnsupportedInResponses() throws(APIError) {
        // Reasoning comes in full, so that what is asked for here is not missed.
        try refuse("include") { list in list.arrayValue?.allSatisfy { $0 == "reasoning.encrypted_content" } ?? false }
        try refuse("service_tier", because: "names a tier of another service; use priority") {
            ["auto", "default"].contains($0.stringValue)
        }
        try refuse("truncation", because: "cannot be auto: nothing is ever left out of a prompt") { $0 == "disabled" }
        try refuse("top_logprobs") { $0 == 0 }
        try refuse("max_tool_calls", because: "counts tools that a server runs; this one runs none")
        try nested("stream_options") { options throws(APIError) in try options.refuse("include_obfuscation") { $0 == false } }
        for key in ["context_management", "moderation", "prompt_cache_options", "prompt_cache_retention"] { try refuse(key) }
    }
}
