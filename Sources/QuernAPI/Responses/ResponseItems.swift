// The items of the Responses API's input, read strictly: messages, thinking, calls and their results; anything else is refused
// by name.
import QuernJSON

extension ChatHistory {
    mutating func add(item json: JSONValue, _ path: String) throws(APIError) {
        var fields = try RequestFields(json, path: path)
        // What an answer's own items have and a prompt has no use for.
        for key in ["id", "status", "phase"] { _ = try fields.string(key) }
        let type = try fields.string("type") ?? "message"
        switch type {
        case "message": try addMessage(&fields, path)
        case "reasoning": try addReasoning(&fields, path)
        case "function_call": try addCall(&fields, path)
        case "function_call_output":
            let id = try fields.required("call_id")
            let text = try Self.text(fields.value("output"), "\(path)/output", ["input_text", "output_text"])
            try addResult(of: id, text, path: "\(path)/call_id")
        case "item_reference":
            throw .invalid(
                path, "\(path) refers to a stored item; this server stores none, send the item itself", code: "unsupported_parameter")
        default:
            throw .invalid(
                "\(path)/type",
                "\(path)/type is \"\(type.prefix(64))\"; here it can be message, reasoning, function_call, function_call_output")
        }
        for key in ["caller", "namespace"] { try fields.refuse(key) }
        try fields.finish()
    }

    private mutating func addMessage(_ fields: inout RequestFields, _ path: String) throws(APIError) {
        let role = try fields.required("role")
        let text = try Self.text(fields.value("content"), "\(path)/content", ["input_text", "output_text"])
        switch role {
        case "user", "system": add(role: role, text)
        case "developer": add(role: "system", text)
        case "assistant":
            if hasAnswer { endTurn() }
            addAnswer(text)
        default: throw .invalid("\(path)/role", "\(path)/role is not one of assistant, developer, system, user")
        }
    }

    private mutating func addReasoning(_ fields: inout RequestFields, _ path: String) throws(APIError) {
        try fields.refuse("encrypted_content", because: "cannot be read here; send the reasoning's content")
        let summary = try Self.text(fields.value("summary") ?? "", "\(path)/summary", ["summary_text"])
        let content = try Self.text(fields.value("content") ?? "", "\(path)/content", ["reasoning_text"])
        if hasAnswer { endTurn() }
        addReasoning(content.isEmpty ? summary : content)
    }

    private mutating func addCall(_ fields: inout RequestFields, _ path: String) throws(APIError) {
        let (id, name, text) = (try fields.required("call_id"), try fields.required("name"), try fields.required("arguments"))
        guard let arguments = (try? JSONValue(parsing: Array(text.utf8)))?.objectValue else {
            throw .invalid("\(path)/arguments", "\(path)/arguments is not the text of a JSON object")
        }
        try addCall(id, name: name, arguments: arguments, path: path)
    }

    /// The text of content: a string, or a list of parts of `types`.
    private static func text(_ content: JSONValue?, _ path: String, _ types: [String]) throws(APIError) -> String {
        switch content {
        case .string(let text)?: return text
        case .array(let parts)?:
            var text = ""
            for (index, json) in parts.enumerated() {
                var part = try RequestFields(json, path: "\(path)/\(index)")
                try part.expect("type", types)
                text += try part.required("text")
                for key in ["annotations", "logprobs"] { try part.refuse(key) { $0 == [] } }
                try part.finish()
            }
            return text
        case nil: throw .invalid(path, "\(path) is missing")
        case .some(let other): throw .invalid(path, "\(path) is \(other.typeName), expected a string or a list of parts")
        }
    }
}
