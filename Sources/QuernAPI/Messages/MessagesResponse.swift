// The objects of one answer of the Messages API: whole, or as the events of a stream.
//
// `timings` are quern's own; clients of this API pass over members that they do not know.
import QuernJSON

/// A content block of an answer.
public enum AnswerBlock: Sendable {
    case text(String)
    case thinking(String)
    /// `arguments` is JSON text, cut off when the answer was.
    case toolUse(id: String, name: String, arguments: String)
}

/// Why an answer of the Messages API ended.
public struct MessageStop: Sendable {
    public var reason: String
    /// The stop sequence that came.
    public var sequence: String?

    public init(_ reason: String, sequence: String? = nil) {
        self.reason = reason
        self.sequence = sequence
    }

    fileprivate var members: [JSONObject.Member] {
        [
            JSONObject.Member(key: "stop_reason", value: .string(reason)),
            JSONObject.Member(key: "stop_sequence", value: sequence.map { .string($0) } ?? .null),
        ]
    }
}

public struct MessagesResponse: Sendable {
    let id: String
    let model: String

    /// - Parameter key: unlike that of any other answer.
    public init(key: String, model: String) {
        id = "msg_" + key
        self.model = model
    }

    /// The whole answer.
    public func whole(_ blocks: [AnswerBlock], _ stop: MessageStop, _ measured: Measurements) -> JSONValue {
        var json = message(blocks.map(\.json), stop.members)
        json.append("usage", measured.messageUsage)
        json.append("timings", measured.timings)
        return .object(json)
    }

    /// The first event of a stream, when only the prompt is known.
    public func start(_ measured: Measurements) -> JSONValue {
        let nothing = ["stop_reason", "stop_sequence"].map { JSONObject.Member(key: $0, value: .null) }
        var json = message([], nothing)
        json.append("usage", measured.messageUsage)
        return ["type": "message_start", "message": .object(json)]
    }

    public func blockStart(_ index: Int, _ block: AnswerBlock) -> JSONValue {
        ["type": "content_block_start", "index": .int(Int64(index)), "content_block": block.opening]
    }

    /// - Parameter block: one whose text is what is added.
    public func blockDelta(_ index: Int, _ block: AnswerBlock) -> JSONValue {
        let delta: JSONValue = switch block {
        case .text(let text): ["type": "text_delta", "text": .string(text)]
        case .thinking(let text): ["type": "thinking_delta", "thinking": .string(text)]
        case .toolUse(_, _, let text): ["type": "input_json_delta", "partial_json": .string(text)]
        }
        return self.delta(index, delta)
    }

    /// What clients wait for at the end of thinking.
    public func signatureDelta(_ index: Int) -> JSONValue {
        delta(index, ["type": "signature_delta", "signature": .string(AnswerBlock.signature)])
    }

    public func blockStop(_ index: Int) -> JSONValue { ["type": "content_block_stop", "index": .int(Int64(index))] }

    /// The last event but one.
    public func end(_ stop: MessageStop, _ measured: Measurements) -> JSONValue {
        [
            "type": "message_delta", "delta": .object(JSONObject(stop.members)), "usage": measured.messageUsage,
            "timings": measured.timings,
        ]
    }

    private func delta(_ index: Int, _ delta: JSONValue) -> JSONValue {
        ["type": "content_block_delta", "index": .int(Int64(index)), "delta": delta]
    }

    private func message(_ content: [JSONValue], _ stop: [JSONObject.Member]) -> JSONObject {
        JSONObject([
            JSONObject.Member(key: "id", value: .string(id)), JSONObject.Member(key: "type", value: "message"),
            JSONObject.Member(key: "role", value: "assistant"), JSONObject.Member(key: "model", value: .string(model)),
            JSONObject.Member(key: "content", value: .array(content)),
        ] + stop)
    }
}

extension AnswerBlock {
    /// The API wants one of every thinking block; nothing is signed here, and nothing is verified when it comes back.
    static let signature = "unsigned"

    fileprivate var json: JSONValue {
        switch self {
        case .text(let text): ["type": "text", "text": .string(text)]
        case .thinking(let text): ["type": "thinking", "thinking": .string(text), "signature": .string(Self.signature)]
        case .toolUse(let id, let name, let arguments):
            ["type": "tool_use", "id": .string(id), "name": .string(name), "input": JSONPrefix.object(arguments)]
        }
    }

    /// The block before anything was added to it.
    fileprivate var opening: JSONValue {
        switch self {
        case .text: ["type": "text", "text": ""]
        case .thinking: ["type": "thinking", "thinking": "", "signature": ""]
        case .toolUse(let id, let name, _): ["type": "tool_use", "id": .string(id), "name": .string(name), "input": [:]]
        }
    }
}

extension Measurements {
    /// Tokens of the prompt are either computed (`input_tokens`) or taken from what was computed before.
    fileprivate var messageUsage: JSONValue {
        [
            "input_tokens": .int(Int64(promptTokens - cachedTokens)), "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": .int(Int64(cachedTokens)), "output_tokens": .int(Int64(completionTokens)),
            "output_tokens_details": ["thinking_tokens": .int(Int64(thinkingTokens))],
        ]
    }
}
