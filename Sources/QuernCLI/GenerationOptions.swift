// How an answer is made: the options of run, map and chat, and the request fields they become.
import ArgumentParser
import QuernJSON

struct GenerationOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "System message.")
    var system: String?

    @Flag(help: "Continue the prompt as it is, without the chat template.")
    var raw = false

    @Option(help: "Most tokens to generate (default: until the model stops or the context is full).")
    var maxTokens: Int?

    @Option(help: "0 takes the likeliest token (default: the model's own, else 0.7 with top-p 0.8 and top-k 20).")
    var temperature: Double?

    @Option(help: "Keep the k likeliest tokens.")
    var topK: Int?

    @Option(help: "Keep the smallest set of tokens that reaches this probability.")
    var topP: Double?

    @Option(help: "Keep tokens at least this likely, relative to the likeliest.")
    var minP: Double?

    @Option(help: "Above 1, make tokens that already occurred less likely.")
    var repetitionPenalty: Double?

    @Option(help: "Same seed, prompt and model: same answer.")
    var seed: UInt64?

    @Option(help: ArgumentHelp("End the answer before this text; may be given several times.", valueName: "text"))
    var stop: [String] = []

    func validate() throws {
        if let temperature, !(0...2).contains(temperature) { throw ValidationError("--temperature is \(temperature), allowed is 0...2") }
        if let topP, !(topP > 0 && topP <= 1) { throw ValidationError("--top-p is \(topP), allowed is above 0 up to 1") }
        if let minP, !(0...1).contains(minP) { throw ValidationError("--min-p is \(minP), allowed is 0...1") }
        if let topK, topK < 0 { throw ValidationError("--top-k is \(topK), it must not be negative") }
        if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens is \(maxTokens), it must be at least 1") }
        if raw, system != nil { throw ValidationError("--raw has no chat template and so no --system message") }
    }

    /// The route and the request for one prompt.
    ///
    /// - Parameter shape: nil leaves the answer free.
    func request(_ prompt: String, _ shape: AnswerShape?, to service: Service) -> CompletionCall {
        var call: CompletionCall
        if raw || (!service.hasChatTemplate && system == nil) {
            var body = JSONObject()
            body.append("prompt", .string(prompt))
            call = self.call("/v1/completions", body, service)
        } else {
            call = chat([["role": "user", "content": .string(prompt)]], to: service)
        }
        if let shape { call.body.append("structured_outputs", shape.field) }
        return call
    }

    /// The route and the request for a conversation; the system message comes first.
    ///
    /// - Parameter priority: nil takes the daemon's default.
    func chat(_ messages: [JSONValue], to service: Service, priority: String? = nil) -> CompletionCall {
        let first: [JSONValue] = system.map { [["role": "system", "content": .string($0)]] } ?? []
        var body = JSONObject()
        body.append("messages", .array(first + messages))
        if let priority { body.append("priority", .string(priority)) }
        return call("/v1/chat/completions", body, service)
    }

    private func call(_ path: String, _ start: JSONObject, _ service: Service) -> CompletionCall {
        var body = start
        body.append("model", .string(service.modelID))
        if let value = maxTokens { body.append("max_tokens", .int(Int64(value))) }
        if let value = temperature { body.append("temperature", .double(value)) }
        if let value = topK { body.append("top_k", .int(Int64(value))) }
        if let value = topP { body.append("top_p", .double(value)) }
        if let value = minP { body.append("min_p", .double(value)) }
        if let value = repetitionPenalty { body.append("repetition_penalty", .double(value)) }
        if let value = seed { body.append("seed", .int(Int64(bitPattern: value))) }
        if !stop.isEmpty { body.append("stop", .array(stop.map { .string($0) })) }
        return CompletionCall(client: service.client, path: path, body: body)
    }
}

/// One question to a service, asked whole or as a stream.
struct CompletionCall: Sendable {
    let client: APIClient
    let path: String
    var body: JSONObject

    func whole() async throws -> APIClient.Answer { try await client.post(path, .object(body)) }

    /// Hands over every piece of text until `onText` returns false; then the answer is cancelled.
    /// - Returns: the `timings` object, if the answer came to its end.
    func stream(_ onText: (String) throws -> Bool) async throws -> JSONValue? {
        var streaming = body
        streaming.append("stream", true)
        var timings: JSONValue?
        try await client.stream(path, .object(streaming)) { event in
            timings = event["timings"] ?? timings
            let choice = event["choices"]?.arrayValue?.first
            guard let piece = (choice?["delta"]?["content"] ?? choice?["text"])?.stringValue else { return true }
            return try onText(piece)
        }
        return timings
    }
}

extension JSONValue {
    /// The text of a whole answer.
    var answerText: String? {
        let choice = self["choices"]?.arrayValue?.first
        return (choice?["message"]?["content"] ?? choice?["text"])?.stringValue
    }
}
