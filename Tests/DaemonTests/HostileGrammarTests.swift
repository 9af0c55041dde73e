// Constraints that are wrong or mean harm, through the socket: each is refused with its place or kept within its budget, and whoever is
// being answered meanwhile gets the same answer as ever.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct HostileGrammarTests {
    private let daemon: TestDaemon

    init() throws { daemon = try TestDaemon(arguments: ["--context", "512"]) }

    private func ask(_ field: String, _ value: JSONValue, _ changes: [String: JSONValue] = [:]) throws -> HTTPAnswer {
        var body = JSONObject([
            .init(key: "messages", value: [["role": "user", "content": "abc"]]), .init(key: "max_tokens", value: 8),
            .init(key: field, value: value),
        ])
        for (key, value) in changes { body[key] = value }
        return try daemon.request("POST", "/v1/chat/completions", .object(body))
    }

    private static func json(_ text: String) -> JSONValue { (try? JSONValue(parsing: Array(text.utf8))) ?? .null }

    /// A constraint and what the refusal must say: the field at fault, and a part of the reason.
    struct Case: Sendable, CustomTestStringConvertible {
        let row: String
        let field: String
        let value: JSONValue
        let param: String
        let reason: String
        var testDescription: String { "\(row) \(field) \(value.serialized().prefix(60))" }

        init(_ row: String, regex: String, _ reason: String) {
            (self.row, self.param, self.reason) = (row, "grammar", reason)
            (field, value) = ("structured_outputs", ["regex": .string(regex)])
        }

        init(_ row: String, grammar: String, _ reason: String) {
            (self.row, self.param, self.reason) = (row, "grammar", reason)
            (field, value) = ("grammar", .string(grammar))
        }

        init(_ row: String, schema: String, _ param: String, _ reason: String = "") {
            (self.row, self.reason) = (row, reason)
            self.param = "json_schema" + param
            (field, value) = ("json_schema", HostileGrammarTests.json(schema))
        }
    }

    private static func many(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }
    private static func list(_ count: Int, _ item: (Int) -> String) -> String { (0..<count).map(item).joined(separator: ",") }

    static let regexes = [
        Case("G01", regex: many("(", 60_000), "nesting deeper than 256 at byte"),
        Case("G01", regex: many("(", 257) + many(")", 257), "nesting deeper than 256 at byte"),
        Case("G03", regex: "((a?){2000}){2000}", "more than 100000 states"),
        Case("G03", regex: "a{5,2}", "at byte 1"),
        Case("G03", regex: "a{0,2147483647}", "at byte 1"),
        Case("G04", regex: "{2}x", "at byte 0"),
        Case("G04", regex: "(?<=a)b", "at byte 0"),
        Case("G04", regex: "\\p{Foo}", "at byte 0"),
        Case("G04", regex: "a)", "at byte 1"),
    ]

    static let grammars = [
        Case("G01", grammar: "root ::= " + many("(", 60_000), "nesting deeper than 256 at byte"),
        Case("G02", grammar: (0..<5_000).map { "\($0 == 0 ? "root" : "r\($0)") ::= \"(\" r\($0 + 1)" }.joined(separator: "\n"), "'r5000' is not defined"),
        Case("G02", grammar: "root ::= a\na ::= b \"x\" | \"y\"\nb ::= a", "calls itself before it consumes anything"),
        Case("G02", grammar: "root ::= \"x\"\nspare ::= \"y\"", "'spare' cannot be reached"),
        Case("G02", grammar: "", "no rule 'root'"),
        Case("G02", grammar: "rot ::= \"x\"", "no rule 'root'"),
        Case("G02", grammar: "root ::= \"(\" root", "no text satisfies"),
        Case("G03", grammar: "root ::= ((\"a\"?){2000}){2000}", "more than 100000 states"),
        Case("G03", grammar: "root ::= \"a\"{0,2147483647}", "at byte"),
        Case("G03", grammar: "root ::= \"a\"{5,2}", "wrong order"),
    ]

    static let schemas = [
        Case("G03", schema: #"{"type": "string", "pattern": "(a|b)*a(a|b){30}"}"#, ""),
        Case("G04", schema: #"{"properties": {"p": {"type": "string", "pattern": "^+[a-z]$"}}}"#, "/properties/p/pattern", "at byte 1"),
        Case("G04", schema: #"{"type": "string", "pattern": "[z-a]"}"#, "/pattern", "at byte 2"),
        Case("G05", schema: #"{"type": "foo"}"#, "/type"), Case("G05", schema: #"{"type": []}"#, "/type"),
        Case("G05", schema: #"{"enum": []}"#, "/enum"), Case("G05", schema: #"{"type": "number", "multipleOf": 0}"#, "/multipleOf"),
        Case("G05", schema: #"{"type": "array", "minItems": 3, "maxItems": 2}"#, "/minItems"),
        Case("G05", schema: "{\"const\": \"\(many("a", 1 << 20))\"}", "", "more than 100000 states"),
        Case("G06", schema: ##"{"$ref": "#"}"##, ""), Case("G06", schema: ##"{"$ref": "#/a/b/c"}"##, "/$ref"),
        Case("G06", schema: ##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}"##, ""),
        Case("G06", schema: #"{"$ref": "http://example.org/s"}"#, "/$ref"), Case("G06", schema: #"{"$ref": "file:///etc/passwd"}"#, "/$ref"),
        Case("G07", schema: "{\"allOf\": [\(many("{\"anyOf\": [{\"type\": \"integer\"}, {\"type\": \"string\"}, {\"minLength\": 2}]},", 40))true]}", ""),
        Case("G08", schema: #"{"not": {}, "if": {}, "then": {}, "properties": {"a": {"dependentSchemas": {}}}}"#, "/not", "/properties/a/dependentSchemas"),
    ]

    @Test(arguments: regexes + grammars + schemas) func hostileConstraintsAreRefused(_ item: Case) throws {
        let answer = try ask(item.field, item.value)
        #expect(answer.status == 400, "\(answer.json.serialized().prefix(300))")
        let (param, message) = (answer.error["param"]?.stringValue ?? "", answer.error["message"]?.stringValue ?? "")
        #expect(param.hasPrefix(item.param), "\(param): \(message)")
        #expect(item.reason.isEmpty || message.contains(item.reason), "\(message)")
        #expect(message.utf8.count < 1_024)
        if message.contains("states") || message.contains("nesting") || message.contains("took longer") {
            #expect(answer.error["code"] == "grammar_too_complex", "\(answer.json.serialized())")
        }
    }

    /// Large or odd, and all the same a constraint.
    @Test(arguments: [
        ("G03", ["regex": "((a)*)*b"], "a*b"),
        ("G06", ["json": ["$ref": "#/$defs/n", "$defs": ["n": ["anyOf": [["const": 1], ["type": "array", "items": ["$ref": "#/$defs/n"], "minItems": 1, "maxItems": 1]]]]]], #"\[*\s*1\s*\]*"#),
        ("G07", ["json": json("{\"anyOf\": [\(list(3_000) { "{\"const\": \($0)}" })]}")], "[0-9]{1,4}"),
        ("G07", ["json": json("{\"type\": \"object\", \"properties\": {\(list(20) { "\"p\($0)\": {\"const\": 1}" })}, \"additionalProperties\": false}")], #"\{[\s\S]*\}"#),
        ("G13", ["json": json(#"{"type": "object", "properties": {"k\"\\😀\u0001": {"const": "\u0000"}}, "required": ["k\"\\😀\u0001"], "additionalProperties": false}"#)], #"\{[\s\S]*\}"#),
    ] as [(String, JSONValue, String)])
    func oddConstraintsHold(_ row: String, _ value: JSONValue, _ shape: String) throws {
        for seed in 0..<3 as Range<Int64> {
            let answer = try ask("structured_outputs", value, ["max_tokens": 400, "temperature": 1, "seed": .int(seed)])
            let text = answer.json["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue
            #expect(answer.status == 200, "\(answer.json.serialized().prefix(300))")
            #expect(try Regex(shape).wholeMatch(in: text ?? "") != nil || answer.json["choices"]?.arrayValue?.first?["finish_reason"] == "length", "\(text ?? "")")
            if row == "G13" { #expect(throws: Never.self) { try JSONValue(parsing: Array((text ?? "").utf8)) } }
        }
    }

    @Test func documentsThatAreNoJSONNeverBecomeConstraints() throws {
        let twice = #"{"messages":[{"role":"user","content":"x"}],"json_schema":{"type":"object","type":"string"}}"#
        #expect(try daemon.request("POST", "/v1/chat/completions", bytes: Array(twice.utf8)).error["code"] == "invalid_json")
        let deep = #"{"messages":[{"role":"user","content":"x"}],"json_schema":"# + Self.many(#"{"items":"#, 70) + "{}" + Self.many("}", 71)
        #expect(try daemon.request("POST", "/v1/chat/completions", bytes: Array(deep.utf8)).error["code"] == "invalid_json")
    }

    /// Each of these takes long to compile and is unlike the others.
    private static func heavy(_ index: Int) -> JSONValue { ["regex": .string("x\(index)(a|b)*a(a|b){\(14 + index % 4)}")] }

    private static func stream(_ daemon: TestDaemon) throws -> String {
        let body: JSONValue = [
            "messages": [["role": "user", "content": "tell"]], "max_tokens": 300, "ignore_eos": true, "temperature": 1, "seed": 4, "stream": true,
        ]
        return try daemon.request("POST", "/v1/chat/completions", body).events.dropLast().map {
            try JSONValue(parsing: Array($0.utf8))["choices"]?.arrayValue?.first?["delta"]?["content"]?.stringValue ?? ""
        }.joined()
    }

    /// G10: whatever is compiled, streams go on and say what they would have said; who gives up waiting stops the work.
    @Test func compilingDisturbsNobody() throws {
        let expected = try Self.stream(daemon)
        #expect(!expected.isEmpty)
        var waiting: [UnixConnection] = []
        for index in 0..<64 {
            let connection = try UnixConnection(daemon.socket)
            let body: JSONValue = ["messages": [["role": "user", "content": "x"]], "max_tokens": 1, "structured_outputs": Self.heavy(index)]
            let bytes = Array(body.serialized().utf8)
            try connection.send(Array("POST /v1/chat/completions HTTP/1.1\r\nHost: q\r\nContent-Type: application/json\r\nContent-Length: \(bytes.count)\r\n\r\n".utf8) + bytes)
            waiting.append(connection)
        }
        for _ in 0..<3 { #expect(try Self.stream(daemon) == expected) }
        #expect(try daemon.request("GET", "/health").status == 200)
        // Those who leave are forgotten: a small constraint does not wait for what they asked.
        for connection in waiting { connection.close() }
        let answer = try ask("structured_outputs", ["choice": ["yes", "no"]])
        #expect(answer.status == 200)
        #expect(try Self.stream(daemon) == expected)
    }
}
