// The answers of the OpenAI-compatible surface, as JSON.
import QuernJSON

/// Token counts and times of one answer; `timings` uses llama.cpp's names.
public struct Measurements: Sendable {
    public var promptTokens: Int
    public var cachedTokens: Int
    public var completionTokens: Int
    public var queueMS: Double
    public var promptMS: Double
    public var predictedMS: Double

    public init(
        promptTokens: Int, cachedTokens: Int, completionTokens: Int, queueMS: Double, promptMS: Double, predictedMS: Double
    ) {
        self.promptTokens = promptTokens
        self.cachedTokens = cachedTokens
        self.completionTokens = completionTokens
        self.queueMS = queueMS
        self.promptMS = promptMS
        self.predictedMS = predictedMS
    }

    public var usage: JSONValue {
        [
            "prompt_tokens": .int(Int64(promptTokens)), "completion_tokens": .int(Int64(completionTokens)),
            "total_tokens": .int(Int64(promptTokens + completionTokens)),
            "prompt_tokens_details": ["cached_tokens": .int(Int64(cachedTokens))],
        ]
    }

    public var timings: JSONValue {
        // The first token is prefill's; decode speed counts the ones after it.
        let decoded = max(0, completionTokens - 1)
        let computed = promptTokens - cachedTokens
        return [
            "cache_n": .int(Int64(cachedTokens)), "prompt_n": .int(Int64(computed)), "prompt_ms": .double(rounded(promptMS)),
            "prompt_per_second": .double(rounded(rate(computed, promptMS))),
            "predicted_n": .int(Int64(completionTokens)), "predicted_ms": .double(rounded(predictedMS)),
            "predicted_per_second": .double(rounded(rate(decoded, predictedMS))), "queue_ms": .double(rounded(queueMS)),
            "ttft_ms": .double(rounded(queueMS + promptMS)),
        ]
    }

    private func rate(_ count: Int, _ milliseconds: Double) -> Double { milliseconds > 0 ? Double(count) * 1000 / milliseconds : 0 }
    private func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}

/// Builds the objects of one answer.
public struct CompletionResponse: Sendable {
    public enum Kind: Sendable {
        case chat
        case text
    }

    let kind: Kind
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

    private func envelope(_ object: String, choices: [JSONValue]) -> JSONObject {
        var json = JSONObject()
        json.append("id", .string(id))
        json.append("object", .string(object))
        json.append("created", .int(Int64(created)))
        json.append("model", .string(model))
        json.append("system_fingerprint", .string(fingerprint))
        json.append("choices", .array(choices))
        return json
    }

    /// The whole answer at once.
    public func whole(text: String, finishReason: String, _ measured: Measurements) -> JSONValue {
        let content: (String, JSONValue) = kind == .chat
            ? ("message", ["role": "assistant", "content": .string(text)]) : ("text", .string(text))
        var choice = JSONObject()
        choice.append("index", 0)
        choice.append(content.0, content.1)
        choice.append("logprobs", .null)
        choice.append("finish_reason", .string(finishReason))
        var json = envelope(kind == .chat ? "chat.completion" : "text_completion", choices: [.object(choice)])
        json.append("usage", measured.usage)
        json.append("timings", measured.timings)
        return .object(json)
    }

    private func chunk(_ delta: JSONValue, text: String, finishReason: String?) -> JSONObject {
        var choice = JSONObject()
        choice.append("index", 0)
        if kind == .chat { choice.append("delta", delta) } else { choice.append("text", .string(text)) }
        choice.append("logprobs", .null)
        choice.append("finish_reason", finishReason.map { .string($0) } ?? .null)
        return envelope(kind == .chat ? "chat.completion.chunk" : "text_completion", choices: [.object(choice)])
    }

    /// The first chunk of a chat; nil for plain completions.
    public var opening: JSONValue? {
        kind == .chat ? .object(chunk(["role": "assistant", "content": ""], text: "", finishReason: nil)) : nil
    }

    public func piece(_ text: String) -> JSONValue {
        .object(chunk(["content": .string(text)], text: text, finishReason: nil))
    }

    /// The chunk with the finish reason; timings ride on it.
    public func closing(finishReason: String, _ measured: Measurements) -> JSONValue {
        var json = chunk([:], text: "", finishReason: finishReason)
        json.append("timings", measured.timings)
        return .object(json)
    }

    /// The chunk that `stream_options.include_usage` asks for.
    public func usage(_ measured: Measurements) -> JSONValue {
        var json = envelope(kind == .chat ? "chat.completion.chunk" : "text_completion", choices: [])
        json.append("usage", measured.usage)
        return .object(json)
    }
}
