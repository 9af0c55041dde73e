// The content blocks of the Messages API, read strictly: text, thinking, calls and their results; anything else is refused by name.
import QuernJSON

enum MessageBlock {
    enum Kind: String, CaseIterable {
        case text, thinking
        case toolUse = "tool_use"
        case toolResult = "tool_result"
    }

    case text(String)
    case thinking(String)
    case toolUse(id: String, name: String, input: JSONObject)
    case toolResult(id: String, text: String)

    /// The blocks of `content`, which a string stands for too.
    static func list(
        _ content: JSONValue?, _ path: String, allowing kinds: [Kind]
    ) throws(APIError) -> [(block: MessageBlock, path: String)] {
        switch content {
        case .string(let text)?: return [(.text(text), path)]
        case .array(let elements)?:
            var blocks: [(block: MessageBlock, path: String)] = []
            for (index, element) in elements.enumerated() {
                let place = "\(path)/\(index)"
                blocks.append((try MessageBlock(element, place, allowing: kinds), place))
            }
            return blocks
        case nil: throw .invalid(path, "\(path) is missing")
        case .some(let other): throw .invalid(path, "\(path) is \(other.typeName), expected a string or a list of blocks")
        }
    }

    /// The text of content that can hold nothing else.
    static func text(_ content: JSONValue?, _ path: String) throws(APIError) -> String {
        var text = ""
        for (block, _) in try list(content, path, allowing: [.text]) {
            if case .text(let piece) = block { text += piece }
        }
        return text
    }

    private init(_ json: JSONValue, _ path: String, allowing kinds: [Kind]) throws(APIError) {
        var fields = try RequestFields(json, path: path)
        let type = try fields.required("type")
        guard let kind = Kind(rawValue: type), kinds.contains(kind) else {
            throw .invalid(
                "\(path)/type",
                "\(path)/type is \"\(type.prefix(64))\"; here it can be \(kinds.map(\.rawValue).joined(separator: ", "))")
        }
        try fields.readCacheControl()
        switch kind {
        case .text:
            self = .text(try fields.required("text"))
            try fields.refuse("citations") { $0 == [] }
        case .thinking:
            // Nothing is signed here, so nothing can be verified.
            _ = try fields.string("signature")
            self = .thinking(try fields.required("thinking"))
        case .toolUse:
            let (id, name) = (try fields.required("id"), try fields.required("name"))
            guard let input = fields.value("input")?.objectValue else {
                throw .invalid("\(path)/input", "\(path)/input is not an object")
            }
            try fields.refuse("caller") { $0 == ["type": "direct"] }
            try fields.refuse("toolset_name")
            self = .toolUse(id: id, name: name, input: input)
        case .toolResult:
            let id = try fields.required("tool_use_id")
            let isError = try fields.bool("is_error") ?? false
            let content = fields.value("content") ?? ""
            let text = try Self.text(content, "\(path)/content")
            try fields.refuse("toolset_name")
            // Chat templates have no other place to say so.
            self = .toolResult(id: id, text: isError ? "Error: " + text : text)
        }
        try fields.finish()
    }
}

extension RequestFields {
    /// Marks of what to cache, which change nothing here: every prefix is kept and used again while there is room.
    mutating func readCacheControl() throws(APIError) {
        try nested("cache_control") { control throws(APIError) in
            try control.expect("type", ["ephemeral"])
            try control.expect("ttl", [nil, "5m", "1h"])
        }
    }
}
