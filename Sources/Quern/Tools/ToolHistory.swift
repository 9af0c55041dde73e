// Calls of earlier turns, as chat templates want them: arguments as values, where OpenAI's API has them as JSON text.
import QuernJSON

enum ToolHistory {
    /// - Throws: `RequestError.invalid` naming the call that cannot be read.
    static func normalized(_ messages: [JSONValue]) throws(RequestError) -> [JSONValue] {
        var result = messages
        for (index, message) in messages.enumerated() {
            guard var object = message.objectValue, let calls = object["tool_calls"], !calls.isNull else { continue }
            guard let list = calls.arrayValue else { throw problem("messages/\(index)/tool_calls", "is not a list of calls") }
            var normal: [JSONValue] = []
            for (number, call) in list.enumerated() {
                normal.append(try normalized(call, "messages/\(index)/tool_calls/\(number)"))
            }
            object["tool_calls"] = .array(normal)
            result[index] = .object(object)
        }
        return result
    }

    private static func normalized(_ call: JSONValue, _ place: String) throws(RequestError) -> JSONValue {
        guard var object = call.objectValue, var function = call["function"]?.objectValue, function["name"]?.stringValue != nil else {
            throw problem(place, "is not a call: {\"type\": \"function\", \"function\": {\"name\": …, \"arguments\": …}}")
        }
        if let text = function["arguments"]?.stringValue {
            guard let arguments = try? JSONValue(parsing: Array(text.utf8)), arguments.objectValue != nil else {
                throw problem("\(place)/function/arguments", "is not the text of a JSON object")
            }
            function["arguments"] = arguments
        }
        object["function"] = .object(function)
        return .object(object)
    }

    private static func problem(_ place: String, _ reason: String) -> RequestError {
        .invalid(param: place, message: "\(place) \(reason)")
    }
}
