// Every field with values of every kind: refused by name or answered, never a fault of the server.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct ParameterTests {
    private let daemon: TestDaemon

    init() throws { daemon = try TestDaemon(arguments: ["--context", "256"]) }

    private static let values: [JSONValue] = [
        nil, true, false, 0, -1, 1, 1.5, -0.0, 1e300, .bigInteger("18446744073709551616"), "", "1", "é\u{0}\u{1B}[2J", [], [0], [[]],
        ["a"], [nil], [:], ["a": 1], .string(String(repeating: "x", count: 300)), .array(Array(repeating: 1, count: 2000)),
    ]
    private static let shared = [
        "model", "max_tokens", "max_completion_tokens", "min_tokens", "temperature", "top_p", "top_k", "min_p", "repetition_penalty",
        "presence_penalty", "frequency_penalty", "seed", "logit_bias", "stop", "stop_token_ids", "ignore_eos", "n", "priority",
        "cache_salt", "stream", "stream_options", "return_progress", "return_tokens", "user", "metadata", "store", "logprobs",
        "response_format", "best_of", "service_tier", "prompt_embeds", "id_slot", "keep_alive", "thinking",
    ]

    /// 22 values for each field. A refusal names the field that is wrong.
    private func sweep(_ path: String, _ base: JSONObject, _ fields: [String]) throws {
        for field in fields {
            for value in Self.values {
                var body = base
                body[field] = value
                let answer = try daemon.request("POST", path, .object(body))
                let shown = "\(field): \(value.serialized().prefix(60)) gave \(answer.status) \(String(decoding: answer.body.prefix(300), as: UTF8.self))"
                #expect([200, 400, 404].contains(answer.status), "\(shown)")
                if answer.status != 200 {
                    let param = answer.error["param"]?.stringValue
                    let others = ["stream_options", "return_progress", "min_tokens", "top_logprobs"]
                    #expect(param?.hasPrefix(field) == true || others.contains(param ?? ""), "\(shown)")
                }
            }
        }
        #expect(try daemon.request("POST", path, .object(base)).status == 200)
    }

    @Test func completions() throws {
        let base = JSONObject([.init(key: "prompt", value: "abc"), .init(key: "max_tokens", value: 2)])
        try sweep("/v1/completions", base, Self.shared + ["prompt", "echo", "suffix", "parse_special"])
    }

    @Test func chats() throws {
        let base = JSONObject([.init(key: "messages", value: [["role": "user", "content": "a"]]), .init(key: "max_tokens", value: 2)])
        try sweep("/v1/chat/completions", base, Self.shared + [
            "messages", "top_logprobs", "chat_template_kwargs", "add_generation_prompt", "continue_final_message", "tools",
            "tool_choice", "functions", "parallel_tool_calls", "modalities", "reasoning_effort", "chat_template", "audio",
        ])
    }

    @Test func others() throws {
        try sweep("/v1/embeddings", JSONObject([.init(key: "input", value: "abc")]), [
            "model", "input", "encoding_format", "dimensions", "pooling", "priority", "user",
        ])
        try sweep("/tokenize", JSONObject([.init(key: "content", value: "abc")]), [
            "content", "add_special", "parse_special", "with_pieces", "model",
        ])
        try sweep("/detokenize", JSONObject([.init(key: "tokens", value: [1])]), ["tokens", "model"])
    }

    @Test(arguments: [
        ("n", 17), ("n", 1_000_000), ("n", 0), ("top_k", 4_000_000), ("repetition_penalty", 0), ("repetition_penalty", 1e30),
        ("presence_penalty", 1e30), ("temperature", 1e30), ("min_p", 1.1), ("logprobs", 21), ("logprobs", -1), ("logprobs", true),
        ("stop", .array((0..<17).map { .string("\($0)") })), ("stop", .string(String(repeating: "x", count: 257))),
        ("logit_bias", ["-1": 1]), ("logit_bias", ["1000000000": 1]), ("logit_bias", ["1": 1e9]), ("logit_bias", ["AI": 1]),
        ("stop_token_ids", [99_999]), ("stop_token_ids", .array(Array(repeating: 1, count: 2000))), ("priority", "urgent"),
        ("priority", -5), ("cache_salt", .string(String(repeating: "x", count: 1 << 20))), ("prompt", [[]]), ("prompt", []),
        ("prompt", ""), ("prompt", .array(Array(repeating: "a", count: 1025))), ("prompt", [1, 99_999]), ("best_of", 5),
        ("min_tokens", 50), ("seed", .bigInteger("18446744073709551616")), ("max_tokens", .int(.max)),
        ("allowed_token_ids", []), ("prompt_embeds", "AAAA"), ("stream_options", ["include_usage": "yes"]),
    ] as [(String, JSONValue)])
    func limits(_ field: String, _ value: JSONValue) throws {
        var body = JSONObject([.init(key: "prompt", value: "abc"), .init(key: "max_tokens", value: 2), .init(key: "stream", value: true)])
        body[field] = value
        let answer = try daemon.request("POST", "/v1/completions", .object(body))
        #expect(answer.status == 400, "\(answer.json.serialized())")
        #expect(answer.error["param"]?.stringValue?.hasPrefix(field) == true, "\(answer.json.serialized())")
        #expect((answer.error["message"]?.stringValue?.utf8.count ?? 1000) < 400)
    }

    @Test func messagesArePlacedInErrors() throws {
        let cases: [(JSONValue, String)] = [
            ([["role": "user", "content": "a"], ["role": "wizard", "content": "b"]], "messages/1/role"),
            ([["role": "user", "content": [["type": "image_url", "image_url": ["url": "http://x"]]]]], "messages/0/content/0"),
            ([["role": "user"]], "messages/0/content"), ([5], "messages/0"),
        ]
        for (messages, param) in cases {
            let answer = try daemon.request("POST", "/v1/chat/completions", ["messages": messages])
            #expect(answer.status == 400)
            #expect(answer.error["param"]?.stringValue == param)
        }
        let parts: JSONValue = [["role": "developer", "content": [["type": "text", "text": "a"], ["type": "text", "text": "b"]]]]
        let joined = try daemon.request("POST", "/apply-template", ["messages": parts]).json["prompt"]
        #expect(joined == (try daemon.request("POST", "/apply-template", ["messages": [["role": "system", "content": "ab"]]])).json["prompt"])
    }

    @Test func misspeltFieldsGetAHint() throws {
        let answer = try daemon.request("POST", "/v1/completions", ["prompt": "a", "max_token": 2])
        #expect(answer.error["message"]?.stringValue?.contains("did you mean \"max_tokens\"") == true)
        #expect(answer.error["code"] == "unknown_parameter")
    }

    @Test func answersAreTheSameBesideAbuse() async throws {
        func reference() throws -> JSONValue? {
            try daemon.request("POST", "/v1/completions", ["prompt": "quern", "max_tokens": 60, "seed": 3, "temperature": 1, "ignore_eos": true])
                .json["choices"]
        }
        let alone = try reference()
        let together = try await withThrowingTaskGroup(of: JSONValue?.self) { group in
            for index in 0..<8 {
                group.addTask {
                    for round in 0..<20 {
                        _ = try daemon.request("POST", "/v1/completions", [
                            "prompt": [1, 2, 3], "max_tokens": 8, "logit_bias": .object(JSONObject((0..<384).map { .init(key: "\($0)", value: -100) })),
                            "stop_token_ids": [.int(Int64(round))], "n": 3, "logprobs": 5, "echo": true, "temperature": 2,
                            "repetition_penalty": 100, "stop": ["a", "b"], "priority": index % 2 == 0 ? "interactive" : "batch",
                        ])
                    }
                    return nil
                }
                group.addTask { try reference() }
            }
            return try await group.reduce(into: [JSONValue]()) { if let value = $1 { $0.append(value) } }
        }
        #expect(together.count == 8)
        #expect(together.allSatisfy { $0 == alone })
    }
}
