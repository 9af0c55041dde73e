// The objects of one answer of the Responses API: the response as it stands, its items, their parts.
//
// `timings` are quern's own; clients of this API pass over members that they do not know.
import QuernJSON

/// What a response repeats of its request.
public struct ResponseEcho: Sendable {
    var instructions: String?
    var maxTokens: Int?
    var format: JSONValue = ["type": "text"]
    var effort: String?
    var tools: [JSONValue] = []
    var toolChoice: JSONValue = "auto"
    var allowsParallelCalls = true
    var metadata = JSONObject()
}

public enum ResponseStatus: Sendable {
    case inProgress, completed, incomplete, cancelled
    case failed(APIError)

    public var name: String {
        switch self {
        case .inProgress: "in_progress"
        case .completed: "completed"
        case .cancelled: "cancelled"
        case .incomplete: "incomplete"
        case .failed: "failed"
        }
    }
}

/// An item of an answer; `key` is unlike that of any other item.
public enum ResponseItem: Sendable {
    case message(key: String, text: String)
    case reasoning(key: String, text: String)
    /// `arguments` is JSON text, cut off when the answer was.
    case call(key: String, name: String, arguments: String)

    public var id: String {
        switch self {
        case .message(let key, _): "msg_" + key
        case .reasoning(let key, _): "rs_" + key
        case .call(let key, _, _): "fc_" + key
        }
    }

    /// The part that holds the item's text; nil for a call.
    public var part: JSONValue? {
        switch self {
        case .message(_, let text): ["type": "output_text", "text": .string(text), "annotations": [], "logprobs": []]
        case .reasoning(_, let text): ["type": "reasoning_text", "text": .string(text)]
        case .call: nil
        }
    }

    /// - Parameter hasPart: false before the item's part was begun.
    public func json(_ status: ResponseStatus, hasPart: Bool = true) -> JSONValue {
        let content = JSONValue.array(hasPart ? [part].compactMap { $0 } : [])
        let status = JSONValue.string(status.name)
        return switch self {
        case .message: ["id": .string(id), "type": "message", "status": status, "role": "assistant", "content": content]
        case .reasoning: ["id": .string(id), "type": "reasoning", "status": status, "summary": [], "content": content]
        case .call(let key, let name, let arguments):
            [
                "id": .string(id), "type": "function_call", "status": status, "call_id": .string("call_" + key),
                "name": .string(name), "arguments": .string(arguments),
            ]
        }
    }
}

public struct ResponseObject: Sendable {
    let id: String
    let model: String
    let created: Int
    let temperature: Double
    let topP: Double
    let echo: ResponseEcho

    /// - Parameter key: unlike that of any other answer.
    public init(key: String, model: String, created: Int, temperature: Double, topP: Double, echo: ResponseEcho) {
        id = "resp_" + key
        self.model = model
        self.created = created
        self.temperature = temperature
        self.topP = topP
        self.echo = echo
    }

    /// - Parameters:
    ///   - output: items as JSON.
    ///   - limit: what cut an incomplete answer off.
    ///   - measured: nil before the end.
    public func json(_ status: ResponseStatus, output: [JSONValue], limit: String?, _ measured: Measurements?) -> JSONValue {
        var json = JSONObject()
        json.append("id", .string(id))
        json.append("object", "response")
        json.append("created_at", .int(Int64(created)))
        json.append("status", .string(status.name))
        json.append("error", status.error)
        // The API has one name for all limits; which one it was stands beside it.
        json.append("incomplete_details", limit.map { ["reason": "max_output_tokens", "limit": .string($0)] } ?? .null)
        json.append("model", .string(model))
        json.append("output", .array(output))
        json.append("instructions", echo.instructions.map { .string($0) } ?? .null)
        json.append("max_output_tokens", echo.maxTokens.map { .int(Int64($0)) } ?? .null)
        json.append("temperature", .double(temperature))
        json.append("top_p", .double(topP))
        json.append("text", ["format": echo.format])
        json.append("reasoning", ["effort": echo.effort.map { .string($0) } ?? .null, "summary": .null])
        json.append("tools", .array(echo.tools))
        json.append("tool_choice", echo.toolChoice)
        json.append("parallel_tool_calls", .bool(echo.allowsParallelCalls))
        json.append("previous_response_id", .null)
        json.append("store", false)
        json.append("background", false)
        json.append("truncation", "disabled")
        json.append("metadata", .object(echo.metadata))
        if let measured {
            json.append("usage", measured.responseUsage)
            json.append("timings", measured.timings)
        }
        return .object(json)
    }
}

extension ResponseStatus {
    /// The API knows few codes of errors; the message says the rest.
    fileprivate var error: JSONValue {
        guard case .failed(let error) = self else { return .null }
        return ["code": error.status == 429 ? "rate_limit_exceeded" : "server_error", "message": .string(error.message)]
    }
}

extension Measurements {
    fileprivate var responseUsage: JSONValue {
        [
            "input_tokens": .int(Int64(promptTokens)),
            "input_tokens_details": ["cached_tokens": .int(Int64(cachedTokens)), "cache_write_tokens": 0],
            "output_tokens": .int(Int64(completionTokens)),
            "output_tokens_details": ["reasoning_tokens": .int(Int64(thinkingTokens))],
            "total_tokens": .int(Int64(promptTokens + completionTokens)),
        ]
    }
}
