// One byte per code point: its class for the pre-tokenizers, and whether NFC must look at it.
//
// Classes are those of Unicode 16.0, which Hugging Face tokenizers 0.23 uses; Swift's own tables are newer and would
// disagree on a few thousand characters.

enum CharacterClass {
    static let other: UInt8 = 0     // symbols, punctuation, controls, unassigned
    static let letter: UInt8 = 1
    static let mark: UInt8 = 2
    static let number: UInt8 = 3
    static let space: UInt8 = 4
}

enum CharacterTable {
    static let classMask: UInt8 = 0x07
    /// NFC may change the character or join it to its neighbours.
    static let suspect: UInt8 = 0x08
    /// Numeric for the individual-digits splitter: `\p{N}` and thirteen characters of Unicode 17.
    static let digit: UInt8 = 0x10

    /// 0x110000 entries.
    static let flags: [UInt8] = {
        var table = [UInt8](repeating: 0, count: 0x110000)
        func mark(_ text: StaticString, _ bits: UInt8) {
            UnicodeText.forEachRange(text) { range in for code in range { table[code] |= bits } }
        }
        mark(UnicodeData.letters, CharacterClass.letter)
        mark(UnicodeData.marks, CharacterClass.mark)
        mark(UnicodeData.numbers, CharacterClass.number | digit)
        mark(UnicodeData.whiteSpace, CharacterClass.space)
        mark(UnicodeData.suspects, suspect)
        for code in [0x11DE0...0x11DE9, 0x16FF4...0x16FF6].joined() { table[code] |= digit }
        return table
    }()
}

/// Reading the generated text tables. Their content is ours, so malformed text is a programming error.
enum UnicodeText {
    /// Numbers and ranges in hexadecimal, separated by spaces.
    static func forEachRange(_ text: StaticString, _ body: (ClosedRange<Int>) -> Void) {
        forEachRange(Substring(text.description), body)
    }

    static func forEachRange(_ text: Substring, _ body: (ClosedRange<Int>) -> Void) {
        for word in text.split(separator: " ") {
            let ends = word.split(separator: "-").compactMap { Int($0, radix: 16) }
            precondition(ends.count == 1 || ends.count == 2)
            body(ends[0]...ends[ends.count - 1])
        }
    }

    /// "KEY:VALUES; KEY:VALUES".
    static func forEachEntry(_ text: StaticString, _ body: (Int, Substring) -> Void) {
        for entry in Substring(text.description).split(separator: ";") {
            let parts = entry.split(separator: ":")
            guard parts.count == 2, let key = Int(parts[0].drop { $0 == " " }, radix: 16) else {
                preconditionFailure("malformed table")
            }
            body(key, parts[1])
        }
    }

    static func scalars(_ text: Substring) -> [UInt32] { text.split(separator: " ").compactMap { UInt32($0, radix: 16) } }
}
