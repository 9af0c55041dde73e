// Chat completions and completions over the real socket.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct CompletionTests {
    private let daemon: TestDaemon

    init() throws { daemon = try TestDaemon(arguments: ["--context", "256"]) }

    private func chat(_ changes: [String: JSONValue] = [:]) throws -> HTTPAnswer {
        var body = JSONObject([
            .init(key: "messages", value: [["role": "user", "content": "hello"]]), .init(key: "max_tokens", value: 16),
            .init(key: "temperature", value: 0), .init(key: "ignore_eos", value: true),
        ])
        for (key, value) in changes { body[key] = value }
        return try daemon.request("POST", "/v1/chat/completions", .object(body))
    }

    @Test func operations() throws {
        #expect(try daemon.request("GET", "/health").json["status"] == "ok")
        let models = try daemon.request("GET", "/v1/models").json
        #expect(models["data"]?.arrayValue?.first?["id"] == "tiny-chat")
        #expect(try daemon.request("GET", "/v1/models/tiny-chat").status == 200)
        #expect(try daemon.request("GET", "/v1/models/other").error["code"] == "model_not_found")
    }

    @Test func answersCarryUsageAndTimings() throws {
        let answer = try chat()
        #expect(answer.status == 200)
        let json = answer.json
        #expect(json["object"] == "chat.completion")
        let choice = try #require(json["choices"]?.arrayValue?.first)
        #expect(choice["message"]?["role"] == "assistant")
        #expect(choice["finish_reason"] == "length")
        #expect(json["usage"]?["completion_tokens"] == 16)
        let prompt = json["usage"]?["prompt_tokens"]?.intValue ?? 0
        #expect(json["usage"]?["total_tokens"] == .int(prompt + 16))
        for key in ["prompt_n", "prompt_ms", "prompt_per_second", "predicted_n", "predicted_ms", "predicted_per_second"] {
            #expect(json["timings"]?[key]?.doubleValue != nil, "\(key)")
        }
    }

    @Test func streamsEqualWholeAnswers() throws {
        let whole = try chat().json["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue
        let stream = try chat(["stream": true, "stream_options": ["include_usage": true]])
        #expect(stream.head.lowercased().contains("content-type: text/event-stream"))
        #expect(stream.events.last == "[DONE]")
        let events = try stream.events.dropLast().map { try JSONValue(parsing: Array($0.utf8)) }
        #expect(events.first?["choices"]?.arrayValue?.first?["delta"]?["role"] == "assistant")
        let text = events.compactMap { $0["choices"]?.arrayValue?.first?["delta"]?["content"]?.stringValue }.joined()
        #expect(text == whole)
        #expect(events.allSatisfy { $0["object"] == "chat.completion.chunk" })
        #expect(Set(events.compactMap { $0["id"]?.stringValue }).count == 1)
        let reasons = events.compactMap { $0["choices"]?.arrayValue?.first?["finish_reason"]?.stringValue }
        #expect(reasons == ["length"])
        #expect(events.last?["usage"]?["completion_tokens"] == 16)
        #expect(events.last?["choices"] == [])
    }

    @Test func completions() throws {
        let text = try daemon.request("POST", "/v1/completions", ["prompt": "abc", "max_tokens": 4, "temperature": 0, "ignore_eos": true])
        #expect(text.json["object"] == "text_completion")
        #expect(text.json["usage"]?["completion_tokens"] == 4)
        let tokens = try daemon.request("POST", "/v1/completions", ["prompt": [5, 6, 7], "max_tokens": 4, "ignore_eos": true])
        #expect(tokens.json["usage"]?["prompt_tokens"] == 3)
        let stream = try daemon.request("POST", "/v1/completions", ["prompt": "abc", "max_tokens": 4, "stream": true, "ignore_eos": true])
        #expect(stream.events.last == "[DONE]")
        // A control token's spelling is text unless the client says otherwise.
        func count(_ parse: Bool) throws -> Int64 {
            try daemon.request("POST", "/v1/completions", ["prompt": "<|im_end|>", "max_tokens": 1, "parse_special": .bool(parse)])
                .json["usage"]?["prompt_tokens"]?.intValue ?? 0
        }
        #expect(try count(true) == 1)
        #expect(try count(false) > 1)
    }

    @Test func seedsRepeat() throws {
        func text(_ seed: Int64) throws -> String? {
            try chat(["temperature": 1.5, "seed": .int(seed)]).json["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue
        }
        #expect(try text(7) == text(7))
        #expect(try text(7) != text(8))
    }

    @Test func stopStringsAreLeftOut() throws {
        let free = try #require(try chat().json["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue)
        let stop = String(Array(free)[2...3])
        let choice = try #require(try chat(["stop": .string(stop)]).json["choices"]?.arrayValue?.first)
        #expect(choice["finish_reason"] == "stop")
        let text = try #require(choice["message"]?["content"]?.stringValue)
        #expect(!text.contains(stop))
        #expect(free.hasPrefix(text))
    }

    @Test(arguments: [
        ("max_tokens", -1), ("max_tokens", 1.5), ("max_tokens", "8"), ("temperature", -1), ("temperature", 3), ("top_p", 0),
        ("top_p", 1.1), ("top_k", -1), ("min_p", 2), ("seed", 1.5), ("stop", [""]), ("stop", 5), ("logit_bias", ["x": 1]),
        ("logit_bias", ["1": 1000]), ("logit_bias", ["99999": 1]), ("stop_token_ids", [-1]), ("stream", "yes"), ("model", "other"),
        ("stream_options", ["include_usage": true]), ("messages", []), ("messages", [["role": "user"]]), ("messages", [1]),
        ("messages", [["content": "x"]]), ("messages", [["role": "user", "content": 5]]), ("tools", [[:]]),
        ("response_format", ["type": "xml"]), ("chat_template_kwargs", ["messages": []]), ("frobnicate", 1),
        ("max_token", 5),
    ] as [(String, JSONValue)])
    func badFieldsAreNamed(_ key: String, _ value: JSONValue) throws {
        let answer = try chat([key: value])
        #expect(answer.status == (key == "model" ? 404 : 400))
        #expect(answer.error["param"]?.stringValue?.hasPrefix(key) == true, "\(answer.json.serialized())")
        #expect(answer.error["message"]?.stringValue?.contains(key) == true)
        #expect(answer.error["type"]?.stringValue != nil)
        #expect(try chat().status == 200)
    }

    @Test func badBodiesLeaveTheDaemonAlive() throws {
        for body in ["", "{", "[1,]", "[]", "\"x\"", "{\"messages\":1,\"messages\":2}", "{\"a\":NaN}", "\u{FEFF}{}", String(repeating: "[", count: 100_000)] {
            let answer = try daemon.request("POST", "/v1/chat/completions", bytes: Array(body.utf8))
            #expect(answer.status == 400, "\(body.prefix(20))")
            #expect(answer.error["type"] == "invalid_request_error")
        }
        let invalid = try daemon.request("POST", "/v1/chat/completions", bytes: [0x7B, 0xFF, 0x7D])
        #expect(invalid.error["code"] == "invalid_json")
        let plain = try daemon.request("POST", "/v1/chat/completions", bytes: Array("{}".utf8), contentType: "text/plain")
        #expect(plain.status == 415)
        #expect(try daemon.request("GET", "/nope").error["code"] == "unknown_route")
        #expect(try chat().status == 200)
    }

    @Test func contextOverflow() throws {
        let long = try chat(["messages": [["role": "user", "content": .string(String(repeating: "word ", count: 2000))]]])
        #expect(long.status == 400)
        #expect(long.error["code"] == "context_length_exceeded")
        #expect(long.error["type"] == "exceed_context_size_error")
        #expect(long.error["n_ctx"] == 256)
        #expect((long.error["n_prompt_tokens"]?.intValue ?? 0) > 256)
        // A completion that would not fit ends at the context's end.
        let end = try chat(["max_tokens": 100_000])
        #expect(end.status == 200)
        let usage = end.json["usage"]
        #expect(usage?["total_tokens"] == 256)
        #expect(end.json["choices"]?.arrayValue?.first?["finish_reason"] == "length")
    }

    @Test func manyAtOnceEqualOneAlone() async throws {
        let alone = try chat(["temperature": 1, "seed": 3]).json["choices"]
        let answers = try await withThrowingTaskGroup(of: JSONValue?.self) { group in
            for _ in 0..<12 { group.addTask { try chat(["temperature": 1, "seed": 3]).json["choices"] } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.count == 12)
        #expect(answers.allSatisfy { $0 == alone })
    }

    /// A client that leaves frees its place within a step.
    @Test func leavingCancels() throws {
        for stream in [true, false] {
            let connection = try UnixConnection(daemon.socket)
            let body = #"{"prompt":"abc","max_tokens":240,"ignore_eos":true,"temperature":0,"stream":\#(stream)}"#
            try connection.send(Array(
                "POST /v1/completions HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
            if stream { _ = try connection.readSome() }
            connection.close()
        }
        #expect(try chat().status == 200)
        #expect(daemon.stop() == 0)
    }

    /// More than a user may queue: the ones too many are told to come back, the others are answered.
    @Test func aFullQueueIsSaid() throws {
        let daemon = try TestDaemon(arguments: ["--context", "256", "--max-sequences", "1"])
        let body = #"{"prompt":"abc","max_tokens":100,"ignore_eos":true,"temperature":0}"#
        let connections = try (0..<200).map { _ in
            let connection = try UnixConnection(daemon.socket)
            try connection.send(Array(
                "POST /v1/completions HTTP/1.1\r\nHost: l\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
            return connection
        }
        let answers = try connections.map { try HTTPAnswer($0.readToEnd()) }
        let refused = answers.filter { $0.status != 200 }
        #expect(!refused.isEmpty && answers.count - refused.count >= 128)
        #expect(refused.allSatisfy { $0.status == 429 && $0.error["code"] == "user_queue_full" && $0.head.lowercased().contains("retry-after") })
    }

    /// Half-close after the request is not leaving.
    @Test func halfCloseIsNotLeaving() throws {
        let connection = try UnixConnection(daemon.socket)
        let body = #"{"prompt":"abc","max_tokens":100,"ignore_eos":true,"temperature":0}"#
        try connection.send(Array(
            "POST /v1/completions HTTP/1.1\r\nHost: l\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
        connection.finishSending()
        let text = String(decoding: try connection.readToEnd(), as: UTF8.self)
        #expect(text.contains("\"completion_tokens\":100"))
    }
}
