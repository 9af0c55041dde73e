// run and map with a constraint: what comes out satisfies it, or the command says that it does not. The model's weights are random.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct AnswerShapeTests {
    private let folder: TemporaryFolder
    private let model = ["-m", QuernBinary.tinyChat, "--local", "--threads", "1", "--seed", "3", "--temperature", "1"]

    private static let schema = #"""
        {"type": "object", "properties": {"color": {"enum": ["red", "green"]}, "count": {"type": "integer", "minimum": 1, "maximum": 99}},
         "required": ["color", "count"], "additionalProperties": false}
        """#

    init() throws { folder = try TemporaryFolder() }

    private func quern(_ arguments: [String], _ input: String = "") throws -> QuernBinary.Result {
        try QuernBinary.run(arguments, input: Array(input.utf8))
    }

    private func check(_ text: some StringProtocol) throws {
        let value = try JSONValue(parsing: Array(text.utf8))
        #expect(["red", "green"].contains(value["color"]?.stringValue ?? ""), "\(text)")
        #expect((1...99).contains(value["count"]?.intValue ?? 0), "\(text)")
    }

    @Test func runAnswersWithTheSchema() throws {
        let file = try folder.write("answer.json", Array(Self.schema.utf8))
        for extra in [[], ["--raw"]] {
            let result = try quern(["run", "--schema", file, "--max-tokens", "120", "hello"] + extra + model)
            #expect(result.status == 0, "\(result.error)")
            try check(result.text)
        }
        let whole = try quern(["run", "--json", "--schema", file, "--max-tokens", "120", "hello"] + model)
        try check(try JSONValue(parsing: whole.output)["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue ?? "")
    }

    @Test func mapWritesOneDocumentPerLine() throws {
        let file = try folder.write("answer.json", Array(Self.schema.utf8))
        let records = (0..<12).map { "word\($0)" }.joined(separator: "\n")
        let result = try quern(["map", "--schema", file, "--max-tokens", "120", "About {}"] + model, records)
        #expect(result.status == 0, "\(result.error)")
        let lines = result.text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        #expect(lines.count == 12)
        for line in lines { try check(line) }
    }

    @Test func otherConstraintsHold() throws {
        let grammar = try folder.write("list.gbnf", Array("root ::= \"<\" [a-c]{1,9} \">\"\n".utf8))
        let regex = try quern(["run", "--regex", "[0-9]{3}-[a-f]{2}", "hello"] + model)
        #expect(regex.text.wholeMatch(of: /[0-9]{3}-[a-f]{2}\n/) != nil, "\(regex.text) \(regex.error)")
        let listed = try quern(["run", "--grammar", grammar, "hello"] + model)
        #expect(listed.text.wholeMatch(of: /<[a-c]{1,9}>\n/) != nil, "\(listed.text) \(listed.error)")
        let chosen = try quern(["map", "--choice", "good", "--choice", "bad news", "{}"] + model, "one\ntwo\nthree\n")
        #expect(chosen.status == 0, "\(chosen.error)")
        #expect(chosen.text.wholeMatch(of: /((good|bad news)\n){3}/) != nil, "\(chosen.text)")
    }

    /// An answer that did not come to its end is no document, and is not passed off as one.
    @Test func aCutAnswerFails() throws {
        let file = try folder.write("answer.json", Array(Self.schema.utf8))
        for json in [[], ["--json"]] {
            let result = try quern(["run", "--schema", file, "--max-tokens", "1", "hello"] + json + model)
            #expect(result.status == 1)
            #expect(result.error.contains("before it satisfied \(file)") && result.error.contains("--max-tokens"), "\(result.error)")
        }
        let mapped = try quern(["map", "--schema", file, "--max-tokens", "1", "{}"] + model, "one\n")
        #expect(mapped.status == 3)
        #expect(mapped.text == "\n")
        #expect(mapped.error.contains("record 1") && mapped.error.contains(file))
    }

    @Test(arguments: [
        ("--schema", #"{"type": "object", "properties": {"a": {"not": {}}}}"#, ["/properties/a/not", "quern schema check"]),
        ("--schema", #"{"type": "string", "pattern": "[z-a]"}"#, ["/pattern", "at byte 2"]), ("--schema", "{\"type\": ", ["is not JSON"]),
        ("--grammar", "root ::= a", ["'a' is not defined"]), ("--grammar", "", ["root"]),
    ])
    func refusalsNameFilePlaceAndRemedy(_ option: String, _ text: String, _ parts: [String]) throws {
        let file = try folder.write("constraint", Array(text.utf8))
        for command in [["run", "hello"], ["map", "{}"]] {
            // No model is there: the constraint is looked at first.
            let result = try quern(command + [option, file, "-m", "/nonexistent", "--local"])
            #expect(result.status == 65, "\(result.error)")
            for part in parts + [file] { #expect(result.error.contains(part), "\(result.error)") }
        }
    }

    @Test func impossibleOptionsAreRefused() throws {
        #expect(try quern(["run", "--schema", "/nonexistent.json", "x"]).status == 66)
        #expect(try quern(["run", "--regex", "(", "x"]).status == 65)
        let two = try quern(["run", "--regex", "a", "--choice", "b", "x"])
        #expect(two.status == 2 && two.error.contains("--regex and --choice exclude each other"), "\(two.error)")
    }
}
