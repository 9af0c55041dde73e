// Regular expressions, GBNF and combinations: which texts they allow, and what hostile ones cost.
import QuernGrammar
import Testing

@Suite struct GrammarTests {
    @Test(arguments: [
        ("(ab|c)+[0-9]{2,3}", ["abcab12", "c123"], ["c1", "c1234", "12", ""]),
        ("a*?b+", ["b", "aab", "bbb"], ["a", ""]),
        ("x{0}y{2,}", ["yy", "yyyy"], ["xyy", "y"]),
        ("[^a-c\\d]", ["d", "é", "漢", "-"], ["a", "5", "dd"]),
        ("\\u00e9|\\x41|\\u{1F600}", ["é", "A", "😀"], ["e"]),
        ("(?:a|(?<name>b))\\.", ["a.", "b."], ["ax"]),
        ("^ab$", ["ab"], ["xab"]),
        (".", ["a", "漢"], ["\n", "aa"]),
        ("(a?){3}(b|)", ["", "a", "aaab", "b"], ["aaaa"]),
        ("([a-z]+;)*", ["", "a;bc;"], ["a"]),
    ] as [(String, [String], [String])])
    func regexMatchesWhole(_ pattern: String, _ yes: [String], _ no: [String]) throws {
        for text in yes { #expect(try accepts(.regex(pattern), text), "\(pattern) should allow \(text)") }
        for text in no { #expect(try !accepts(.regex(pattern), text), "\(pattern) should refuse \(text)") }
    }

    @Test(arguments: [
        ("^+[a-z]$", 1), ("{2}x", 0), ("(?<=a)b", 0), ("[z-a]", 2), ("\\p{L}", 0), ("a)", 1), ("(a", 0), ("a{5,2}", 1),
        ("a++", 2), ("\\1", 0), ("(?=a)", 0), ("[a", 0), ("\\q", 0), ("a{1", 1), ("\\u12", 0), ("a\\", 1), ("]", 0),
        ("[\\d-z]", 3), ("\\bx", 0),
    ])
    func badRegexesNameTheOffset(_ pattern: String, _ offset: Int) {
        let error = #expect(throws: GrammarError.self) { _ = try accepts(.regex(pattern), "") }
        #expect(error?.byteOffset == offset, "\(pattern): \(error.map(String.init(describing:)) ?? "")")
    }

    @Test(arguments: [
        "(a?){2000}", "((a?){2000}){2000}", "a{0,2147483647}", "(a|b)*a(a|b){30}", String(repeating: "(", count: 60_000),
        String(repeating: "(", count: 257) + String(repeating: ")", count: 257), String(repeating: "a?", count: 5_000),
        String(repeating: "(a|b|[^c])*", count: 2_000), "((((a{100}){100}){100}){100})",
    ])
    func hostileRegexesEndWithinTheirBudget(_ pattern: String) {
        do {
            let matches = try accepts(.regex(pattern), "")
            #expect(matches || !matches)
        } catch {
            #expect((error as? GrammarError)?.kind == .tooComplex || (error as? GrammarError)?.kind == .invalid)
        }
    }

    @Test func gbnfReadsRulesClassesAndCounts() throws {
        let grammar = Grammar.gbnf(
            """
            # arithmetic
            root ::= expr ("=" ws num)?
            expr ::= term ([-+*/] term){0,3}   # flat
            term ::= num | "(" ws expr ")" |
                     ident
            num  ::= [0-9]+ ws
            ident ::= [a-z] [a-z0-9_]* ws
            ws   ::= [ \\t\\n]*
            """)
        #expect(try accepts(grammar, "1+(2*x1)=3"))
        #expect(try accepts(grammar, "a -(b )"))
        #expect(try !accepts(grammar, "1+"))
        #expect(try !accepts(grammar, "(1"))
    }

    @Test func gbnfRecursesWithinTheStack() throws {
        let grammar = Grammar.gbnf("root ::= \"(\" root \")\" | \"x\"")
        for depth in [0, 1, 200] {
            #expect(try accepts(grammar, String(repeating: "(", count: depth) + "x" + String(repeating: ")", count: depth)))
        }
        #expect(try !accepts(grammar, String(repeating: "(", count: 300) + "x" + String(repeating: ")", count: 300)))
    }

    @Test(arguments: [
        ("", "root"), ("root ::= a", "'a' is not defined"), ("a ::= \"x\"", "no rule 'root'"), ("root ::= root \"x\" | \"y\"", "'root' calls itself"),
        ("root ::= a\na ::= b\nb ::= \"\"? a \"x\" | \"y\"", "calls itself"), ("root ::= \"x\"\na ::= \"y\"", "'a' cannot be reached"),
        ("root ::= \"x\"\nroot ::= \"y\"", "defined twice"), ("root ::= (\"x\"", "not closed"), ("root ::= \"x\"{5,2}", "wrong order"),
        ("root ::= \"a\" root", "no text"), ("root = \"x\"", "expected '::='"), ("root ::= \"x", "not closed"), ("root ::= *", "nothing to repeat"),
    ])
    func badGrammarsNameTheFault(_ source: String, _ fault: String) {
        let error = #expect(throws: GrammarError.self) { _ = try accepts(.gbnf(source), "") }
        #expect(error?.reason.contains(fault) == true, "\(error.map(String.init(describing:)) ?? "")")
    }

    @Test(arguments: [
        "root ::= (\"a\"*)*", "root ::= ((\"a\"?){2000}){2000}", "root ::= \"a\"{0,2147483647}",
        "root ::= " + String(repeating: "(", count: 60_000),
        (0..<5_000).map { "\($0 == 0 ? "root" : "r\($0)") ::= \"(\" r\($0 + 1) \")\"" }.joined(separator: "\n") + "\nr5000 ::= \"x\"",
        "root ::= r1\n" + (1..<5_000).map { "r\($0) ::= r\($0 + 1) \"x\"" }.joined(separator: "\n") + "\nr5000 ::= \"x\"",
        "root ::= a | b | \"\"\na ::= \"x\" root \"y\"\nb ::= \"x\" root \"z\"",
    ])
    func hostileGrammarsEndWithinTheirBudget(_ source: String) throws {
        do throws(GrammarError) {
            var matcher = GrammarMatcher(try CompiledGrammar.compile(.gbnf(source), vocabulary: .bytes))
            var mask = TokenMask(tokenCount: 256)
            for _ in 0..<200 {
                matcher.fill(&mask)
                guard let token = (0..<Int32(256)).first(where: { mask[$0] }) else { break }
                let moved = matcher.accept(token)
                #expect(moved)
            }
            #expect(matcher.isComplete || !mask.isEmpty)
        } catch {
            #expect(error.kind == .tooComplex || error.kind == .invalid)
        }
    }

    @Test func combinationsAndForbiddenText() throws {
        let call = Grammar.sequence([.literal("<call>"), .choice(of: ["a", "bc"]), .literal("</call>")])
        let grammar = Grammar.sequence([.text(avoiding: ["<call>"]), .repeated(call, minimum: 0, maximum: 2)])
        #expect(try accepts(grammar, "plain text, <calls are not calls"))
        #expect(try accepts(grammar, "so: <call>a</call><call>bc</call>"))
        #expect(try !accepts(grammar, "<call>a"))
        #expect(try !accepts(grammar, "<call>d</call>"))
        #expect(try !accepts(grammar, "<call>a</call><call>a</call><call>a</call>"))
        #expect(try !accepts(grammar, "<call>a</call> and more"))
    }

    @Test func cancellationStopsACompilation() async throws {
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return try accepts(.regex("(a|b)*a(a|b){30}"), "")
        }
        task.cancel()
        let error = await #expect(throws: GrammarError.self) { _ = try await task.value }
        #expect(error?.kind == .cancelled)
    }
}
