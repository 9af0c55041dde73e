// Anthropic's Messages API over the real socket: answers, streams that add up to them, calls, thinking, errors.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct MessagesTests {
    private let daemon: TestDaemon

    init() throws {
        let folder = try TemporaryFolder()
        daemon = try TestDaemon(model: try TalkingModel.write(into: folder), arguments: ["--context", "512"], folder: folder)
    }

    private static let tool: JSONValue = [
        "name": "pick", "description": "Picks.",
        "input_schema": [
            "type": "object",
            "properties": [
                "color": ["enum": ["red", "green"]], "numbers": ["type": "array", "items": ["type": "integer", "minimum": 0, "maximum": 9], "minItems": 9, "maxItems": 9],
            ],
            "required": ["color", "numbers"], "additionalProperties": false,
        ],
    ]

    private func message(_ changes: [String: JSONValue] = [:], path: String = "/v1/messages") throws -> HTTPAnswer {
        var body = JSONObject([
            .init(key: "messages", value: [["role": "user", "content": "abc"]]), .init(key: "max_tokens", value: 24),
            .init(key: "temperature", value: 0), .init(key: "ignore_eos", value: true),
        ])
        for (key, value) in changes { body[key] = value.isNull ? JSONValue?.none : value }
        return try daemon.request("POST", path, .object(body))
    }

    private func count(_ changes: [String: JSONValue] = [:]) throws -> HTTPAnswer {
        try message(
            changes.merging(["max_tokens": nil, "temperature": nil, "ignore_eos": nil]) { $1 }, path: "/v1/messages/count_tokens")
    }

    private func blocks(_ answer: HTTPAnswer) throws -> [JSONValue] {
        try #require(answer.json["content"]?.arrayValue, "\(answer.json.serialized())")
    }

    /// The answer that a stream's events add up to, without ids; checks their order on the way.
    private func sum(_ answer: HTTPAnswer) throws -> JSONValue {
        var events = try answer.namedEvents().filter { $0["type"] != "ping" }[...]
        func next(_ type: String) throws -> JSONValue? {
            guard events.first?["type"]?.stringValue == type else { return nil }
            return events.removeFirst()
        }
        var message = try #require(try next("message_start")?["message"]?.objectValue)
        #expect(message["content"] == [] && message["stop_reason"] == .null)
        var content: [JSONValue] = []
        while let start = try next("content_block_start") {
            let index = JSONValue.int(Int64(content.count))
            var block = try #require(start["content_block"]?.objectValue)
            var json = ""
            while let event = try next("content_block_delta") {
                #expect(event["index"] == index && start["index"] == index)
                let delta = try #require(event["delta"])
                switch delta["type"]?.stringValue {
                case "text_delta": block["text"] = .string((block["text"]?.stringValue ?? "") + (delta["text"]?.stringValue ?? ""))
                case "thinking_delta":
                    block["thinking"] = .string((block["thinking"]?.stringValue ?? "") + (delta["thinking"]?.stringValue ?? ""))
                case "signature_delta": block["signature"] = delta["signature"]
                case "input_json_delta": json += delta["partial_json"]?.stringValue ?? ""
                default: Issue.record("\(delta.serialized())")
                }
            }
            if block["type"] == "tool_use" { block["input"] = try JSONValue(parsing: Array(json.utf8)) }
            #expect(try next("content_block_stop")?["index"] == index)
            content.append(.object(block))
        }
        let end = try #require(try next("message_delta"), "\(events.first?.serialized() ?? "")")
        #expect(end["usage"]?["output_tokens"]?.intValue != nil && end["timings"] != nil)
        #expect(try next("message_stop") != nil && events.isEmpty)
        message["content"] = .array(content)
        for member in try #require(end["delta"]?.objectValue?.members) { message[member.key] = member.value }
        return plain(.object(message))
    }

    /// What must be the same each time.
    private func plain(_ message: JSONValue) -> JSONValue {
        var object = message.objectValue ?? JSONObject()
        for key in ["id", "usage", "timings"] { object[key] = nil }
        object["content"] = .array((object["content"]?.arrayValue ?? []).map { block in
            var block = block.objectValue ?? JSONObject()
            block["id"] = nil
            return .object(block)
        })
        return .object(object)
    }

    @Test func answersHaveTheShapeClientsExpect() throws {
        let counted = try count().json["input_tokens"]
        let answer = try message()
        #expect(answer.status == 200)
        let json = answer.json
        #expect(json["type"] == "message" && json["role"] == "assistant" && json["stop_reason"] == "max_tokens")
        #expect(json["id"]?.stringValue?.hasPrefix("msg_") == true && json["stop_sequence"] == .null)
        #expect(try blocks(answer).map { $0["type"] } == ["text"])
        #expect(json["usage"]?["output_tokens"] == 24 && json["usage"]?["cache_read_input_tokens"] == 0)
        #expect(json["usage"]?["input_tokens"] == counted)
        #expect(json["timings"]?["predicted_n"] == 24)
        // Tokens of the prompt are counted once: as computed, or as read from the cache.
        let usage = try #require(try message().json["usage"])
        let (input, cached) = (usage["input_tokens"]?.intValue ?? 0, usage["cache_read_input_tokens"]?.intValue ?? 0)
        #expect(cached > 0 && .int(input + cached) == counted)
    }

    @Test(arguments: [
        [:], ["stop_sequences": ["e", "a"]], ["thinking": ["type": "enabled", "budget_tokens": 6]],
        ["tools": [tool], "tool_choice": ["type": "any", "disable_parallel_tool_use": true], "max_tokens": 200],
        ["tools": [tool], "tool_choice": ["type": "tool", "name": "pick"], "thinking": ["type": "enabled", "budget_tokens": 6], "max_tokens": 250],
        ["output_config": ["format": ["type": "json_schema", "schema": ["enum": ["yes", "no"]]]]], ["max_tokens": 0],
    ] as [[String: JSONValue]])
    func streamsAddUpToTheWholeAnswer(_ changes: [String: JSONValue]) throws {
        let whole = try message(changes)
        #expect(whole.status == 200, "\(whole.json.serialized())")
        let stream = try message(changes.merging(["stream": true]) { $1 })
        #expect(stream.head.lowercased().contains("content-type: text/event-stream"))
        #expect(try sum(stream) == plain(whole.json))
    }

    @Test func callsAreBlocksAndResultsGoBack() throws {
        let answer = try message(["tools": [Self.tool], "tool_choice": ["type": "any", "disable_parallel_tool_use": true], "max_tokens": 200])
        #expect(answer.json["stop_reason"] == "tool_use")
        let call = try #require(try blocks(answer).first)
        #expect(call["type"] == "tool_use" && call["name"] == "pick")
        #expect(["red", "green"].contains(call["input"]?["color"]?.stringValue ?? ""))
        #expect(call["input"]?["numbers"]?.arrayValue?.count == 9)
        let id = try #require(call["id"])
        let result: JSONValue = ["type": "tool_result", "tool_use_id": id, "content": [["type": "text", "text": "5"]]]
        func turns(_ content: JSONValue) -> [String: JSONValue] {
            [
                "tools": [Self.tool],
                "messages": [["role": "user", "content": "abc"], ["role": "assistant", "content": [call]], ["role": "user", "content": content]],
            ]
        }
        #expect(try message(turns([result])).status == 200)
        #expect(try message(turns([result, ["type": "text", "text": "and?"]])).status == 200)
        let missing = try message(turns("5"))
        #expect(missing.status == 400 && missing.error["param"] == "messages/1/content/0")
        let twice = try message(turns([result, result]))
        #expect(twice.status == 400 && twice.error["param"] == "messages/2/content/1/tool_use_id")
        let stranger = try message(turns([["type": "tool_result", "tool_use_id": "toolu_x", "content": "5"]]))
        #expect(stranger.status == 400 && stranger.error["param"] == "messages/2/content/0/tool_use_id")
    }

    /// What has come of a call that the token limit cut off is an object all the same.
    @Test func callsThatAreCutOffKeepWhatIsComplete() throws {
        let choice: [String: JSONValue] = ["tools": [Self.tool], "tool_choice": ["type": "any", "disable_parallel_tool_use": true]]
        let full = try #require(try blocks(try message(choice.merging(["max_tokens": 200]) { $1 })).first?["input"]?["numbers"]?.arrayValue)
        var lengths: Set<Int> = []
        for limit in stride(from: 4, to: 90, by: 3) {
            let answer = try message(choice.merging(["max_tokens": .int(Int64(limit))]) { $1 })
            guard answer.json["stop_reason"] == "max_tokens", let call = try blocks(answer).first, call["type"] == "tool_use" else { continue }
            let numbers = try #require(call["input"]?.objectValue)["numbers"]?.arrayValue ?? []
            #expect(full.starts(with: numbers))
            lengths.insert(numbers.count)
        }
        #expect(lengths.count > 2)
    }

    @Test func thinkingIsOffUnlessAskedFor() throws {
        #expect(try blocks(try message(["chat_template_kwargs": ["enable_thinking": true]])).map { $0["type"] } == ["text"])
        let answer = try message(["thinking": ["type": "enabled", "budget_tokens": 8], "max_tokens": 40])
        let thinking = try blocks(answer)
        #expect(thinking.map { $0["type"] } == ["thinking", "text"])
        #expect(thinking.first?["signature"]?.stringValue?.isEmpty == false)
        let tokens = try #require(answer.json["usage"]?["output_tokens_details"]?["thinking_tokens"]?.intValue)
        #expect((8...12).contains(tokens), "\(tokens)")     // the budget and its closing
        // What was thought can go back.
        let turns: JSONValue = [
            ["role": "user", "content": "abc"], ["role": "assistant", "content": .array(thinking)], ["role": "user", "content": "go on"],
        ]
        let with = try #require(try count(["messages": turns]).json["input_tokens"]?.intValue)
        let without: JSONValue = [
            ["role": "user", "content": "abc"], ["role": "assistant", "content": .array([thinking[1]])], ["role": "user", "content": "go on"],
        ]
        #expect(try with > (count(["messages": without]).json["input_tokens"]?.intValue ?? .max))
    }

    @Test func stopSequencesAreNamedAndLeftOut() throws {
        let free = try #require(try blocks(try message()).first?["text"]?.stringValue)
        let stop = String(Array(free)[2...3])
        let answer = try message(["stop_sequences": ["never here", .string(stop)]])
        #expect(answer.json["stop_reason"] == "stop_sequence" && answer.json["stop_sequence"] == .string(stop))
        let text = try blocks(answer).first?["text"]?.stringValue ?? ""
        #expect(!text.contains(stop) && free.hasPrefix(text))
    }

    /// The last message of the assistant is the beginning of the answer.
    @Test func answersContinueWhatIsBegun() throws {
        let begun: JSONValue = [["role": "user", "content": "abc"], ["role": "assistant", "content": "The"]]
        // No end of turn, no new turn, no thinking: the prompt of a chat completion that goes on inside its last message.
        let chat = try daemon.request(
            "POST", "/v1/chat/completions/input_tokens", ["messages": begun, "continue_final_message": true])
        #expect(try count(["messages": begun]).json["input_tokens"] == chat.json["input_tokens"])
        #expect(chat.json["input_tokens"]?.intValue != nil)
        #expect(try message(["messages": begun]).json["content"]?.arrayValue?.first?["text"] != "")
        let nothing = try message(["messages": [["role": "user", "content": "abc"], ["role": "assistant", "content": ""]]])
        #expect(nothing.error["param"] == "messages/1/content")
        #expect(try message(["messages": begun, "thinking": ["type": "adaptive"]]).error["param"] == "thinking")
    }

    @Test func textMayComeInBlocks() throws {
        let blocks = try count([
            "system": [["type": "text", "text": "be", "cache_control": ["type": "ephemeral"]], ["type": "text", "text": " brief"]],
            "messages": [["role": "user", "content": [["type": "text", "text": "ab"], ["type": "text", "text": "c", "cache_control": ["type": "ephemeral", "ttl": "1h"]]]]],
        ])
        #expect(try blocks.json["input_tokens"]?.intValue == count(["system": "be brief"]).json["input_tokens"]?.intValue)
        #expect(try (count(["system": "be brief"]).json["input_tokens"]?.intValue ?? 0) > (count().json["input_tokens"]?.intValue ?? .max))
        #expect(try (count(["tools": [Self.tool]]).json["input_tokens"]?.intValue ?? 0) > (count().json["input_tokens"]?.intValue ?? .max))
    }

    @Test(arguments: [
        ("max_tokens", nil), ("max_tokens", -1), ("messages", []), ("messages", [["role": "robot", "content": "x"]]), ("messages", [["role": "user"]]),
        ("messages/0/content/0/type", [["role": "user", "content": [["type": "image", "source": [:]]]]]),
        ("messages/0/content/0/text", [["role": "user", "content": [["type": "text"]]]]),
        ("messages/0/content/0/cache_control/type", [["role": "user", "content": [["type": "text", "text": "x", "cache_control": ["type": "y"]]]]]),
        ("messages/0/name", [["role": "user", "content": "x", "name": "y"]]), ("system", [["type": "image"]]), ("temperature", 3),
        ("stop_sequences", "x"), ("tools/0/type", [["type": "web_search_20250305", "name": "web_search"]]),
        ("tools/0/input_schema", [["name": "f"]]), ("tools/0/name", [["name": "a b", "input_schema": ["type": "object"]]]),
        ("tools/0/input_schema/properties/a/not", [["name": "f", "strict": true, "input_schema": ["type": "object", "properties": ["a": ["not": [:]]]]]]),
        ("tool_choice/type", ["type": "some"]), ("tool_choice", ["type": "tool", "name": "nobody"]), ("thinking/type", ["type": "deep"]),
        ("thinking/budget_tokens", ["type": "enabled"]), ("thinking/budget_tokens", ["type": "enabled", "budget_tokens": 24]),
        ("thinking/display", ["type": "adaptive", "display": "omitted"]), ("output_config/format/type", ["format": ["type": "text"]]),
        ("metadata/user", ["user": "x"]), ("container", "x"), ("service_tier", "priority"), ("frobnicate", 1), ("max_token", 5),
    ] as [(String, JSONValue)])
    func badFieldsAreNamed(_ place: String, _ value: JSONValue) throws {
        let key = String(place.split(separator: "/")[0])
        let answer = try message([key: value])
        #expect(answer.status == 400)
        #expect(answer.json["type"] == "error" && answer.error["type"] == "invalid_request_error")
        #expect(answer.error["param"]?.stringValue?.hasPrefix(place) == true, "\(answer.json.serialized())")
        #expect(answer.error["message"]?.stringValue?.contains(place) == true, "\(answer.json.serialized())")
    }

    @Test func errorsOfEveryKindHaveTheEnvelope() throws {
        func check(_ answer: HTTPAnswer, _ status: Int, _ type: String) {
            #expect(answer.status == status)
            #expect(answer.json["type"] == "error" && answer.error["type"] == .string(type), "\(answer.json.serialized())")
            #expect(answer.error["message"]?.stringValue?.isEmpty == false)
        }
        check(try message(["model": "absent"]), 404, "not_found_error")
        check(try daemon.request("POST", "/v1/messages", bytes: Array("{".utf8)), 400, "invalid_request_error")
        check(try daemon.request("POST", "/v1/messages", bytes: Array("{}".utf8), contentType: "text/plain"), 415, "invalid_request_error")
        check(try daemon.request("GET", "/v1/messages"), 405, "invalid_request_error")
        check(try daemon.request("GET", "/v1/messages/batches"), 404, "not_found_error")
        check(try message(path: "/v1/messages/count_tokens"), 400, "invalid_request_error")      // nothing is generated there
        let long = try message(["messages": [["role": "user", "content": .string(String(repeating: "word ", count: 2000))]]])
        check(long, 400, "invalid_request_error")
        #expect(long.error["n_ctx"] == 512)
        // Other routes keep theirs.
        #expect(try daemon.request("GET", "/v1/message").json["type"] == nil)
    }

    @Test func leavingCancels() throws {
        let connection = try UnixConnection(daemon.socket)
        let body = #"{"messages":[{"role":"user","content":"abc"}],"max_tokens":480,"ignore_eos":true,"stream":true}"#
        try connection.send(Array(
            "POST /v1/messages HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
        _ = try connection.readSome()
        connection.close()
        #expect(daemon.waitForLog("client left"))
        #expect(try message().status == 200)
    }
}
