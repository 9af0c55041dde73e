// Single pieces, short and very long, against the reference: caches, whole characters, cuts and windows change nothing.
import QuernTokenizer
import TestSupport
import Testing

@Suite struct PieceTests {
    /// Letters only, so that every text is one piece in every family.
    private static let alphabets: [[Unicode.Scalar]] = [
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ".unicodeScalars, "etaoinsrhl".unicodeScalars, "ab".unicodeScalars,
        "абвгдежзийклмнопрстуфхцчшщъыьэюяё".unicodeScalars, "的一是不了人我在有他这中大来上国个到说们".unicodeScalars,
        "あいうえおかきくけこさしすせそタチツテト".unicodeScalars, "한국어가나다라마바사아자차".unicodeScalars, "aéèüñçßøå".unicodeScalars,
        "ابتثجحخدذرزسش".unicodeScalars, "aあ中бé한".unicodeScalars, "กขคงจฉชซฌญ".unicodeScalars,
    ].map(Array.init)

    private static let needs: Comment = "needs tokenizers/ of the shared data"

    @Test(.enabled(if: SharedData.has("tokenizers"), needs), arguments: ["qwen3", "qwen3.5", "gpt2", "smollm2"])
    func agreeWithTheReference(_ name: String) throws {
        let definition = try TokenizerDefinition(tokenizerJSON: SharedData.bytes("tokenizers/\(name)/tokenizer.json"))
        let tokenizer = try Tokenizer(definition)
        let reference = ReferenceBPE(definition)
        var generator = SplitMix(state: 7)
        var wrong: [String] = []
        for round in 0..<2000 {
            let alphabet = Self.alphabets[round % Self.alphabets.count]
            let longest = round % 100 == 0 ? 250 : round % 4 == 0 ? 60 : 12
            var text = ""
            // Runs of one character bring out ties and alignments.
            while text.utf8.count < Int(generator.next() % UInt64(longest)) + 1 {
                let scalar = alphabet[Int(generator.next() % UInt64(alphabet.count))]
                let repeats = generator.next() % 16 == 0 ? Int(generator.next() % 24) : 1
                for _ in 0..<repeats { text.unicodeScalars.append(scalar) }
            }
            let expected = reference.encode(text.utf8)
            // Twice: the second time from the caches.
            if tokenizer.encode(text) != expected || tokenizer.encode(text) != expected { wrong.append(text) }
        }
        #expect(wrong.isEmpty, "\(wrong.count): \(wrong.prefix(3))")
    }

    /// Pieces of one repeated unit, around every size at which the way of encoding changes.
    @Test(.enabled(if: SharedData.has("tokenizers"), needs), arguments: ["a", "ab", "=", " ", "\n", "👩‍👩‍👧‍👦", "中", "é", "aaab"])
    func repeatedUnitsAgree(_ unit: String) throws {
        let definition = try TokenizerDefinition(tokenizerJSON: SharedData.bytes("tokenizers/qwen3/tokenizer.json"))
        let tokenizer = try Tokenizer(definition)
        let reference = ReferenceBPE(definition)
        for count in [1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 255, 500] {
            let text = String(repeating: unit, count: count)
            let expected = reference.encode(text.utf8)
            #expect(tokenizer.encode(text) == expected, "\(count)")
            #expect(tokenizer.encode(text) == expected, "\(count), from the caches")
        }
    }

    /// More long words than the caches hold: what was dropped, what is left and what took its place all encode alike.
    @Test(.enabled(if: SharedData.has("tokenizers"), needs)) func cachesThatOverflowChangeNothing() throws {
        let definition = try TokenizerDefinition(tokenizerJSON: SharedData.bytes("tokenizers/qwen3/tokenizer.json"))
        let tokenizer = try Tokenizer(definition)
        let reference = ReferenceBPE(definition)
        var generator = SplitMix(state: 11)
        let words = (0..<40_000).map { _ in
            let alphabet = Self.alphabets[Int(generator.next() % UInt64(Self.alphabets.count))]
            var word = ""
            for _ in 0..<(16 + Int(generator.next() % 80)) {
                word.unicodeScalars.append(alphabet[Int(generator.next() % UInt64(alphabet.count))])
            }
            return word
        }
        for word in words { _ = tokenizer.encode(word) }
        let sample = stride(from: 0, to: words.count, by: 400).map { words[$0] } + words.suffix(100)
        for word in sample + sample {
            #expect(tokenizer.encode(word) == reference.encode(word.utf8), "\(word)")
        }
    }
}

/// A small seeded generator.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
