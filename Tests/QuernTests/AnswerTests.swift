// Tools and thinking as text: what may be written, how it is read, and that pieces do not matter.
import QuernGrammar
import QuernJSON
import Quern
import QuernTemplate
import QuernTokenizer
import TestSupport
import Testing

@Suite struct AnswerTests {
    private static let weather = #"""
        {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object",
         "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 9},
         "unit": {"enum": ["C", "F"]}, "tags": {"type": "array", "items": {"type": "string"}}, "note": {"type": ["string", "null"]}},
         "required": ["city"]}}}
        """#
    private static let ping = #"{"type": "function", "function": {"name": "net.ping"}}"#

    private func tools(_ choice: ToolChoice = .auto, parallel: Bool = true, _ definitions: [String] = [weather, ping]) throws -> ToolSet {
        try ToolSet(try definitions.map { try JSONValue(parsing: Array($0.utf8)) }, choice: choice, allowsParallelCalls: parallel)
    }

    private func allows(_ set: ToolSet, _ form: ToolForm, _ text: String) throws -> Bool {
        let grammar = try CompiledGrammar.compile(try set.grammar(form).grammar, vocabulary: Vocabulary((0..<256).map { [UInt8($0)] }))
        var matcher = GrammarMatcher(grammar)
        return matcher.accept(Array(text.utf8)) && matcher.isComplete
    }

    private func read(_ text: String, _ parser: AnswerParser, cuts: [Int] = []) -> StructuredAnswer {
        var parser = parser
        var answer = StructuredAnswer()
        let scalars = Array(text.unicodeScalars)
        var start = 0
        for end in cuts.sorted() + [scalars.count] where end > start {
            let piece = scalars[start..<end].reduce(into: "") { $0.unicodeScalars.append($1) }
            for event in parser.append(piece) { answer.append(event) }
            start = end
        }
        for event in parser.finish() { answer.append(event) }
        #expect(parser.raw == text)
        return answer
    }

    static let jsonCall = "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"K\\u00f6ln }\", \"days\": 3}}\n</tool_call>"
    static let jsonPing = "<tool_call>\n{\"name\": \"net.ping\", \"arguments\": {}}\n</tool_call>"
    static let xmlCall = "<tool_call>\n<function=get_weather>\n<parameter=city>\nKöln\n\"Süd\"\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
        + "<parameter=tags>\n[\"a\", \"b\"]\n</parameter>\n<parameter=note>\nnull\n</parameter>\n</function>\n</tool_call>"

    @Test func formsAreReadOffTheTemplates() throws {
        #expect(ToolForm(template: "{{ tools }} <tool_call>\n{\"name\": …}") == .json)
        #expect(ToolForm(template: "{{ tools }} <tool_call> <function=f> <parameter=p>") == .parameters)
        #expect(ToolForm(template: "{{ messages }}") == nil)
    }

    @Test(.enabled(if: SharedData.has("templates"), "needs templates/ of the shared data"), arguments: [
        ("Qwen-Qwen2.5-7B-Instruct", ToolForm.json), ("Qwen-Qwen3-0.6B", .json), ("Qwen3-4B-Thinking-2507", .json), ("Qwen-QwQ-32B", .json),
        ("Qwen3-Coder", .parameters), ("Qwen3.5-4B", .parameters), ("Qwen3.6", .parameters), ("SmolLM2-135M-Instruct", nil),
    ] as [(String, ToolForm?)])
    func publishedTemplatesAreRecognised(_ name: String, _ form: ToolForm?) throws {
        #expect(ToolForm(template: String(decoding: try SharedData.bytes("templates/\(name).jinja"), as: UTF8.self)) == form)
    }

    @Test func grammarAllowsWhatTheModelIsTaughtToWrite() throws {
        #expect(try allows(tools(), .json, Self.jsonCall))
        #expect(try allows(tools(), .json, "Let me see.\n" + Self.jsonCall + "\n" + Self.jsonPing))
        #expect(try allows(tools(), .json, "No call is needed: <tool_ is no tag."))
        #expect(try allows(tools(), .parameters, Self.xmlCall))
        #expect(try allows(tools(.named("net.ping")), .parameters, "<tool_call>\n<function=net.ping>\n</function>\n</tool_call>"))
    }

    @Test func grammarRefusesEverythingElse() throws {
        #expect(try !allows(tools(), .json, "<tool_call>\n{\"name\": \"other\", \"arguments\": {}}\n</tool_call>"))
        #expect(try !allows(tools(), .json, Self.jsonCall.replacing("\"days\": 3", with: "\"days\": 30")))
        #expect(try !allows(tools(), .json, "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {}}\n</tool_call>"))
        #expect(try !allows(tools(.required), .json, "text"))
        #expect(try !allows(tools(.named("net.ping")), .json, Self.jsonCall))
        #expect(try !allows(tools(parallel: false), .json, Self.jsonCall + "\n" + Self.jsonPing))
        #expect(try !allows(tools(), .parameters, Self.xmlCall.replacing("\n3\n", with: "\nthree\n")))
    }

    @Test func strictSchemasAreEnforcedOrRefused() throws {
        let loose = #"{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "not": {}}}}"#
        let result = try tools(.auto, [loose]).grammar(.json)
        #expect(result.warnings.map(\.pointer) == ["/tools/0/function/parameters/not"])
        #expect(try allows(tools(.auto, [loose]), .json, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"any\": [1]}}\n</tool_call>"))
        let strict = loose.replacing("\"name\"", with: "\"strict\": true, \"name\"")
        let error = #expect(throws: GrammarError.self) { try tools(.auto, [strict]).grammar(.json) }
        #expect(error?.pointer == "/tools/0/function/parameters/not")
    }

    @Test(arguments: [
        #"{"type": "function"}"#, #"{"type": "function", "function": {"name": "a b"}}"#, #"{"type": "function", "function": {"name": ""}}"#,
        #"{"type": "function", "function": {"name": "f\n"}}"#, #"{"type": "web_search"}"#, "3",
        #"{"type": "function", "function": {"name": "f", "parameters": []}}"#,
    ])
    func badToolsAreRefused(_ definition: String) {
        #expect(throws: RequestError.self) { try tools(.auto, [definition]) }
    }

    @Test func limitsAndNamesOfTools() throws {
        #expect(throws: RequestError.self) { try tools(.auto, [Self.ping, Self.ping]) }
        #expect(throws: RequestError.self) { try tools(.named("nobody")) }
        #expect(throws: RequestError.self) { try tools(.required, []) }
        let many = (0..<513).map { "{\"type\": \"function\", \"function\": {\"name\": \"f\($0)\"}}" }
        #expect(throws: RequestError.self) { try tools(.auto, many) }
    }

    @Test func callsBecomeNamesAndArguments() throws {
        let answer = read("Looking.\n" + Self.jsonCall + "\n" + Self.jsonPing, AnswerParser(thinking: .absent, tools: try tools(), form: .json))
        #expect(answer.content == "Looking.")
        #expect(answer.calls == [
            ToolCall(name: "get_weather", arguments: #"{"city": "K\u00f6ln }", "days": 3}"#), ToolCall(name: "net.ping", arguments: "{}"),
        ])
    }

    @Test func parametersBecomeJSON() throws {
        let answer = read(Self.xmlCall, AnswerParser(thinking: .absent, tools: try tools(), form: .parameters))
        #expect(answer.content == "")
        #expect(answer.calls == [
            ToolCall(name: "get_weather", arguments: #"{"city": "Köln\n\"Süd\"", "days": 3, "tags": ["a", "b"], "note": null}"#),
        ])
    }

    @Test func thinkingIsApart() {
        let opened = read("<think>\nHm.\n\n2+2\n</think>\n\nFour.\n", AnswerParser(thinking: .possible))
        #expect(opened.reasoning == "Hm.\n\n2+2" && opened.content == "Four.\n")
        let inside = read("Hm.\n</think>\n\nFour.", AnswerParser(thinking: .open))
        #expect(inside.reasoning == "Hm." && inside.content == "Four.")
        let none = read("\nno <think> here </think>\n", AnswerParser(thinking: .absent))
        #expect(none.reasoning == "" && none.content == "\nno <think> here </think>\n")
        let unopened = read("<thin air>", AnswerParser(thinking: .possible))
        #expect(unopened.content == "<thin air>")
        let unfinished = read("<think>\nforever", AnswerParser(thinking: .possible))
        #expect(unfinished.reasoning == "forever" && unfinished.content == "")
    }

    @Test func callsInsideThinkingAreThoughts() throws {
        let answer = read("maybe <tool_call>\n</think>\n" + Self.jsonPing, AnswerParser(thinking: .open, tools: try tools(), form: .json))
        #expect(answer.reasoning == "maybe <tool_call>")
        #expect(answer.calls.map(\.name) == ["net.ping"])
    }

    @Test(arguments: [ToolForm.json, .parameters]) func piecesDoNotMatter(_ form: ToolForm) throws {
        let call = form == .json ? Self.jsonCall + "\n" + Self.jsonPing : Self.xmlCall + "\n" + Self.xmlCall
        let text = "<think>\nSo…\n</think>\n\nI will <look>.\n\n" + call
        let parser = AnswerParser(thinking: .possible, tools: try tools(), form: form)
        let whole = read(text, parser)
        #expect(whole.calls.count == 2 && whole.content == "I will <look>." && whole.reasoning == "So…")
        let count = text.unicodeScalars.count
        #expect(read(text, parser, cuts: Array(1..<count)) == whole)
        for cut in 1..<count { #expect(read(text, parser, cuts: [cut]) == whole, "cut at \(cut)") }
    }

    /// Calls of `tag` with its argument for each letter of `letters`; their arguments share their beginnings.
    private func calls(_ letters: String, _ form: ToolForm) -> String {
        letters.map { letter in
            form == .json
                ? "<tool_call>\n{\"name\": \"tag\", \"arguments\": {\"text\": \"same \(letter)\"}}\n</tool_call>"
                : "<tool_call>\n<function=tag>\n<parameter=text>\nsame \(letter)\n</parameter>\n</function>\n</tool_call>"
        }.joined(separator: "\n")
    }

    private func tagParser(_ form: ToolForm) throws -> AnswerParser {
        let tag = #"{"type": "function", "function": {"name": "tag", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}}"#
        return AnswerParser(thinking: .absent, tools: try tools(.required, [tag, Self.ping]), form: form)
    }

    private func letters(_ answer: StructuredAnswer) -> String {
        answer.calls.map { $0.arguments.dropFirst(#"{"text": "same "#.utf8.count).prefix(1) }.joined()
    }

    @Test(arguments: [ToolForm.json, .parameters], [
        ("AA", "AA"), ("ABA", "ABA"), ("ABAC", "ABCA"), ("ABABC", "ABCAB"),                              // wanted
        ("AAA", "A"), ("ABABA", "AB"), ("ABABABABAB", "AB"), ("ABACA", "ABC"), ("ABBCCDB", "ABCD"),      // loops
    ])
    func theThirdEqualCallEndsTheAnswer(_ form: ToolForm, _ written: (calls: String, delivered: String)) throws {
        let text = calls(written.calls, form)
        let parser = try tagParser(form)
        let whole = read(text, parser)
        #expect(letters(whole) == written.delivered && whole.content.isEmpty)
        #expect(whole.calls.allSatisfy { (try? JSONValue(parsing: Array($0.arguments.utf8))) != nil })
        let count = text.unicodeScalars.count
        #expect(read(text, parser, cuts: Array(1..<count)) == whole)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<40 {
            let cuts = (0..<Int.random(in: 1...12, using: &random)).map { _ in Int.random(in: 1..<count, using: &random) }
            #expect(read(text, parser, cuts: cuts) == whole, "\(cuts)")
        }
    }

    @Test(arguments: [ToolForm.json, .parameters]) func copiesAreHeldUntilTheyDiverge(_ form: ToolForm) throws {
        var parser = try tagParser(form)
        var answer = StructuredAnswer()
        for scalar in calls("AB", form).unicodeScalars {
            let isAhead = scalar == "B"
            if isAhead { #expect(letters(answer) == "A") }
            for event in parser.append(String(scalar)) { answer.append(event) }
            // What was held back comes with the first difference.
            if isAhead { #expect(answer.calls.last?.arguments == #"{"text": "same B"#) }
        }
        for event in parser.append("\n" + calls("A", form)) { answer.append(event) }
        #expect(letters(answer) == "AB" && !parser.isLooping)
        for event in parser.append("\n" + calls("A", form) + "\n" + calls("C", form)) { answer.append(event) }
        #expect(parser.isLooping && parser.finish().isEmpty && letters(answer) == "AB")
        #expect(parser.raw == calls("ABAAC", form))
    }

    /// Of an answer that was cut off, a call's beginning is delivered if it is new, and then it is the last.
    @Test(arguments: [ToolForm.json, .parameters]) func cutOffCopiesAreNotDelivered(_ form: ToolForm) throws {
        let (twice, third) = (calls("ABA", form), "\n" + calls("B", form))
        let parser = try tagParser(form)
        for length in 1..<third.count {
            let answer = read(twice + third.prefix(length), parser)
            #expect(letters(answer) == "ABA", "\(length)")
        }
        let new = calls("C", form)
        let letter = try #require(new.firstIndex(of: "C"))
        let answer = read(twice + "\n" + new[...letter], parser)
        #expect(letters(answer) == "ABC" && answer.calls[2].arguments == #"{"text": "same C"#)
    }

    /// Names are compared too, and bytes: a letter and its canonical equivalent are two arguments.
    @Test func callsThatOnlyLookEqualAreDelivered() throws {
        let parser = try tagParser(.json)
        let spellings = ["é", "e\u{301}", "é", "e\u{301}"].map { calls("A", .json).replacing("A", with: $0) }
        let answer = read(spellings.joined(separator: "\n"), parser)
        #expect(answer.calls.map { Array($0.arguments.utf8).count } == [19, 20, 19, 20])
        let other = calls("A", .json).replacing("tag", with: "net.ping")
        let named = read(([calls("AA", .json), other, other]).joined(separator: "\n"), parser)
        #expect(named.calls.map(\.name) == ["tag", "net.ping", "tag", "net.ping"])
    }

    @Test func whatCannotBeReadIsNotLost() throws {
        var parser = AnswerParser(thinking: .absent, tools: try tools(), form: .json)
        var answer = StructuredAnswer()
        for event in parser.append("<tool_call>\n{\"nome\": 1}") + parser.finish() { answer.append(event) }
        #expect(answer.content.contains("nome"))
        #expect(parser.problem != nil)
    }

    @Test func cutOffCallsKeepWhatCame() throws {
        for form in [ToolForm.json, .parameters] {
            let text = form == .json ? Self.jsonCall : Self.xmlCall
            let answer = read(String(text.prefix(90)), AnswerParser(thinking: .absent, tools: try tools(), form: form))
            #expect(answer.calls.count == 1 && answer.calls[0].arguments.hasPrefix("{\"city\": \"K"))
        }
    }
}
