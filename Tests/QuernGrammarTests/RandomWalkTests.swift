// Text drawn at random through the masks: whatever is drawn is accepted, ends, and is valid JSON of its schema.
//
// The judge of validity is Python's jsonschema: set QUERN_PYTHON to an interpreter that has it, or those tests are skipped.
import Foundation
import QuernGrammar
import QuernJSON
import QuernTokenizer
import TestSupport
import Testing

@Suite struct RandomWalkTests {
    /// Bytes and the short strings that JSON is full of, so that tokens cross the ends of rules.
    static let small: Vocabulary = {
        let pieces = [
            "{\"", "\": ", "\":", ", \"", "\", \"", "\"}", "\"}}", "\": \"", "\": [", "]}", "}]", "[]", "{}", "\"]", "true", "false", "null",
            ", ", "\n", "\n  ", "\n    ", "10", "12", "0.", ".5", "-1", "e+", "\\\"", "\\n", "\\u00", "ab", "name", "\"name\"", "id", "漢", "é\"",
            "the ", " of", "\",\n", "},\n", "[{\"", "\"a", "1,", "1}", "\\", "\"\"", "2024-", "@example", ".org", "-4",
        ]
        return Vocabulary((0..<256).map { [UInt8($0)] } + pieces.map { Array($0.utf8) })
    }()

    static func vocabulary(of folder: String) throws -> Vocabulary {
        let definition = try TokenizerDefinition(tokenizerJSON: try SharedData.bytes("\(folder)/tokenizer.json"))
        return Vocabulary(definition.tokens.indices.map { index in
            [.normal, .added].contains(definition.kinds[index]) ? [UInt8](definition.tokens[index]) : nil
        })
    }

    /// One text, or nil when it became too long.
    static func walk(_ grammar: CompiledGrammar, _ random: inout some RandomNumberGenerator) -> [UInt8]? {
        var matcher = GrammarMatcher(grammar)
        var mask = TokenMask(tokenCount: grammar.vocabulary.tokenCount)
        var text: [UInt8] = []
        let closers = ["\"", "}", "]"].map { Array($0.utf8) }
        for step in 0..<1_500 {
            if matcher.isExhausted || (matcher.isComplete && (step > 40 || Int.random(in: 0..<4, using: &random) == 0)) { return text }
            for token in matcher.forcedTokens(limit: 64) {
                text += grammar.vocabulary.text(of: token)
                guard matcher.accept(token) else { return nil }
            }
            matcher.fill(&mask)
            var choices = (0..<Int32(mask.tokenCount)).filter { mask[$0] }
            if step > 40 {
                let ends = choices.filter { closers.contains(grammar.vocabulary.text(of: $0)) }
                if !ends.isEmpty { choices = ends }
            }
            guard let token = choices.randomElement(using: &random), matcher.accept(token) else {
                if matcher.isExhausted { return text }
                return nil
            }
            text += grammar.vocabulary.text(of: token)
        }
        return nil
    }

    @Test(arguments: SchemaTests.cases) func everyWalkEndsInJSON(_ item: SchemaTests.Case) throws {
        let grammar = try CompiledGrammar.compile(try .schema(item.schema), vocabulary: Self.small)
        var random = SeededRandom(seed: 1)
        var finished = 0
        for _ in 0..<30 {
            guard let text = Self.walk(grammar, &random) else { continue }      // a search may wander for long
            finished += 1
            do {
                _ = try JSONValue(parsing: text)
            } catch {
                // No automaton can keep names apart that no schema lists; every other fault is one.
                #expect(error.reason.hasPrefix("duplicate key"), "\(error): \(String(decoding: text, as: UTF8.self))")
            }
        }
        #expect(finished >= 15)
    }

    /// The mask against its definition, token by token.
    @Test(arguments: [
        #"{"type": "object", "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 6}}, "n": {"type": "number"}}}"#,
        #"{"type": "object", "properties": {"d": {"format": "date"}, "x": {}}, "required": ["d", "x"]}"#,
        #"{"anyOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"type": "object", "additionalProperties": {"type": "integer"}}]}"#,
    ])
    func masksHoldExactlyWhatIsAccepted(_ schema: String) throws {
        let value = try JSONValue(parsing: Array(schema.utf8))
        for spacing in [JSONSpacing.fixed, .flexible] {
            let grammar = try CompiledGrammar.compile(.schema(value, spacing: spacing, pointer: ""), vocabulary: Self.small)
            var random = SeededRandom(seed: 5)
            for _ in 0..<20 {
                var matcher = GrammarMatcher(grammar)
                var mask = TokenMask(tokenCount: grammar.vocabulary.tokenCount)
                for _ in 0..<40 {
                    matcher.fill(&mask)
                    for token in 0..<Int32(mask.tokenCount) {
                        var probe = matcher
                        let isAccepted = probe.accept(token)
                        #expect(mask[token] == isAccepted, "token \(token)")
                    }
                    let choices = (0..<Int32(mask.tokenCount)).filter { mask[$0] }
                    guard let token = choices.randomElement(using: &random) else { break }
                    let moved = matcher.accept(token)
                    #expect(moved)
                }
            }
        }
    }

    @Test func forcedTokensAreTheOnlyOnes() throws {
        let grammar = try CompiledGrammar.compile(
            try .schema(#"{"type": "object", "properties": {"name": {"const": "id"}}, "required": ["name"]}"#), vocabulary: Self.small)
        var matcher = GrammarMatcher(grammar)
        let forced = matcher.forcedTokens(limit: 100)
        #expect(String(decoding: forced.flatMap { grammar.vocabulary.text(of: $0) }, as: UTF8.self) == #"{"name": "id"}"#)
        for token in forced {
            let moved = matcher.accept(token)
            #expect(moved)
        }
        #expect(matcher.isComplete && matcher.isExhausted)
    }

    static let python = ProcessInfo.processInfo.environment["QUERN_PYTHON"]
    static let hasJudge = python != nil && SharedData.has("tokenizers/qwen2.5/tokenizer.json")

    @Test(.enabled(if: hasJudge, "needs QUERN_PYTHON with jsonschema, and tokenizers/qwen2.5 of QUERN_SHARED"))
    func aThousandAnswersValidateInPython() throws {
        let vocabulary = try Self.vocabulary(of: "tokenizers/qwen2.5")
        var random = SeededRandom(seed: 11)
        var lines: [String] = []
        var unfinished = 0
        let schemas = try SchemaTests.cases.map { try JSONValue(parsing: Array($0.schema.utf8)) } + BFCL.schemas(limit: 400)
        for (index, schema) in schemas.enumerated() {
            let spacing: JSONSpacing = index % 2 == 0 ? .fixed : .flexible
            let grammar = try CompiledGrammar.compile(.schema(schema, spacing: spacing, pointer: ""), vocabulary: vocabulary)
            for _ in 0..<3 {
                guard let text = Self.walk(grammar, &random) else {
                    unfinished += 1
                    continue
                }
                let sample: JSONValue = .object(JSONObject([
                    JSONObject.Member(key: "schema", value: schema),
                    JSONObject.Member(key: "text", value: .string(String(decoding: text, as: UTF8.self))),
                ]))
                lines.append(sample.serialized())
            }
        }
        #expect(lines.count >= 1_000)
        #expect(unfinished * 20 < lines.count, "\(unfinished) walks did not end")
        let folder = try TemporaryFolder()
        let path = try folder.write("samples.jsonl", Array(lines.joined(separator: "\n").utf8))
        let process = Process()
        process.executableURL = URL(filePath: try #require(Self.python))
        process.arguments = [SharedData.repository.appending(path: "scripts/golden/validate_samples.py").path, path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        process.waitForEnd()
        #expect(process.terminationStatus == 0, "\(String(decoding: said, as: UTF8.self))")
    }
}

/// A linear congruential generator: the same walks in every run.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}
