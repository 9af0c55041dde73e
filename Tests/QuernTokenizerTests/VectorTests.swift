// Exactness against Hugging Face tokenizers on public vectors.
import Foundation
import QuernJSON
import QuernTokenizer
import TestSupport
import Testing

@Suite struct VectorTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let vectors: String
        let tokenizer: String
        var testDescription: String { vectors }
    }

    static let cases = [
        Case(vectors: "llamacpp_qwen2", tokenizer: "qwen3"), Case(vectors: "qwen_tricky_dev", tokenizer: "qwen3"),
        Case(vectors: "qwen35_tricky_dev", tokenizer: "qwen3.5"), Case(vectors: "smollm2_tricky_dev", tokenizer: "smollm2"),
        Case(vectors: "gpt2_tricky_dev", tokenizer: "gpt2"), Case(vectors: "llama3_tricky_dev", tokenizer: "llama3"),
        Case(vectors: "llamacpp_gpt-2", tokenizer: "gpt2"), Case(vectors: "llamacpp_llama-bpe", tokenizer: "llama3"),
    ]

    static func tokenizer(_ name: String) throws -> Tokenizer {
        let json = try SharedData.bytes("tokenizers/\(name)/tokenizer.json")
        return try Tokenizer(try TokenizerDefinition(tokenizerJSON: json))
    }

    private static func ids(_ value: JSONValue?) -> [TokenID] {
        (value?.arrayValue ?? []).compactMap { $0.intValue.map { TokenID(truncatingIfNeeded: $0) } }
    }

    @Test(.enabled(if: SharedData.has("vectors", "tokenizers"), "needs vectors/ and tokenizers/ of the shared data"), arguments: cases)
    func encodesExactly(_ item: Case) throws {
        let tokenizer = try Self.tokenizer(item.tokenizer)
        var wrong: [String] = []
        var count = 0
        for line in try SharedData.lines("vectors/\(item.vectors).jsonl") {
            let row = try JSONValue(parsing: line)
            let text = try #require(row["text"]?.stringValue)
            let ids = Self.ids(row["ids"])
            let plain = row["plain"].map(Self.ids) ?? ids
            count += 1
            if tokenizer.encode(text, parseSpecial: true) != ids { wrong.append(text) }
            if tokenizer.encode(text, parseSpecial: false) != plain { wrong.append("plain: " + text) }
        }
        #expect(count >= 47)
        #expect(wrong.isEmpty, "\(wrong.count) of \(count): \(wrong.prefix(3).map(\.debugDescription))")
    }

    /// Qwen2.5 has Qwen3's vocabulary without the four added tokens at 151665...151668.
    @Test(.enabled(if: SharedData.has("vectors", "tokenizers"), "needs vectors/ and tokenizers/ of the shared data"))
    func qwen25EncodesExactly() throws {
        let tokenizer = try Self.tokenizer("qwen2.5")
        var wrong = 0
        for line in try SharedData.lines("vectors/qwen_tricky_dev.jsonl") {
            let row = try JSONValue(parsing: line)
            let text = try #require(row["text"]?.stringValue)
            let ids = Self.ids(row["ids"])
            if !ids.contains(where: { $0 >= 151_665 }), tokenizer.encode(text, parseSpecial: true) != ids { wrong += 1 }
        }
        #expect(wrong == 0)
    }

    @Test(.enabled(if: SharedData.has("vectors", "tokenizers"), "needs vectors/ and tokenizers/ of the shared data"))
    func normalisesLikeModernUnicode() throws {
        let tokenizer = try Self.tokenizer("qwen3")
        var wrong: [String] = []
        for line in try SharedData.lines("vectors/qwen_nfc_edge_dev.jsonl") {
            let row = try JSONValue(parsing: line)
            let text = try #require(row["text"]?.stringValue)
            if tokenizer.encode(text, parseSpecial: true) != Self.ids(row["ids_hf1"]) { wrong.append(text) }
        }
        #expect(wrong.isEmpty, "\(wrong.count): \(wrong.prefix(3).map(\.debugDescription))")
    }

    /// The GGUF way into the same tokenizer gives the same definition.
    @Test(.enabled(if: SharedData.has("tokenizers"), "needs tokenizers/ of the shared data"), arguments: ["qwen3", "smollm2"])
    func serialisedDefinitionsAreEqual(_ name: String) throws {
        let json = try SharedData.bytes("tokenizers/\(name)/tokenizer.json")
        let definition = try TokenizerDefinition(tokenizerJSON: json)
        #expect(try TokenizerDefinition(serialized: definition.serialized()) == definition)
    }
}
