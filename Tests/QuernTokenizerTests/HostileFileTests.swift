// Tokenizer files that are damaged or built to do harm: refused with the place and the reason, never a trap.
import QuernJSON
import QuernTokenizer
import Testing

@Suite struct HostileFileTests {
    private func fails(_ tiny: TinyTokenizer, _ words: String..., location: SourceLocation = #_sourceLocation) {
        do {
            _ = try tiny.make()
            Issue.record("accepted", sourceLocation: location)
        } catch {
            let text = "\(error)"
            for word in words { #expect(text.contains(word), "\(text)", sourceLocation: location) }
        }
    }

    @Test func truncatedFilesAreRefused() throws {
        let bytes = Array(TinyTokenizer().json.serialized().utf8)
        for length in stride(from: 0, to: bytes.count - 1, by: 37) {
            #expect(throws: TokenizerError.self) { try TokenizerDefinition(tokenizerJSON: Array(bytes[..<length])) }
        }
    }

    @Test(arguments: ["[]", "1", "{}", "{\"model\": []}", "{\"model\": {\"type\": \"Unigram\"}}"])
    func otherDocumentsAreRefused(_ text: String) {
        #expect(throws: TokenizerError.self) { try TokenizerDefinition(tokenizerJSON: Array(text.utf8)) }
    }

    @Test func deepDocumentsAreRefused() {
        let text = String(repeating: "[", count: 100_000)
        #expect(throws: TokenizerError.self) { try TokenizerDefinition(tokenizerJSON: Array(text.utf8)) }
    }

    @Test(arguments: [-1, 1 << 31, 4_000_000_000, 1_000_000] as [Int64])
    func idsOutOfRangeAreRefused(_ id: Int64) {
        fails(TinyTokenizer(vocabularyEdits: [("zzz", .int(id))]))
    }

    @Test func tokensMustDiffer() {
        fails(TinyTokenizer(vocabularyEdits: [("he", 300)]), "duplicate")
        fails(TinyTokenizer(vocabularyEdits: [("zzz", 5)]), "two tokens have id 5")
    }

    @Test func mergesMustMakeTokens() {
        fails(TinyTokenizer(merges: [("h", "e"), ("x", "nope")]), "merge 1")
        fails(TinyTokenizer(merges: [("", "e")]), "merge 0")
    }

    @Test func addedTokensMayNotBeEmpty() { fails(TinyTokenizer(added: [("", true)]), "is empty") }

    @Test(arguments: [#"(a+)+"#, #"(.*)*x"#, #"(?<=a)b"#, #"(a)\1"#])
    func unknownPatternsAreRefusedByName(_ pattern: String) {
        fails(TinyTokenizer(pattern: pattern), pattern, "supported")
    }

    @Test func packedDefinitionsAreChecked() throws {
        let bytes = try TinyTokenizer(added: [("<|a|>", true)]).definition().serialized()
        _ = try TokenizerDefinition(serialized: bytes)
        for length in stride(from: 0, to: bytes.count - 1, by: 997) {
            #expect(throws: TokenizerError.self) { try TokenizerDefinition(serialized: Array(bytes[..<length])) }
        }
        // Whatever a byte says, reading ends in an error or in a tokenizer that encodes and decodes within bounds.
        let text = "hello <|a|> é中👩‍👩‍👧 " + String(repeating: "hell", count: 100)
        for index in stride(from: 0, to: min(bytes.count, 6000), by: 11) {
            for value in [0, 0xFF, bytes[index] ^ 0x80] as [UInt8] {
                var copy = bytes
                copy[index] = value
                guard let tokenizer = try? Tokenizer(try TokenizerDefinition(serialized: copy)) else { continue }
                _ = try tokenizer.decode(tokenizer.encode(text, parseSpecial: true))
            }
        }
    }

    @Test func controlTokensOutsideTheVocabularyAreNamed() throws {
        func vocabulary(bos: TokenID? = nil, eos: TokenID? = nil, pad: TokenID? = nil) -> GGUFVocabulary {
            GGUFVocabulary(
                model: "gpt2", pre: "gpt-2", tokens: (0...255).map { Array(TinyTokenizer.spell($0).utf8) }, tokenTypes: [], merges: [],
                bosTokenID: bos, eosTokenID: eos, padTokenID: pad, addsBOS: false)
        }
        for id in [256, -2, .max] as [TokenID] {
            for (name, broken) in [("bos", vocabulary(bos: id)), ("eos", vocabulary(eos: id)), ("pad", vocabulary(pad: id))] {
                #expect(throws: TokenizerError(field: "\(name) token", detail: "is \(id), the vocabulary has 256")) {
                    try TokenizerDefinition(gguf: broken)
                }
            }
        }
        #expect(try Tokenizer(TokenizerDefinition(gguf: vocabulary())).eosTokenID == nil)
    }

    @Test func longAndOverlappingAddedTokensWork() throws {
        let long = String(repeating: "x", count: 60_000)
        let tokenizer = try TinyTokenizer(added: [("<|a|>", true), ("<|a|><|b|>", true), (long, false), ("hello", false)]).make()
        #expect(tokenizer.encode("<|a|><|a|><|b|>", parseSpecial: true) == [260, 261])
        #expect(tokenizer.encode(long, parseSpecial: true) == [262])
        // Text is merged; the added token is matched on request only.
        #expect(tokenizer.encode("hello") == [259])
        #expect(tokenizer.encode("hello", parseSpecial: true) == [263])
    }
}
