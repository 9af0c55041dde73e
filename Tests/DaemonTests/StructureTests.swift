// Constrained answers, tools and the schema check, through the socket. The model's weights are random: what is well-formed here is
// well-formed by construction.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct StructureTests {
    private let daemon: TestDaemon

    init() throws { daemon = try TestDaemon(arguments: ["--context", "512"]) }

    private static let schema: JSONValue = [
        "type": "object",
        "properties": [
            "color": ["enum": ["red", "green"]], "count": ["type": "integer", "minimum": 1, "maximum": 99],
            "flags": ["type": "array", "items": ["type": "boolean"], "maxItems": 3],
        ],
        "required": ["color", "count"], "additionalProperties": false,
    ]

    private func chat(_ changes: [String: JSONValue]) throws -> HTTPAnswer {
        var body = JSONObject([
            .init(key: "messages", value: [["role": "user", "content": "abc"]]), .init(key: "max_tokens", value: 120),
            .init(key: "temperature", value: 1), .init(key: "seed", value: 5),
        ])
        for (key, value) in changes { body[key] = value }
        return try daemon.request("POST", "/v1/chat/completions", .object(body))
    }

    private func content(_ answer: HTTPAnswer) throws -> String {
        let choice = try #require(answer.json["choices"]?.arrayValue?.first, "\(answer.json.serialized())")
        return try #require(choice["message"]?["content"]?.stringValue)
    }

    private func format(_ schema: JSONValue) -> JSONValue {
        ["type": "json_schema", "json_schema": ["name": "answer", "strict": true, "schema": schema]]
    }

    @Test func schemasHoldForEverySeed() throws {
        for seed in 0..<8 as Range<Int64> {
            let answer = try chat(["response_format": format(Self.schema), "seed": .int(seed)])
            let value = try JSONValue(parsing: Array(try content(answer).utf8))
            #expect(["red", "green"].contains(value["color"]?.stringValue ?? ""))
            #expect((1...99).contains(value["count"]?.intValue ?? 0))
            #expect(answer.json["choices"]?.arrayValue?.first?["finish_reason"] == "stop")
        }
    }

    @Test func streamsHoldTheSameAnswer() throws {
        let whole = try content(try chat(["response_format": format(Self.schema)]))
        let stream = try chat(["response_format": format(Self.schema), "stream": true])
        var text = ""
        for event in stream.events.dropLast() {
            let delta = try JSONValue(parsing: Array(event.utf8))["choices"]?.arrayValue?.first?["delta"]
            text += delta?["content"]?.stringValue ?? ""
        }
        #expect(text == whole)
    }

    @Test(arguments: [
        ("structured_outputs", ["regex": "[0-9]{3}-[a-f]{2}"], "[0-9]{3}-[a-f]{2}"), ("structured_outputs", ["choice": ["yes", "no"]], "yes|no"),
        ("guided_choice", ["yes", "no"], "yes|no"), ("grammar", "root ::= \"<\" [a-c]{1,9} \">\"\n", "<[a-c]{1,9}>"),
        ("structured_outputs", ["grammar": "root ::= (\"ab\" | \"c\"){2}"], "(ab|c){2}"),
    ] as [(String, JSONValue, String)])
    func otherConstraints(_ field: String, _ value: JSONValue, _ shape: String) throws {
        let text = try content(try chat([field: value]))
        #expect(try Regex(shape).wholeMatch(in: text) != nil, "\(text)")
        let body: JSONValue = .object(JSONObject([
            .init(key: "prompt", value: "abc"), .init(key: "max_tokens", value: 60), .init(key: field, value: value),
        ]))
        let plain = try daemon.request("POST", "/v1/completions", body).json["choices"]?.arrayValue?.first?["text"]?.stringValue
        #expect(try Regex(shape).wholeMatch(in: plain ?? "") != nil)
    }

    @Test func unenforceableSchemasAreRefused() throws {
        let answer = try chat(["response_format": format(["type": "object", "properties": ["a": ["not": [:]]]])])
        #expect(answer.status == 400)
        #expect(answer.error["param"] == "response_format/json_schema/schema/properties/a/not")
        #expect(try chat(["response_format": format(Self.schema), "grammar": "root ::= \"a\""]).status == 400)
        #expect(try chat([:]).status == 200)
    }

    @Test func toolsNeedATemplateThatShowsThem() throws {
        let answer = try chat(["tools": [["type": "function", "function": ["name": "f"]]]])
        #expect(answer.status == 400)
        #expect(answer.error["param"] == "tools")
    }

    @Test func schemaCheckListsEverything() throws {
        let good = try daemon.request("POST", "/v1/schema/check", ["schema": Self.schema])
        #expect(good.json["valid"] == true && (good.json["states"]?.intValue ?? 0) > 10)
        let bad = try daemon.request("POST", "/v1/schema/check", ["schema": ["not": [:], "if": [:], "type": "string"]])
        #expect(bad.status == 200 && bad.json["valid"] == false)
        #expect(bad.json["problems"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue }.sorted() == ["/if", "/not"])
        #expect(bad.json["enforced"] == ["/type"])
    }
}
