// OpenAI's Responses API over the real socket: answers, streams that add up to them, calls, thinking, and that nothing is stored.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct ResponsesTests {
    private let daemon: TestDaemon

    init() throws {
        let folder = try TemporaryFolder()
        daemon = try TestDaemon(model: try TalkingModel.write(into: folder), arguments: ["--context", "512"], folder: folder)
    }

    private static let tool: JSONValue = [
        "type": "function", "name": "pick", "description": "Picks.", "strict": true,
        "parameters": [
            "type": "object", "properties": ["color": ["enum": ["red", "green"]], "count": ["type": "integer", "minimum": 0, "maximum": 99]],
            "required": ["color", "count"], "additionalProperties": false,
        ],
    ]

    private func respond(_ changes: [String: JSONValue] = [:], path: String = "/v1/responses") throws -> HTTPAnswer {
        var body = JSONObject([
            .init(key: "input", value: "abc"), .init(key: "max_output_tokens", value: 24), .init(key: "temperature", value: 0),
            .init(key: "ignore_eos", value: true),
        ])
        for (key, value) in changes { body[key] = value.isNull ? JSONValue?.none : value }
        return try daemon.request("POST", path, .object(body))
    }

    private func output(_ answer: HTTPAnswer) throws -> [JSONValue] {
        try #require(answer.json["output"]?.arrayValue, "\(answer.json.serialized())")
    }

    private func tokens(_ changes: [String: JSONValue] = [:]) throws -> Int64 {
        try #require(try respond(changes, path: "/v1/responses/input_tokens").json["input_tokens"]?.intValue)
    }

    /// The items that a stream's events add up to, part by part; checks their order on the way.
    private func items(_ events: ArraySlice<JSONValue>) throws -> [JSONValue] {
        var events = events
        func next(_ type: String) throws -> JSONValue? {
            guard events.first?["type"]?.stringValue == type else { return nil }
            return events.removeFirst()
        }
        var items: [JSONValue] = []
        while let added = try next("response.output_item.added") {
            let item = try #require(added["item"]?.objectValue)
            #expect(added["output_index"] == .int(Int64(items.count)) && item["status"] == "in_progress")
            let kind = item["type"]?.stringValue ?? ""
            let name = ["message": "output_text", "reasoning": "reasoning_text", "function_call": "function_call_arguments"][kind] ?? ""
            let hasPart = kind != "function_call"
            if hasPart { #expect(try next("response.content_part.added")?["part"]?["text"] == "") }
            var text = ""
            while let delta = try next("response.\(name).delta") {
                #expect(delta["item_id"] == item["id"] && delta["output_index"] == added["output_index"])
                text += delta["delta"]?.stringValue ?? ""
            }
            let done = try #require(try next("response.\(name).done"), "\(events.first?.serialized() ?? "")")
            #expect(done[hasPart ? "text" : "arguments"] == .string(text))
            if hasPart { #expect(try next("response.content_part.done")?["part"]?["text"] == .string(text)) }
            let whole = try #require(try next("response.output_item.done")?["item"])
            #expect((hasPart ? whole["content"]?.arrayValue?.first?["text"] : whole["arguments"]) == .string(text))
            #expect(whole["id"] == item["id"])
            items.append(whole)
        }
        #expect(events.isEmpty, "\(events.first?.serialized() ?? "")")
        return items
    }

    /// What must be the same each time.
    private func plain(_ response: JSONValue) -> JSONValue {
        var object = response.objectValue ?? JSONObject()
        for key in ["id", "created_at", "usage", "timings"] { object[key] = nil }
        object["output"] = .array((object["output"]?.arrayValue ?? []).map { item in
            var item = item.objectValue ?? JSONObject()
            for key in ["id", "call_id"] { item[key] = nil }
            return .object(item)
        })
        return .object(object)
    }

    @Test func answersHaveTheShapeClientsExpect() throws {
        let answer = try respond(["instructions": "be brief", "metadata": ["a": "b"], "store": false])
        #expect(answer.status == 200)
        let json = answer.json
        #expect(json["object"] == "response" && json["status"] == "incomplete" && json["incomplete_details"]?["reason"] == "max_output_tokens")
        #expect(json["store"] == false && json["previous_response_id"] == .null && json["error"] == .null)
        #expect(json["instructions"] == "be brief" && json["metadata"] == ["a": "b"] && json["max_output_tokens"] == 24)
        let item = try #require(try output(answer).first)
        #expect(item["type"] == "message" && item["role"] == "assistant" && item["status"] == "incomplete")
        #expect(item["content"]?.arrayValue?.first?["type"] == "output_text")
        let usage = try #require(json["usage"])
        #expect(usage["output_tokens"] == 24 && usage["output_tokens_details"]?["reasoning_tokens"] == 0)
        #expect(try usage["input_tokens"] == .int(tokens(["instructions": "be brief"])))
        #expect(json["timings"]?["predicted_n"] == 24)
    }

    @Test(arguments: [
        [:], ["instructions": "be brief", "text": ["format": ["type": "json_schema", "name": "n", "schema": ["enum": ["yes", "no"]]]]],
        ["reasoning": ["effort": "low"]], ["tools": [tool], "tool_choice": "required", "max_output_tokens": 100, "parallel_tool_calls": false],
        ["tools": [tool], "tool_choice": ["type": "function", "name": "pick"], "reasoning": ["effort": "minimal"], "answer_reserve": 100,
         "max_output_tokens": 150],
        ["max_output_tokens": 0], ["tools": [tool], "tool_choice": "required", "max_output_tokens": 16],
    ] as [[String: JSONValue]])
    func streamsAddUpToTheWholeAnswer(_ changes: [String: JSONValue]) throws {
        let whole = try respond(changes)
        #expect(whole.status == 200, "\(whole.json.serialized())")
        let events = try respond(changes.merging(["stream": true]) { $1 }).namedEvents()
        #expect(events.indices.allSatisfy { events[$0]["sequence_number"] == .int(Int64($0)) })
        #expect(events.prefix(2).map { $0["type"] } == ["response.created", "response.in_progress"])
        let last = try #require(events.last)
        #expect(last["type"] == .string("response." + (last["response"]?["status"]?.stringValue ?? "")))
        #expect(Set(events.compactMap { $0["response"]?["id"]?.stringValue }).count == 1)
        #expect(try items(events.dropFirst(2).dropLast()) == (last["response"]?["output"]?.arrayValue ?? []))
        #expect(try plain(#require(last["response"])) == plain(whole.json))
    }

    @Test func callsAreItemsAndEverythingGoesBack() throws {
        let answer = try respond([
            "tools": [Self.tool], "tool_choice": "required", "parallel_tool_calls": false, "reasoning": ["effort": "minimal"],
            "max_output_tokens": 150, "answer_reserve": 100,
        ])
        #expect(answer.json["status"] == "completed", "\(answer.json.serialized())")
        let items = try output(answer)
        #expect(items.map { $0["type"] } == ["reasoning", "function_call"])
        #expect((answer.json["usage"]?["output_tokens_details"]?["reasoning_tokens"]?.intValue ?? 0) > 10)
        let call = items[1]
        #expect(call["name"] == "pick" && call["status"] == "completed")
        let arguments = try JSONValue(parsing: Array((call["arguments"]?.stringValue ?? "").utf8))
        #expect(["red", "green"].contains(arguments["color"]?.stringValue ?? "") && (0...99).contains(arguments["count"]?.intValue ?? -1))
        let user: JSONValue = ["role": "user", "content": [["type": "input_text", "text": "abc"]]]
        let result: JSONValue = ["type": "function_call_output", "call_id": call["call_id"] ?? .null, "output": "5"]
        let again = try respond(["input": .array([user] + items + [result]), "tools": [Self.tool], "tool_choice": "none"])
        #expect(again.status == 200, "\(again.json.serialized())")
        #expect(try output(again).map { $0["type"] } == ["message"])
        // Its own message, and one more question.
        let third = try respond(["input": .array([user] + items + [result] + output(again) + [user])])
        #expect(third.status == 200, "\(third.json.serialized())")
        let missing = try respond(["input": .array([user] + items), "tools": [Self.tool]])
        #expect(missing.error["param"] == "input/2")
        let stranger = try respond(["input": [user, result]])
        #expect(stranger.error["param"] == "input/1/call_id")
    }

    @Test func inputIsAChat() throws {
        let plain = try tokens()
        #expect(try tokens(["input": [["role": "user", "content": "abc"]]]) == plain)
        #expect(try tokens(["input": [["type": "message", "role": "user", "content": [["type": "input_text", "text": "a"], ["type": "input_text", "text": "bc"]]]]]) == plain)
        #expect(try tokens(["instructions": "x"]) == tokens(["input": [["role": "developer", "content": "x"], ["role": "user", "content": "abc"]]]))
        #expect(try tokens(["tools": [Self.tool]]) > plain)
    }

    @Test(arguments: [
        ("store", true), ("previous_response_id", "resp_1"), ("conversation", "conv_1"), ("background", true), ("input", [["type": "item_reference", "id": "x"]]),
    ] as [(String, JSONValue)])
    func nothingIsStored(_ key: String, _ value: JSONValue) throws {
        let answer = try respond([key: value])
        #expect(answer.status == 400 && answer.error["param"]?.stringValue?.hasPrefix(key) == true)
        #expect(answer.error["message"]?.stringValue?.contains("this server stores n") == true, "\(answer.json.serialized())")
    }

    @Test(arguments: [
        ("input", nil), ("input", []), ("input", 5), ("input/0/role", [["role": "robot", "content": "x"]]), ("input/0/type", [["type": "computer_call"]]),
        ("input/0/content/0/type", [["role": "user", "content": [["type": "input_image", "image_url": "x"]]]]),
        ("input/1/arguments", [["role": "user", "content": "x"], ["type": "function_call", "call_id": "1", "name": "f", "arguments": "{"]]),
        ("input/0/encrypted_content", [["type": "reasoning", "summary": [], "encrypted_content": "x"]]), ("max_output_tokens", -1),
        ("tools/0/type", [["type": "web_search"]]), ("tools/0/name", [["type": "function", "name": "a b"]]), ("tools/0/name", [["type": "function"]]),
        ("tools/0/parameters/properties/a/not", [["type": "function", "name": "f", "strict": true, "parameters": ["type": "object", "properties": ["a": ["not": [:]]]]]]),
        ("tool_choice/type", ["type": "file_search"]), ("text/format/type", ["format": ["type": "xml"]]),
        ("text/format/schema/not", ["format": ["type": "json_schema", "name": "n", "schema": ["not": [:]]]]), ("text/verbosity", ["verbosity": "low"]),
        ("reasoning/effort", ["effort": "vast"]), ("reasoning/summary", ["summary": "concise"]), ("include", ["message.output_text.logprobs"]),
        ("truncation", "auto"), ("top_logprobs", 3), ("max_tokens", 5), ("frobnicate", 1),
    ] as [(String, JSONValue)])
    func badFieldsAreNamed(_ place: String, _ value: JSONValue) throws {
        let answer = try respond([String(place.split(separator: "/")[0]): value])
        #expect(answer.status == 400)
        #expect(answer.error["param"]?.stringValue?.hasPrefix(place) == true, "\(answer.json.serialized())")
        #expect(answer.error["message"]?.stringValue?.contains(place) == true, "\(answer.json.serialized())")
        #expect(answer.error["type"] == "invalid_request_error")
    }

    @Test func leavingCancels() throws {
        let connection = try UnixConnection(daemon.socket)
        let body = #"{"input":"abc","max_output_tokens":480,"ignore_eos":true,"stream":true}"#
        try connection.send(Array(
            "POST /v1/responses HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
        _ = try connection.readSome()
        connection.close()
        #expect(daemon.waitForLog("client left"))
        #expect(try respond().status == 200)
    }
}
