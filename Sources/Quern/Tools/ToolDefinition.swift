// The functions a request lets the model call.
//
// Owns: reading `tools` and `tool_choice` as chat completions have them, and their limits. Does not own: how a model spells a call
// (ToolForm), or how other APIs spell a definition. Invariant: names are plain, so that they can stand in a prompt and in a
// grammar as they are.
import QuernJSON

public struct ToolDefinition: Sendable, Hashable {
    public let name: String
    /// JSON Schema of the arguments; nil allows any object.
    public let parameters: JSONValue?
    /// Arguments satisfy the schema as a whole or the request is refused; otherwise a schema that cannot be enforced is a warning.
    public let isStrict: Bool
    /// Where the schema stands in the request.
    let pointer: String

    public static let limit = 512

    /// Where an element of `tools` has name and schema in the API that it came from, for error messages.
    public typealias Places = (name: String, schema: String)

    /// - Parameter index: position in `tools`, for error messages.
    init(_ value: JSONValue, index: Int, places: Places) throws(RequestError) {
        let place = "tools/\(index)"
        guard value["type"]?.stringValue == "function", let function = value["function"], function.objectValue != nil else {
            throw .invalid(param: place, message: "\(place) must be {\"type\": \"function\", \"function\": {…}}")
        }
        guard let name = function["name"]?.stringValue, Self.isPlain(name) else {
            throw .invalid(
                param: "\(place)/\(places.name)",
                message: "\(place)/\(places.name) must have 1 to 64 of the characters A-Z, a-z, 0-9, '_', '-' and '.'")
        }
        if let parameters = function["parameters"], parameters.objectValue == nil, !parameters.isNull {
            throw .invalid(
                param: "\(place)/\(places.schema)",
                message: "\(place)/\(places.schema) must be a JSON Schema object, not a \(parameters.typeName)")
        }
        self.name = name
        let parameters = function["parameters"].flatMap { $0.isNull ? nil : $0 }
        self.parameters = parameters
        isStrict = function["strict"]?.boolValue ?? false
        pointer = "/\(place)/\(places.schema)"
    }

    private static func isPlain(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count) && name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), 0x30...0x39, UInt8(ascii: "_"),
                UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
    }

    /// The names of the parameters in the order of the schema, and whether each is required.
    var parameterNames: [(name: String, isRequired: Bool)] {
        let required = parameters?["required"]?.arrayValue?.compactMap(\.stringValue) ?? []
        return (parameters?["properties"]?.objectValue?.members ?? []).map { member in
            (member.key, required.contains { $0.utf8.elementsEqual(member.key.utf8) })
        }
    }
}

public enum ToolChoice: Sendable, Hashable {
    /// The model may answer in text, call functions, or both.
    case auto
    case none
    /// At least one call.
    case required
    case named(String)

    /// Reads `tool_choice`.
    public init(_ value: JSONValue) throws(RequestError) {
        switch value.stringValue {
        case "auto": self = .auto
        case "none": self = .none
        case "required": self = .required
        default:
            guard value["type"]?.stringValue == "function", let name = value["function"]?["name"]?.stringValue else {
                throw .invalid(
                    param: "tool_choice",
                    message: "tool_choice must be \"auto\", \"none\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": …}}")
            }
            self = .named(name)
        }
    }
}

/// The tools of one request.
public struct ToolSet: Sendable, Hashable {
    public let tools: [ToolDefinition]
    public let choice: ToolChoice
    /// More than one call in an answer.
    public let allowsParallelCalls: Bool
    /// `tools` as the request had it, for the chat template.
    public let definitions: [JSONValue]

    /// - Throws: `RequestError.invalid` naming the element at fault.
    public init(
        _ definitions: [JSONValue], choice: ToolChoice = .auto, allowsParallelCalls: Bool = true,
        places: ToolDefinition.Places = ("function/name", "function/parameters")
    ) throws(RequestError) {
        guard definitions.count <= ToolDefinition.limit else {
            throw .invalid(param: "tools", message: "tools has \(definitions.count) elements, the limit is \(ToolDefinition.limit)")
        }
        var tools: [ToolDefinition] = []
        var names: Set<[UInt8]> = []
        for (index, definition) in definitions.enumerated() {
            let tool = try ToolDefinition(definition, index: index, places: places)
            guard names.insert(Array(tool.name.utf8)).inserted else {
                throw .invalid(param: "tools/\(index)", message: "tools/\(index): there are two functions named \(tool.name)")
            }
            tools.append(tool)
        }
        if case .named(let name) = choice, !names.contains(Array(name.utf8)) {
            throw .invalid(param: "tool_choice", message: "tool_choice names a function that is not in tools")
        }
        if choice == .required, tools.isEmpty {
            throw .invalid(param: "tool_choice", message: "tool_choice is required, and tools is empty")
        }
        self.tools = tools
        self.choice = choice
        self.allowsParallelCalls = allowsParallelCalls
        self.definitions = definitions
    }

    /// The tools that may be called.
    var callable: [ToolDefinition] {
        switch choice {
        case .none: []
        case .auto, .required: tools
        case .named(let name): tools.filter { $0.name == name }
        }
    }

    func tool(named name: String) -> ToolDefinition? { tools.first { $0.name.utf8.elementsEqual(name.utf8) } }
}
