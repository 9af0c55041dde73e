// What a client of the pipe socket sends: a prompt, after an optional first line of options.
//
//     #quern {"system": "Answer in one word.", "max_tokens": 5, "temperature": 0}
//     What is the capital of France?
//
// The options are the fields of a chat completion (with "raw": true, of a plain completion), less those that shape an answer
// a plain stream of text cannot have. Invariant: only a first line that begins with `#quern {` is options; anything else
// that starts with `#` is a prompt.
import QuernJSON

/// A request of the pipe socket.
public enum PipeRequest: Sendable {
    /// Text for the chat template; a model without one continues it as it is.
    case chat(ChatCompletionRequest, text: String)
    /// Text that is continued as it is.
    case raw(CompletionRequest, text: String)

    /// The model asked for.
    public var model: String? {
        switch self {
        case .chat(let chat, _): chat.generation.model
        case .raw(let completion, _): completion.generation.model
        }
    }

    static let marker = Array("#quern {".utf8)
    public static let maxOptionBytes = 64 << 10
    /// Fields of a completion that mean nothing for a stream of plain text.
    static let refused = ["messages", "prompt", "stream", "stream_options", "n", "logprobs", "top_logprobs", "echo", "return_tokens", "return_progress"]

    /// - Parameter bytes: everything the client sent.
    public init(_ bytes: [UInt8]) throws(APIError) {
        guard bytes.starts(with: Self.marker) else {
            self = try Self.chat(JSONObject(), system: nil, text: try Self.text(bytes[...]))
            return
        }
        let line = bytes.prefix(Self.maxOptionBytes).prefix { $0 != 0x0A }
        guard line.count < bytes.count, bytes[line.count] == 0x0A else {
            throw .invalid(
                nil, line.count < Self.maxOptionBytes
                    ? "the options line is not followed by a prompt" : "the options line exceeds the limit of \(Self.maxOptionBytes) bytes")
        }
        var options: JSONObject
        do {
            options = try JSONValue(parsing: Array(line.dropFirst(Self.marker.count - 1))).objectValue ?? JSONObject()
        } catch {
            throw .invalid(nil, "the options line is not valid JSON: \(error)", code: "invalid_json")
        }
        for name in Self.refused where options[name] != nil {
            throw .invalid(name, "\(name) cannot be set on the pipe socket", code: "unsupported_parameter")
        }
        let text = try Self.text(bytes[(line.count + 1)...])
        let isRaw = try Self.take("raw", from: &options, "true or false") { $0.boolValue } ?? false
        let system = try Self.take("system", from: &options, "a string") { $0.stringValue }
        if isRaw {
            guard system == nil else { throw .invalid("system", "a raw prompt has no system message") }
            options["prompt"] = .string(text)
            self = .raw(try CompletionRequest(.object(options)), text: text)
        } else {
            self = try Self.chat(options, system: system, text: text)
        }
    }

    private static func chat(_ options: JSONObject, system: String?, text: String) throws(APIError) -> PipeRequest {
        var messages: [JSONValue] = []
        if let system { messages.append(["role": "system", "content": .string(system)]) }
        messages.append(["role": "user", "content": .string(text)])
        var body = options
        body["messages"] = .array(messages)
        return .chat(try ChatCompletionRequest(.object(body)), text: text)
    }

    private static func text(_ bytes: ArraySlice<UInt8>) throws(APIError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .invalid(nil, "the prompt is not valid UTF-8") }
        guard text.contains(where: { !$0.isWhitespace }) else { throw .invalid(nil, "the prompt is empty") }
        return text
    }

    private static func take<Value>(
        _ key: String, from options: inout JSONObject, _ expected: String, _ read: (JSONValue) -> Value?
    ) throws(APIError) -> Value? {
        guard let value = options[key] else { return nil }
        options[key] = nil
        guard let result = read(value) else { throw .invalid(key, "\(key) is \(value.typeName), expected \(expected)") }
        return result
    }
}
