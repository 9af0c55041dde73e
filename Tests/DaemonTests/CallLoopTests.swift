// A model that calls in circles, through the socket: the answer ends by itself in every API, whole and streamed.
//
// The one tool takes no arguments, so that every call equals the first, and nothing but another call may follow a call.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct CallLoopTests {
    private let daemon: TestDaemon

    init() throws {
        let folder = try TemporaryFolder()
        daemon = try TestDaemon(model: try TalkingModel.write(into: folder), arguments: ["--context", "512"], folder: folder)
    }

    private static let schema: JSONValue = ["type": "object", "properties": [:], "additionalProperties": false]
    private static let function: JSONValue = ["type": "function", "function": ["name": "ping", "parameters": schema]]

    /// An answer that may be as long as the context, which has room for many calls.
    private func ask(_ path: String, _ fields: [String: JSONValue]) throws -> HTTPAnswer {
        var body = JSONObject([.init(key: "temperature", value: 0), .init(key: "ignore_eos", value: true)])
        for (key, value) in fields { body[key] = value }
        let answer = try daemon.request("POST", path, .object(body))
        #expect(answer.status == 200, "\(answer.json.serialized())")
        return answer
    }

    private static let messages: JSONValue = [["role": "user", "content": "abc"]]

    private func chat(_ fields: [String: JSONValue] = [:]) throws -> HTTPAnswer {
        let own: [String: JSONValue] = [
            "messages": Self.messages, "tools": [Self.function], "tool_choice": "required", "max_tokens": 400,
            "chat_template_kwargs": ["enable_thinking": false],
        ]
        return try ask("/v1/chat/completions", own.merging(fields) { $1 })
    }

    private func choice(_ answer: HTTPAnswer) throws -> (names: [String], reason: String?, tokens: Int) {
        let choice = try #require(answer.json["choices"]?.arrayValue?.first)
        let calls = choice["message"]?["tool_calls"]?.arrayValue ?? []
        #expect(calls.allSatisfy { $0["function"]?["arguments"] == "{}" })
        return (
            calls.compactMap { $0["function"]?["name"]?.stringValue }, choice["finish_reason"]?.stringValue,
            Int(answer.json["usage"]?["completion_tokens"]?.intValue ?? 0))
    }

    @Test func chatsEnd() throws {
        let answer = try choice(try chat())
        #expect(answer.names == ["ping"] && answer.reason == "tool_calls")
        // Three calls, and not as many as the limit allows.
        let pair = try choice(try chat(["max_tokens": .int(Int64(answer.tokens - 1))]))
        #expect(pair.names == ["ping", "ping"] && pair.reason == "length" && pair.tokens == answer.tokens - 1)
        let exact = try choice(try chat(["max_tokens": .int(Int64(answer.tokens))]))
        #expect(exact.names == ["ping"] && exact.reason == "tool_calls" && exact.tokens == answer.tokens)
        #expect(answer.tokens < 400)
    }

    @Test func everyChoiceOfAChatEnds() throws {
        let choices = try chat(["n": 3]).json["choices"]?.arrayValue ?? []
        #expect(choices.map { $0["finish_reason"] } == ["tool_calls", "tool_calls", "tool_calls"])
        #expect(choices.allSatisfy { $0["message"]?["tool_calls"]?.arrayValue?.count == 1 })
    }

    /// Tokens that were generated are told even where their text is held back.
    @Test func streamsEndAndTellEveryToken() throws {
        let whole = try choice(try chat())
        for limit in [400, Int64(whole.tokens - 1)] {
            let stream = try chat(["stream": true, "return_tokens": true, "max_tokens": .int(limit)])
            let deltas = try stream.events.dropLast().compactMap { try JSONValue(parsing: Array($0.utf8))["choices"]?.arrayValue?.first }
            let names = deltas.flatMap { $0["delta"]?["tool_calls"]?.arrayValue ?? [] }.compactMap { $0["function"]?["name"]?.stringValue }
            #expect(names == (limit == 400 ? ["ping"] : ["ping", "ping"]))
            #expect(deltas.compactMap { $0["finish_reason"]?.stringValue } == [limit == 400 ? "tool_calls" : "length"])
            let tokens = deltas.reduce(0) { $0 + ($1["tokens"]?.arrayValue?.count ?? 0) }
            #expect(tokens == (limit == 400 ? whole.tokens : whole.tokens - 1))
        }
    }

    @Test func messagesEnd() throws {
        let fields: [String: JSONValue] = [
            "messages": Self.messages, "max_tokens": 400, "tools": [["name": "ping", "input_schema": Self.schema]],
            "tool_choice": ["type": "any"],
        ]
        let answer = try ask("/v1/messages", fields).json
        #expect(answer["content"]?.arrayValue?.map { $0["type"] } == ["tool_use"] && answer["stop_reason"] == "tool_use")
        let events = try ask("/v1/messages", fields.merging(["stream": true]) { $1 }).namedEvents()
        #expect(events.count { $0["type"] == "content_block_start" } == 1)
        #expect(events.first { $0["type"] == "message_delta" }?["delta"]?["stop_reason"] == "tool_use")
    }

    @Test func responsesEnd() throws {
        let fields: [String: JSONValue] = [
            "input": "abc", "max_output_tokens": 400, "tools": [["type": "function", "name": "ping", "parameters": Self.schema]],
            "tool_choice": "required", "reasoning": ["effort": "none"],
        ]
        let answer = try ask("/v1/responses", fields).json
        #expect(answer["output"]?.arrayValue?.map { $0["type"] } == ["function_call"] && answer["status"] == "completed")
        let events = try ask("/v1/responses", fields.merging(["stream": true]) { $1 }).namedEvents()
        #expect(events.count { $0["type"] == "response.output_item.done" } == 1)
        #expect(events.last?["type"] == "response.completed")
    }
}
