// Several choices and several prompts in one request, and the fields that shape a completion.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct ChoiceTests {
    private let daemon: TestDaemon

    init() throws { daemon = try TestDaemon(arguments: ["--context", "256"]) }

    private func complete(_ changes: [String: JSONValue]) throws -> HTTPAnswer {
        var body = JSONObject([
            .init(key: "prompt", value: "abc"), .init(key: "max_tokens", value: 8), .init(key: "temperature", value: 0),
            .init(key: "ignore_eos", value: true),
        ])
        for (key, value) in changes { body[key] = value }
        return try daemon.request("POST", "/v1/completions", .object(body))
    }

    private func texts(_ answer: HTTPAnswer) -> [String] {
        (answer.json["choices"]?.arrayValue ?? []).compactMap { $0["text"]?.stringValue }
    }

    @Test func everySeedIsItsOwnChoice() throws {
        let three = try complete(["n": 3, "temperature": 1.5, "seed": 7])
        #expect(three.json["choices"]?.arrayValue?.compactMap { $0["index"]?.intValue } == [0, 1, 2])
        let alone = try (7...9).map { try texts(complete(["temperature": 1.5, "seed": .int(Int64($0))])) }.flatMap { $0 }
        #expect(texts(three) == alone)
        #expect(Set(texts(three)).count == 3)
        let usage = three.json["usage"]
        #expect(usage?["completion_tokens"] == 24)
        #expect(usage?["prompt_tokens"] == (try complete([:])).json["usage"]?["prompt_tokens"])
    }

    @Test func promptsAreAnsweredInOrder() throws {
        let many = try complete(["prompt": ["abc", [70, 71, 72], "xyz"], "n": 2])
        #expect(texts(many).count == 6)
        for (index, prompt) in (["abc", [70, 71, 72], "xyz"] as [JSONValue]).enumerated() {
            let alone = try #require(texts(complete(["prompt": prompt])).first)
            #expect(texts(many)[2 * index] == alone)
            #expect(texts(many)[2 * index + 1] == alone)
        }
        // More than are started at once.
        let list = JSONValue.array((0..<100).map { [.int(Int64(60 + $0)), 71] })
        let hundred = try complete(["prompt": list, "max_tokens": 2])
        #expect(texts(hundred).count == 100)
        #expect(hundred.json["usage"]?["completion_tokens"] == 200)
    }

    @Test func streamsInterleaveChoices() throws {
        let whole = texts(try complete(["n": 3, "temperature": 1.5, "seed": 7]))
        let stream = try complete(["n": 3, "temperature": 1.5, "seed": 7, "stream": true, "stream_options": ["include_usage": true]])
        #expect(stream.events.last == "[DONE]")
        var streamed = ["", "", ""]
        var reasons = [0, 0, 0]
        for event in try stream.events.dropLast().map({ try JSONValue(parsing: Array($0.utf8)) }) {
            guard let choice = event["choices"]?.arrayValue?.first, let index = choice["index"]?.intValue else { continue }
            streamed[Int(index)] += choice["text"]?.stringValue ?? ""
            if choice["finish_reason"]?.stringValue != nil { reasons[Int(index)] += 1 }
        }
        #expect(streamed == whole)
        #expect(reasons == [1, 1, 1])
    }

    @Test func lengthsSayWhichLimit() throws {
        #expect(try complete([:]).json["choices"]?.arrayValue?.first?["limit"] == "max_tokens")
        let full = try complete(["max_tokens": 10_000])
        #expect(full.json["choices"]?.arrayValue?.first?["limit"] == "context_length")
        #expect(full.json["usage"]?["total_tokens"] == 256)
    }

    @Test func minTokensHoldBackTheEnd() throws {
        let wanted: [String: JSONValue] = [
            "ignore_eos": false, "logit_bias": .object(JSONObject([.init(key: try daemon.endToken(), value: 100)])), "max_tokens": 20,
        ]
        #expect(try complete(wanted).json["usage"]?["completion_tokens"] == 1)
        let held = try complete(wanted.merging(["min_tokens": 5]) { $1 })
        #expect(held.json["usage"]?["completion_tokens"] == 6)
        #expect(held.json["choices"]?.arrayValue?.first?["finish_reason"] == "stop")
    }

    @Test func tokensAreReturnedWhenAsked() throws {
        let choice = try #require(try complete(["return_tokens": true]).json["choices"]?.arrayValue?.first)
        let tokens = try #require(choice["tokens"]?.arrayValue)
        #expect(tokens.count == 8)
        let text = try daemon.request("POST", "/detokenize", ["tokens": .array(tokens)]).json["content"]?.stringValue
        #expect(text == choice["text"]?.stringValue)
        #expect(try complete([:]).json["choices"]?.arrayValue?.first?["tokens"] == nil)
    }

    @Test func progressIsReportedWhenAsked() throws {
        let prompt = JSONValue.array((0..<200).map { .int(Int64(60 + $0 % 100)) })
        let stream = try complete(["prompt": prompt, "stream": true, "return_progress": true, "cache_salt": "fresh"])
        let progress = try stream.events.dropLast().compactMap { try JSONValue(parsing: Array($0.utf8))["prompt_progress"] }
        #expect(progress.last?["processed"] == 200)
        #expect(progress.allSatisfy { $0["total"] == 200 })
        #expect(try complete(["return_progress": true]).error["param"] == "return_progress")
    }

    /// A second request finds the first one's prompt, unless it brings another salt.
    @Test func cachedPromptsStayWithTheirSalt() throws {
        let prompt = JSONValue.array((0..<200).map { .int(Int64(60 + $0 * 7 % 100)) })
        func cached(_ salt: String) throws -> Int64? {
            try complete(["prompt": prompt, "cache_salt": .string(salt), "max_tokens": 1])
                .json["usage"]?["prompt_tokens_details"]?["cached_tokens"]?.intValue
        }
        #expect(try cached("a") == 0)
        #expect((try cached("a") ?? 0) >= 128)
        #expect(try cached("b") == 0)
    }

    @Test func finalMessagesAreContinued() throws {
        let messages: JSONValue = [["role": "user", "content": "hello"], ["role": "assistant", "content": "quern is a"]]
        let open = try daemon.request("POST", "/apply-template", ["messages": messages, "continue_final_message": true])
        #expect(open.json["prompt"]?.stringValue?.hasSuffix("quern is a") == true)
        let closed = try daemon.request("POST", "/apply-template", ["messages": messages, "add_generation_prompt": false])
        #expect(closed.json["prompt"]?.stringValue?.hasPrefix(open.json["prompt"]?.stringValue ?? "?") == true)
        let both = try daemon.request(
            "POST", "/apply-template", ["messages": messages, "continue_final_message": true, "add_generation_prompt": true])
        #expect(both.error["param"] == "add_generation_prompt")
        let user = try daemon.request(
            "POST", "/v1/chat/completions", ["messages": [["role": "user", "content": "hi"]], "continue_final_message": true])
        #expect(user.error["param"] == "continue_final_message")
    }

    @Test func labelsOfClientsChangeNothing() throws {
        let labelled = try complete([
            "user": "me", "metadata": ["a": "b"], "store": false, "safety_identifier": "x", "prompt_cache_key": "k", "best_of": 1,
            "suffix": "", "service_tier": "auto", "priority": "batch", "logit_bias": [:], "response_format": ["type": "text"],
        ])
        #expect(labelled.status == 200, "\(labelled.json.serialized())")
        #expect(texts(labelled) == texts(try complete([:])))
    }
}
