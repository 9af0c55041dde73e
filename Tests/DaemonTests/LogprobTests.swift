// Log-probabilities and echo, in both shapes.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct LogprobTests {
    private let daemon: TestDaemon

    init() throws { daemon = try TestDaemon(arguments: ["--context", "256"]) }

    private func complete(_ changes: [String: JSONValue]) throws -> JSONValue {
        var body = JSONObject([
            .init(key: "prompt", value: "quern turns"), .init(key: "max_tokens", value: 8), .init(key: "temperature", value: 0),
            .init(key: "ignore_eos", value: true), .init(key: "logprobs", value: 3),
        ])
        for (key, value) in changes { body[key] = value }
        let answer = try daemon.request("POST", "/v1/completions", .object(body))
        #expect(answer.status == 200, "\(answer.json.serialized())")
        return try #require(answer.json["choices"]?.arrayValue?.first)
    }

    private func list(_ choice: JSONValue, _ name: String) -> [JSONValue] { choice["logprobs"]?[name]?.arrayValue ?? [] }

    private func chat(_ changes: [String: JSONValue]) throws -> HTTPAnswer {
        var body = JSONObject([
            .init(key: "messages", value: [["role": "user", "content": "hello"]]), .init(key: "max_tokens", value: 12),
            .init(key: "temperature", value: 0), .init(key: "ignore_eos", value: true), .init(key: "logprobs", value: true),
        ])
        for (key, value) in changes { body[key] = value }
        return try daemon.request("POST", "/v1/chat/completions", .object(body))
    }

    @Test func completionsGiveParallelLists() throws {
        let choice = try complete([:])
        for name in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] { #expect(list(choice, name).count == 8, "\(name)") }
        for (logprob, top) in zip(list(choice, "token_logprobs"), list(choice, "top_logprobs")) {
            let value = try #require(logprob.doubleValue)
            #expect(value <= 0)
            // Greedy: the token is its own best alternative.
            #expect(top.objectValue?.members.compactMap { $0.value.doubleValue }.max() == value)
            #expect((3...4).contains(top.objectValue?.count ?? 0))
        }
        #expect(list(choice, "text_offset").first == 0)
    }

    @Test func probabilitiesOfAllTokensAddUpToOne() throws {
        // The vocabulary has 384 ids; twenty of them are a part of the whole.
        let choice = try complete(["logprobs": 20, "max_tokens": 1])
        let top = try #require(list(choice, "top_logprobs").first?.objectValue)
        let mass = top.members.compactMap { $0.value.doubleValue }.reduce(0) { $0 + exp($1) }
        #expect(mass > 0.05 && mass <= 1.000_001)
    }

    @Test func echoScoresThePromptToo() throws {
        let prompt: JSONValue = [70, 71, 72, 73, 74]
        let choice = try complete(["prompt": prompt, "echo": true, "max_tokens": 1])
        #expect(list(choice, "tokens").count == 6)
        #expect(list(choice, "token_logprobs").first == .null)
        #expect(list(choice, "top_logprobs").first == .null)
        #expect(list(choice, "token_logprobs").dropFirst().allSatisfy { ($0.doubleValue ?? 1) <= 0 })
        let text = try #require(choice["text"]?.stringValue)
        let offsets = list(choice, "text_offset").compactMap { $0.intValue }
        let pieces = list(choice, "tokens").compactMap { $0.stringValue }
        for (offset, piece) in zip(offsets, pieces) where !piece.hasPrefix("bytes:") {
            #expect(String(String.UnicodeScalarView(text.unicodeScalars.dropFirst(Int(offset)))).hasPrefix(piece))
        }
        // The same tokens one at a time: each score is that of the next token after the shorter prompt.
        let ids: [Int64] = [70, 71, 72, 73, 74]
        for length in 1..<5 {
            let next = try complete([
                "prompt": .array(ids.prefix(length).map { .int($0) }), "max_tokens": 1, "logit_bias": [String(ids[length]): 100].json,
            ])
            #expect(list(next, "token_logprobs").first == list(choice, "token_logprobs")[length], "\(length)")
        }
    }

    @Test func anEchoWithoutACompletionIsThePrompt() throws {
        let scored = try complete(["prompt": "abc", "echo": true, "max_tokens": 0])
        #expect(scored["text"] == "abc")
        #expect(scored["finish_reason"] == "length")
        #expect(list(scored, "tokens").count == list(scored, "token_logprobs").count)
        let plain = try daemon.request("POST", "/v1/completions", ["prompt": "abc", "echo": true, "max_tokens": 0]).json
        #expect(plain["choices"]?.arrayValue?.first?["text"] == "abc")
        #expect(plain["usage"]?["completion_tokens"] == 0)
    }

    /// lm-eval drops the last entry as the completion's; it must be there when the completion is an end token.
    @Test func anEndTokenHasAnEntry() throws {
        let end = try daemon.endToken()
        let choice = try complete([
            "prompt": [70, 71, 72], "echo": true, "max_tokens": 1, "ignore_eos": false, "logit_bias": [end: 100],
        ])
        #expect(choice["finish_reason"] == "stop")
        #expect(list(choice, "tokens").count == 4)
    }

    @Test func chatsGiveContent() throws {
        let choice = try #require(try chat(["top_logprobs": 2]).json["choices"]?.arrayValue?.first)
        let content = try #require(choice["logprobs"]?["content"]?.arrayValue)
        #expect(content.count == 12)
        var bytes: [UInt8] = []
        for entry in content {
            #expect(entry["top_logprobs"]?.arrayValue?.count == 2)
            #expect(entry["top_logprobs"]?.arrayValue?.first?["logprob"] == entry["logprob"])
            bytes += (entry["bytes"]?.arrayValue ?? []).compactMap { $0.intValue.flatMap { UInt8(exactly: $0) } }
        }
        // The end token, which is ignored here, has no text in the message.
        let text = String(decoding: bytes, as: UTF8.self).replacing("<|im_end|>", with: "")
        #expect(text == choice["message"]?["content"]?.stringValue)
        #expect(try chat(["logprobs": false]).json["choices"]?.arrayValue?.first?["logprobs"] == .null)
    }

    @Test func streamsGiveTheSame() throws {
        let whole = try chat(["top_logprobs": 2]).json["choices"]?.arrayValue?.first?["logprobs"]?["content"]?.arrayValue
        let events = try chat(["top_logprobs": 2, "stream": true]).events.dropLast().map { try JSONValue(parsing: Array($0.utf8)) }
        let streamed = events.flatMap { $0["choices"]?.arrayValue?.first?["logprobs"]?["content"]?.arrayValue ?? [] }
        #expect(streamed == whole)
    }

    /// Penalties and biases change what is chosen, not what the model thought.
    @Test func scoresAreTheModelsOwn() throws {
        let free = try complete(["max_tokens": 1])
        let pushed = try complete(["max_tokens": 1, "logit_bias": ["75": 50], "presence_penalty": 1])
        #expect(list(pushed, "top_logprobs").first?.objectValue?.members.prefix(3) == list(free, "top_logprobs").first?.objectValue?.members.prefix(3))
    }
}

extension TestDaemon {
    /// The id of the model's end-of-sequence token, as a key of `logit_bias`.
    func endToken() throws -> String {
        let spelling = try request("GET", "/props").json["eos_token"] ?? ""
        let tokens = try request("POST", "/tokenize", ["content": spelling]).json["tokens"]?.arrayValue
        return try #require(tokens?.first?.intValue).description
    }
}

extension [String: Double] {
    fileprivate var json: JSONValue { .object(JSONObject(map { .init(key: $0.key, value: .double($0.value)) })) }
}
