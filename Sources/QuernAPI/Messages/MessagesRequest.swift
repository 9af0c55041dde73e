// POST /v1/messages and /v1/messages/count_tokens: Anthropic's Messages API.
//
// Thinking is off unless it is asked for, as clients of this API expect: the first block of an answer is then its text.
// Invariant: the request becomes a chat completion's, or is refused by the name of the field that has no meaning here.
import QuernJSON

public struct MessagesRequest: Sendable {
    public let chat: ChatCompletionRequest

    /// - Parameter countsOnly: there are no fields of generation, since nothing is to be generated.
    public init(_ json: JSONValue, countsOnly: Bool = false) throws(APIError) {
        var fields = try RequestFields(json)
        let generation = countsOnly ? GenerationFields(model: try fields.string("model")) : try Self.generation(&fields)
        var structure = StructureFields()
        try structure.readMessages(&fields, maxTokens: countsOnly ? nil : generation.maxTokens)
        var chat = try Self.chat(&fields)
        if chat.continuesFinalMessage && structure.thinks == true {
            throw .invalid("thinking", "thinking cannot be enabled when the last message is the beginning of the answer")
        }
        try chat.readVariables(&fields)
        try fields.readCacheControl()
        try fields.finish()
        self.chat = ChatCompletionRequest(chat, generation, structure)
    }

    private static func generation(_ fields: inout RequestFields) throws(APIError) -> GenerationFields {
        guard fields.value("max_tokens") != nil else { throw .invalid("max_tokens", "max_tokens is missing") }
        var generation = try GenerationFields(shared: &fields, maxTokens: "max_tokens")
        if let stops = fields.value("stop_sequences") {
            guard let list = stops.arrayValue else { throw fields.wrongType("stop_sequences", stops, "a list of strings") }
            generation.stop = try GenerationFields.stops(list, "stop_sequences")
        }
        try fields.nested("metadata") { metadata throws(APIError) in _ = try metadata.string("user_id") }
        try fields.refuse("service_tier", because: "names a tier of another service; use priority") {
            ["auto", "standard_only"].contains($0.stringValue)
        }
        try fields.refuse("speed") { $0 == "standard" }
        for key in ["container", "context_management", "mcp_servers", "inference_geo", "diagnostics"] { try fields.refuse(key) }
        return generation
    }

    private static func chat(_ fields: inout RequestFields) throws(APIError) -> ChatFields {
        var history = ChatHistory()
        if let system = fields.value("system") { history.add(role: "system", try MessageBlock.text(system, "system")) }
        guard let list = fields.value("messages")?.arrayValue, !list.isEmpty, list.count <= ChatFields.maxMessages else {
            throw .invalid("messages", "messages must be a list of 1 to \(ChatFields.maxMessages) messages")
        }
        for (index, message) in list.enumerated() { try add(message, to: &history, "messages/\(index)") }
        let messages = try history.finish()
        let isBegun = messages.last?["role"] == "assistant"
        if isBegun, messages.last?["content"] == "" {
            let place = "messages/\(list.count - 1)/content"
            throw .invalid(place, "\(place) has no text; the answer continues what the last message begins")
        }
        return ChatFields(messages, continuesFinalMessage: isBegun)
    }

    private static func add(_ json: JSONValue, to history: inout ChatHistory, _ path: String) throws(APIError) {
        var fields = try RequestFields(json, path: path)
        let role = try fields.required("role")
        let content = fields.value("content")
        switch role {
        case "user":
            var text: String?
            for (block, place) in try MessageBlock.list(content, "\(path)/content", allowing: [.text, .toolResult]) {
                switch block {
                case .text(let piece): text = (text ?? "") + piece
                case .toolResult(let id, let result):
                    if let text { history.add(role: "user", text) }
                    text = nil
                    try history.addResult(of: id, result, path: "\(place)/tool_use_id")
                case .thinking, .toolUse: break      // not allowed
                }
            }
            if let text { history.add(role: "user", text) }
        case "assistant":
            for (block, place) in try MessageBlock.list(content, "\(path)/content", allowing: [.text, .thinking, .toolUse]) {
                switch block {
                case .text(let text): history.addAnswer(text)
                case .thinking(let text): history.addReasoning(text)
                case .toolUse(let id, let name, let input): try history.addCall(id, name: name, arguments: input, path: place)
                case .toolResult: break      // not allowed
                }
            }
        case "system": history.add(role: "system", try MessageBlock.text(content, "\(path)/content"))
        default: throw .invalid("\(path)/role", "\(path)/role is not one of assistant, system, user")
        }
        try fields.finish()
    }
}

extension StructureFields {
    fileprivate mutating func readMessages(_ fields: inout RequestFields, maxTokens: Int?) throws(APIError) {
        thinks = false
        var effort: String?
        try fields.nested("output_config") { output throws(APIError) in
            effort = try output.string("effort")
            let schema = try output.nested("format") { format throws(APIError) in
                try format.expect("type", ["json_schema"])
                guard let schema = format.value("schema") else {
                    throw .invalid("output_config/format/schema", "output_config/format/schema is missing")
                }
                return schema
            }
            if let schema { self.format = .schema(schema, pointer: "/output_config/format/schema") }
        }
        try fields.nested("thinking") { thinking throws(APIError) in
            try readThinking(&thinking, maxTokens: maxTokens)
        }
        if let effort {
            var bounds = StructureFields()
            try bounds.think(effort, "output_config/effort")
            if thinks == true && thinkingBudget == nil { thinkingBudget = bounds.thinkingBudget }
        }
        answerReserve = try fields.integer("answer_reserve", in: 0...GenerationFields.Limits.tokens)
        try readTools(&fields)
        try readToolChoice(&fields)
    }

    private mutating func readThinking(_ fields: inout RequestFields, maxTokens: Int?) throws(APIError) {
        switch try fields.string("type") {
        case "disabled"?: return
        case "adaptive"?: thinks = true
        case "enabled"?:
            thinks = true
            guard let budget = try fields.integer("budget_tokens", in: 1...GenerationFields.Limits.tokens) else {
                throw .invalid("thinking/budget_tokens", "thinking/budget_tokens is missing")
            }
            if let maxTokens, budget >= maxTokens {
                throw .invalid(
                    "thinking/budget_tokens", "thinking/budget_tokens is \(budget); it must be less than max_tokens, \(maxTokens)")
            }
            thinkingBudget = budget
        default: throw .invalid("thinking/type", "thinking/type must be enabled, disabled or adaptive")
        }
        try fields.refuse("display", because: "cannot hide thinking that is asked for") { $0 == "summarized" }
    }

    private mutating func readTools(_ fields: inout RequestFields) throws(APIError) {
        toolPlaces = (name: "name", schema: "input_schema")
        guard let value = fields.value("tools") else { return }
        guard let list = value.arrayValue else { throw fields.wrongType("tools", value, "a list") }
        for (index, element) in list.enumerated() {
            var tool = try RequestFields(element, path: "tools/\(index)")
            try tool.expect("type", [nil, "custom"])
            try tool.readCacheControl()
            // Arguments always arrive as they are written.
            _ = try tool.bool("eager_input_streaming")
            try tool.refuse("defer_loading") { $0 == false }
            try tool.refuse("allowed_callers") { $0 == ["direct"] }
            try tool.refuse("input_examples") { $0 == [] }
            let name = try tool.required("name")
            guard let schema = tool.value("input_schema") else {
                throw .invalid("tools/\(index)/input_schema", "tools/\(index)/input_schema is missing")
            }
            tools.append(Self.function(name, try tool.string("description"), schema, isStrict: try tool.bool("strict")))
            try tool.finish()
        }
    }

    private mutating func readToolChoice(_ fields: inout RequestFields) throws(APIError) {
        try fields.nested("tool_choice") { choice throws(APIError) in
            switch try choice.string("type") {
            case "auto"?: toolChoice = "auto"
            case "any"?: toolChoice = "required"
            case "none"?: toolChoice = "none"
            case "tool"?: toolChoice = ["type": "function", "function": ["name": .string(try choice.required("name"))]]
            default: throw .invalid("tool_choice/type", "tool_choice/type must be auto, any, tool or none")
            }
            allowsParallelCalls = try !(choice.bool("disable_parallel_tool_use") ?? false)
        }
    }
}
