// What a request says about the shape of its answer: format, tools and thinking, in the spellings of OpenAI, vLLM and llama.cpp.
//
// Invariant: at most one constraint; a combination that could not be kept is refused here or when it is compiled, never dropped.
import QuernJSON

public struct StructureFields: Sendable {
    public enum Format: Sendable, Equatable {
        case text
        case jsonObject
        /// `pointer` is where the schema stands in the request.
        case schema(JSONValue, pointer: String)
        case regex(String)
        case choice([String])
        /// GBNF.
        case grammar(String)
    }

    public var format = Format.text
    public var tools: [JSONValue] = []
    public var toolChoice: JSONValue?
    public var allowsParallelCalls = true
    /// Nil leaves it to the model's template.
    public var thinks: Bool?
    public var thinkingBudget: Int?
    public var answerReserve: Int?
    /// Where an element of `tools` had its name and its schema in the request: those here are spelled as in chat completions.
    public var toolPlaces = (name: "function/name", schema: "function/parameters")

    static let maxChoices = 1_024
    /// Tokens of thinking for each effort; those from `high` on have no bound of their own.
    static let efforts: [String: Int?] = ["minimal": 256, "low": 1_024, "medium": 4_096, "high": nil, "xhigh": nil, "max": nil]

    /// Free text.
    init() {}

    init(_ fields: inout RequestFields) throws(APIError) {
        var formats: [(field: String, format: Format)] = []
        if let format = try Self.responseFormat(&fields), format != .text { formats.append(("response_format", format)) }
        formats += try Self.structuredOutputs(&fields)
        formats += try Self.legacy(&fields)
        if formats.count > 1 {
            throw .invalid(formats[1].field, "\(formats[1].field) and \(formats[0].field) exclude each other")
        }
        format = formats.first?.format ?? .text
    }

    /// The fields that only chats have.
    mutating func readChat(_ fields: inout RequestFields) throws(APIError) {
        if let list = fields.value("tools") {
            guard let tools = list.arrayValue else { throw fields.wrongType("tools", list, "a list") }
            self.tools = tools
        }
        toolChoice = fields.value("tool_choice")
        allowsParallelCalls = try fields.bool("parallel_tool_calls") ?? true
        try readThinking(&fields)
    }

    private mutating func readThinking(_ fields: inout RequestFields) throws(APIError) {
        if let effort = try fields.string("reasoning_effort") { try think(effort, "reasoning_effort") }
        try fields.nested("thinking") { thinking throws(APIError) in
            switch try thinking.string("type") {
            case "enabled"?: thinks = true
            case "disabled"?: thinks = false
            default: throw .invalid("thinking/type", "thinking/type must be enabled or disabled")
            }
            if let budget = try thinking.integer("budget_tokens", in: 0...GenerationFields.Limits.tokens) { thinkingBudget = budget }
        }
        try readBounds(&fields)
    }

    /// Bounds of thinking beyond any vendor's.
    mutating func readBounds(_ fields: inout RequestFields) throws(APIError) {
        if let budget = try fields.integer("thinking_token_budget", in: 0...GenerationFields.Limits.tokens) { thinkingBudget = budget }
        answerReserve = try fields.integer("answer_reserve", in: 0...GenerationFields.Limits.tokens)
    }

    /// - Parameter name: the field that `effort` came in.
    mutating func think(_ effort: String, _ name: String) throws(APIError) {
        guard effort != "none" else { return thinks = false }
        guard let budget = Self.efforts[effort] else {
            throw .invalid(name, "\(name) must be none, minimal, low, medium, high, xhigh or max")
        }
        (thinks, thinkingBudget) = (true, budget)
    }

    /// A function as chat completions define one.
    static func function(_ name: String, _ description: String?, _ parameters: JSONValue?, isStrict: Bool?) -> JSONValue {
        var function = JSONObject()
        function.append("name", .string(name))
        if let description { function.append("description", .string(description)) }
        if let parameters { function.append("parameters", parameters) }
        if let isStrict { function.append("strict", .bool(isStrict)) }
        return ["type": "function", "function": .object(function)]
    }

    private static func responseFormat(_ fields: inout RequestFields) throws(APIError) -> Format? {
        try fields.nested("response_format") { format throws(APIError) in
            let type = try format.string("type")
            switch type {
            case "text"?: return .text
            case "json_object"?: return .jsonObject
            case "json_schema"?:
                let schema = try format.nested("json_schema") { named throws(APIError) in
                    for key in ["name", "description"] { _ = try named.string(key) }
                    _ = try named.bool("strict")
                    return named.value("schema")
                }
                guard let schema = schema ?? nil else {
                    throw .invalid("response_format/json_schema/schema", "response_format/json_schema/schema is missing")
                }
                return .schema(schema, pointer: "/response_format/json_schema/schema")
            default:
                throw .invalid("response_format/type", "response_format/type must be text, json_object or json_schema")
            }
        }
    }

    /// vLLM's `structured_outputs`.
    private static func structuredOutputs(_ fields: inout RequestFields) throws(APIError) -> [(String, Format)] {
        try fields.nested("structured_outputs") { outputs throws(APIError) in
            var formats: [(String, Format)] = []
            for key in ["json", "regex", "choice", "grammar"] {
                if let value = outputs.value(key) { formats.append(("structured_outputs/\(key)", try format(key, value, "structured_outputs/\(key)"))) }
            }
            if try outputs.bool("json_object") == true { formats.append(("structured_outputs/json_object", .jsonObject)) }
            return formats
        } ?? []
    }

    /// vLLM's older `guided_…` and llama.cpp's `json_schema` and `grammar`.
    private static func legacy(_ fields: inout RequestFields) throws(APIError) -> [(String, Format)] {
        var formats: [(String, Format)] = []
        for (name, key) in [
            ("guided_json", "json"), ("guided_regex", "regex"), ("guided_choice", "choice"), ("guided_grammar", "grammar"),
            ("json_schema", "json"), ("grammar", "grammar"),
        ] {
            if let value = fields.value(name) { formats.append((name, try format(key, value, name))) }
        }
        return formats
    }

    private static func format(_ key: String, _ value: JSONValue, _ name: String) throws(APIError) -> Format {
        switch (key, value) {
        case ("json", .object), ("json", .bool): return .schema(value, pointer: "/\(name)")
        case ("json", .string(let text)):
            guard let schema = try? JSONValue(parsing: Array(text.utf8)) else { throw .invalid(name, "\(name) is not JSON") }
            return .schema(schema, pointer: "/\(name)")
        case ("regex", .string(let pattern)): return .regex(pattern)
        case ("grammar", .string(let source)): return .grammar(source)
        case ("choice", .array(let list)):
            let texts = list.compactMap(\.stringValue)
            guard texts.count == list.count, (1...maxChoices).contains(texts.count), texts.allSatisfy({ !$0.isEmpty }) else {
                throw .invalid(name, "\(name) must be a list of 1 to \(maxChoices) strings, none empty")
            }
            return .choice(texts)
        default: throw .invalid(name, "\(name) is \(value.typeName), which is no \(key)")
        }
    }
}
