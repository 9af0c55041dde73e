// The classes that regular expressions name.
//
// ECMA-262 (which JSON Schema refers to) and Python differ about digits, word characters and white space outside ASCII.
// Invariant: each set holds only scalars that belong to the class in both, so that a match holds for every validator.

extension ScalarSet {
    static let digit = ScalarSet([0x30...0x39])
    static let word = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
    static let space = ScalarSet([0x09...0x0D, 0x20...0x20])

    static let notDigit = ScalarSet([0...0x7F]).intersection(digit.complement).union(lettersBeyondASCII)
    static let notWord = ScalarSet([0...0x7F]).intersection(word.complement)
    static let notSpace = ScalarSet([0x21...0x7E]).union(lettersBeyondASCII)

    /// Everything but line ends.
    static let dot = ScalarSet([0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029]).complement

    /// Letters of the scripts most text is written in: Latin, Greek, Cyrillic, Hebrew, Arabic, kana, Han, Hangul.
    private static let lettersBeyondASCII = ScalarSet([
        0xC0...0xD6, 0xD8...0xF6, 0xF8...0x24F, 0x391...0x3A1, 0x3A3...0x3FF, 0x400...0x481, 0x5D0...0x5EA, 0x620...0x64A,
        0x3041...0x3096, 0x30A1...0x30FA, 0x4E00...0x9FFF, 0xAC00...0xD7A3,
    ])

    /// `\d` and its like; nil for another letter.
    static func named(_ letter: UInt8) -> ScalarSet? {
        switch letter {
        case UInt8(ascii: "d"): .digit
        case UInt8(ascii: "D"): .notDigit
        case UInt8(ascii: "w"): .word
        case UInt8(ascii: "W"): .notWord
        case UInt8(ascii: "s"): .space
        case UInt8(ascii: "S"): .notSpace
        default: nil
        }
    }
}
