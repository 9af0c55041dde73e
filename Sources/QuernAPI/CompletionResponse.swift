// The objects of one answer of chat completions or completions: whole, or as the chunks of a stream.
import QuernJSON

/// One choice of an answer, or the next piece of it.
public struct ChoicePart: Sendable {
    public var index: Int
    public var text = ""
    /// What the model thought before it answered.
    public var reasoning = ""
    public var calls: [CallPart] = []
    /// Of the tokens of the text; nil when not asked for.
    public var logprobs: [LogprobEntry]?
    /// Ids of the tokens, when the client asked for them.
    public var tokens: [Int32]?
    public var finishReason: String?
    /// Which limit was reached, when the reason is `length`.
    public var limit: String?

    public init(index: Int) { self.index = index }

    /// A call of a function, or the next piece of its arguments.
    public struct CallPart: Sendable {
        public var index: Int
        /// With the first piece only.
        public var id: String?
        public var name: String?
        public var arguments = ""

        public init(index: Int) { self.index = index }

        fileprivate func json(isWhole: Bool) -> JSONValue {
            var function = JSONObject()
            if let name { function.append("name", .string(name)) }
            function.append("arguments", .string(arguments))
            var call = JSONObject()
            if !isWhole { call.append("index", .int(Int64(index))) }
            if let id {
                call.append("id", .string(id))
                call.append("type", "function")
            }
            call.append("function", .object(function))
            return .object(call)
        }
    }

    /// Adds the piece that follows.
    public mutating func append(_ next: ChoicePart) {
        text += next.text
        reasoning += next.reasoning
        for call in next.calls {
            if let position = calls.firstIndex(where: { $0.index == call.index }) {
                calls[position].arguments += call.arguments
            } else {
                calls.append(call)
            }
        }
        if let more = next.logprobs { logprobs = (logprobs ?? []) + more }
        if let more = next.tokens { tokens = (tokens ?? []) + more }
        finishReason = next.finishReason ?? finishReason
        limit = next.limit ?? limit
    }

    /// The message of a whole chat answer.
    fileprivate var message: JSONValue {
        var message: JSONObject = JSONObject()
        message.append("role", "assistant")
        message.append("content", text.isEmpty && !calls.isEmpty ? .null : .string(text))
        message.append("refusal", nil)
        if !reasoning.isEmpty { message.append("reasoning_content", .string(reasoning)) }
        if !calls.isEmpty { message.append("tool_calls", .array(calls.map { $0.json(isWhole: true) })) }
        return .object(message)
    }

    /// What a chunk of a chat adds.
    fileprivate var delta: JSONValue {
        var delta = JSONObject()
        if !reasoning.isEmpty { delta.append("reasoning_content", .string(reasoning)) }
        if !calls.isEmpty { delta.append("tool_calls", .array(calls.map { $0.json(isWhole: false) })) }
        if !text.isEmpty || (delta.isEmpty && finishReason == nil) { delta.append("content", .string(text)) }
        return .object(delta)
    }
}

public struct CompletionResponse: Sendable {
    public enum Kind: Sendable {
        case chat
        case text
    }

    public let kind: Kind
    let id: String
    let model: String
    let created: Int
    let fingerprint: String

    public init(kind: Kind, id: String, model: String, created: Int, fingerprint: String) {
        self.kind = kind
        self.id = id
        self.model = model
        self.created = created
        self.fingerprint = fingerprint
    }

    /// The whole answer at once.
    public func whole(_ choices: [ChoicePart], _ measured: Measurements) -> JSONValue {
        var json = envelope(kind == .chat ? "chat.completion" : "text_completion", choices.map { part in
            choice(part, content: kind == .chat
                ? ("message", part.message) : ("text", .string(part.text)))
        })
        json.append("usage", measured.usage)
        json.append("timings", measured.timings)
        return .object(json)
    }

    /// The first chunk of a chat's choice; nil for plain completions.
    public func opening(index: Int) -> JSONValue? {
        guard kind == .chat else { return nil }
        return .object(chunk(ChoicePart(index: index), delta: ["role": "assistant", "content": ""]))
    }

    public func piece(_ part: ChoicePart) -> JSONValue { .object(chunk(part, delta: part.delta)) }

    /// The chunk with a choice's finish reason; its timings ride on it.
    public func closing(_ part: ChoicePart, _ measured: Measurements) -> JSONValue {
        var json = chunk(part, delta: part.delta)
        json.append("timings", measured.timings)
        return .object(json)
    }

    /// How much of a prompt is computed: what `return_progress` asks for, in llama.cpp's shape.
    public func progress(index: Int, total: Int, cached: Int, processed: Int, milliseconds: Double) -> JSONValue {
        var json = chunk(ChoicePart(index: index), delta: [:])
        json.append("prompt_progress", [
            "total": .int(Int64(total)), "cache": .int(Int64(cached)), "processed": .int(Int64(processed)),
            "time_ms": .double((milliseconds * 1000).rounded() / 1000),
        ])
        return .object(json)
    }

    /// The chunk that `stream_options.include_usage` asks for.
    public func usage(_ measured: Measurements) -> JSONValue {
        var json = envelope(chunkName, [])
        json.append("usage", measured.usage)
        return .object(json)
    }

    private var chunkName: String { kind == .chat ? "chat.completion.chunk" : "text_completion" }

    private func chunk(_ part: ChoicePart, delta: JSONValue) -> JSONObject {
        envelope(chunkName, [choice(part, content: kind == .chat ? ("delta", delta) : ("text", .string(part.text)))])
    }

    private func choice(_ part: ChoicePart, content: (name: String, value: JSONValue)) -> JSONValue {
        var choice = JSONObject()
        choice.append("index", .int(Int64(part.index)))
        choice.append(content.name, content.value)
        if let tokens = part.tokens { choice.append("tokens", .array(tokens.map { .int(Int64($0)) })) }
        choice.append("logprobs", part.logprobs.map { kind == .chat ? Logprobs.chat($0) : Logprobs.completion($0) } ?? .null)
        choice.append("finish_reason", part.finishReason.map { .string($0) } ?? .null)
        if let limit = part.limit { choice.append("limit", .string(limit)) }
        return .object(choice)
    }

    private func envelope(_ object: String, _ choices: [JSONValue]) -> JSONObject {
        var json = JSONObject()
        json.append("id", .string(id))
        json.append("object", .string(object))
        json.append("created", .int(Int64(created)))
        json.append("model", .string(model))
        json.append("system_fingerprint", .string(fingerprint))
        json.append("choices", .array(choices))
        return json
    }
}
