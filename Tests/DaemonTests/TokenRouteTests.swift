// What the model sees: tokens, templates, vectors, and what the daemon says of itself.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct TokenRouteTests {
    private let daemon: TestDaemon

    init() throws { daemon = try TestDaemon(arguments: ["--context", "256"]) }

    private func post(_ path: String, _ body: JSONValue) throws -> HTTPAnswer { try daemon.request("POST", path, body) }

    @Test(arguments: ["hello", "", "é", "Grüße, 世界", "a<|im_end|>b", "\u{0}\r\n", "👩‍👩‍👧"]) func tokensRoundTrip(_ text: String) throws {
        for path in ["/tokenize", "/v1/tokenize"] {
            let answer = try post(path, ["content": .string(text)]).json
            let tokens = try #require(answer["tokens"]?.arrayValue)
            #expect(answer["count"] == .int(Int64(tokens.count)))
            let back = try post("/detokenize", ["tokens": .array(tokens)]).json["content"]?.stringValue
            #expect(back?.utf8.elementsEqual(text.utf8) == true)
        }
        #expect(try post("/tokenize", ["prompt": .string(text)]).json["tokens"] == post("/tokenize", ["content": .string(text)]).json["tokens"])
    }

    @Test func specialTokensNeedAsking() throws {
        #expect(try post("/tokenize", ["content": "<|im_end|>"]).json["tokens"]?.arrayValue?.count == 1)
        let plain = try post("/tokenize", ["content": "<|im_end|>", "parse_special": false]).json["tokens"]?.arrayValue
        #expect((plain?.count ?? 0) > 1)
    }

    @Test func piecesAreTextOrBytes() throws {
        let pieces = try #require(try post("/tokenize", ["content": "aé", "with_pieces": true]).json["tokens"]?.arrayValue)
        var bytes: [UInt8] = []
        for piece in pieces {
            #expect(piece["id"]?.intValue != nil)
            if let text = piece["piece"]?.stringValue { bytes += Array(text.utf8) }
            bytes += (piece["piece"]?.arrayValue ?? []).compactMap { $0.intValue.flatMap { UInt8(exactly: $0) } }
        }
        #expect(bytes == Array("aé".utf8))
    }

    @Test func countsEqualWhatIsComputed() throws {
        let chat: JSONValue = ["messages": [["role": "user", "content": "hello there"]], "max_tokens": 1]
        let counted = try post("/v1/chat/completions/input_tokens", chat).json["input_tokens"]
        #expect(counted != nil)
        #expect(try post("/v1/chat/completions", chat).json["usage"]?["prompt_tokens"] == counted)
        let tokenized = try post("/tokenize", ["messages": [["role": "user", "content": "hello there"]]]).json
        #expect(tokenized["count"] == counted)
    }

    @Test(arguments: [
        ("/tokenize", [:], "content"), ("/tokenize", ["content": 5], "content"), ("/tokenize", ["content": "a", "x": 1], "x"),
        ("/detokenize", ["tokens": [0, 999_999]], "tokens/1"), ("/detokenize", ["tokens": [-1]], "tokens/0"),
        ("/detokenize", [:], "tokens"), ("/apply-template", ["messages": []], "messages"),
        ("/apply-template", ["messages": [["role": "user", "content": "a"]], "chat_template": "{{x}}"], "chat_template"),
        ("/v1/embeddings", ["input": []], "input"), ("/v1/embeddings", ["input": ""], "input"),
        ("/v1/embeddings", ["input": [[]]], "input"), ("/v1/embeddings", ["input": "a", "dimensions": 5], "dimensions"),
        ("/v1/embeddings", ["input": "a", "encoding_format": "hex"], "encoding_format"),
        ("/v1/embeddings", ["input": [9_999_999]], "input"),
    ] as [(String, JSONValue, String)])
    func badFieldsAreNamed(_ path: String, _ body: JSONValue, _ param: String) throws {
        let answer = try post(path, body)
        #expect(answer.status == 400, "\(answer.json.serialized())")
        #expect(answer.error["param"]?.stringValue == param, "\(answer.json.serialized())")
    }

    private func vectors(_ body: JSONValue) throws -> [[Float]] {
        let answer = try post("/v1/embeddings", body)
        #expect(answer.status == 200, "\(answer.json.serialized())")
        return (answer.json["data"]?.arrayValue ?? []).map { item in
            if let text = item["embedding"]?.stringValue, let data = Data(base64Encoded: text) {
                return data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            }
            return (item["embedding"]?.arrayValue ?? []).compactMap { $0.doubleValue.map(Float.init) }
        }
    }

    @Test func embeddings() throws {
        for pooling in ["last", "mean"] {
            let three = try vectors(["input": ["hello", "world", [70, 71]], "pooling": .string(pooling)])
            #expect(three.count == 3)
            for vector in three {
                #expect(vector.count == 64)
                #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
            }
            #expect(try vectors(["input": "world", "pooling": .string(pooling)]) == [three[1]])
            #expect(try vectors(["input": "world", "pooling": .string(pooling), "encoding_format": "base64"]) == [three[1]])
            #expect(three[0] != three[1])
        }
        #expect(try vectors(["input": [70]]) == vectors(["input": [70], "pooling": "mean"]))
        #expect(try vectors(["input": [70, 71, 72]]) != vectors(["input": [70, 71, 72], "pooling": "mean"]))
        let usage = try post("/v1/embeddings", ["input": [[1, 2], [3]], "dimensions": 64, "user": "me"]).json["usage"]
        #expect(usage?["prompt_tokens"] == 3)
        #expect(usage?["total_tokens"] == 3)
    }

    @Test func metricsArePrometheusText() throws {
        _ = try post("/v1/completions", ["prompt": "abc", "max_tokens": 3, "ignore_eos": true])
        _ = try post("/v1/completions", ["prompt": 5])
        var text = ""
        // The engine publishes its counters just after the last token.
        for _ in 0..<500 where !text.contains("quern_generation_tokens_total 3") {
            text = String(decoding: try daemon.request("GET", "/metrics").body, as: UTF8.self)
        }
        var names: Set<String> = []
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# ") { continue }
            let parts = line.split(separator: " ")
            #expect(parts.count >= 2 && Double(parts[parts.count - 1]) != nil, "\(line)")
            let name = String(line.prefix { $0 != "{" && $0 != " " })
            #expect(name.hasPrefix("quern_") || name.hasPrefix("process_"))
            names.insert(name)
        }
        for name in [
            "quern_requests_running", "quern_generation_tokens_total", "quern_kv_cache_usage_ratio",
            "quern_time_to_first_token_seconds_bucket", "quern_build_info", "process_resident_memory_bytes",
        ] { #expect(names.contains(name), "\(name)") }
        #expect(text.contains(#"quern_requests_total{endpoint="/v1/completions",status="200"} 1"#))
        #expect(text.contains(#"quern_requests_total{endpoint="/v1/completions",status="400"} 1"#))
        #expect(text.contains("quern_generation_tokens_total 3"))
    }

    @Test func propertiesNameTheModel() throws {
        let props = try daemon.request("GET", "/props").json
        #expect(props["model_alias"] == "tiny-chat")
        #expect(props["default_generation_settings"]?["n_ctx"] == 256)
        #expect(props["chat_template"]?.stringValue?.isEmpty == false)
        #expect(try daemon.request("GET", "/version").json["version"]?.stringValue != nil)
        #expect(try daemon.request("GET", "/v1/health").status == 200)
    }
}
