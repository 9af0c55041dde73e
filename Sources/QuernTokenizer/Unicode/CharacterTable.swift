// One byte per code point: its class for the pre-tokenizers, and what NFC must know about it.
//
// Classes are those of Unicode 16.0, which Hugging Face tokenizers 0.23 uses; Swift's own tables are newer and would
// disagree on a few thousand characters. One load answers both questions, so that text in normal form pays nothing for
// the check. Invariant: 0x110000 entries, written once, shared by every thread.

import CQuernText

struct CharacterTable: @unchecked Sendable {
    /// NFC may change the character or compose it with the one before (quick check No or Maybe).
    static let suspect = UInt8(QT_SUSPECT)
    /// Numeric for the individual-digits splitter: `\p{N}` and thirteen characters of Unicode 17.
    static let digit = UInt8(QT_DIGIT)
    /// Has a combining class, so that order matters among neighbours.
    static let nonStarter = UInt8(QT_NON_STARTER)

    static let shared = CharacterTable()

    let flags: UnsafePointer<UInt8>

    private init() {
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 0x110000)
        table.initialize(repeating: 0, count: 0x110000)
        func mark(_ text: StaticString, _ bits: UInt8) {
            UnicodeText.forEach(text) { _, range in for code in range { table[code] |= bits } }
        }
        mark(UnicodeData.letters, UInt8(QT_LETTER))
        mark(UnicodeData.marks, UInt8(QT_MARK))
        mark(UnicodeData.numbers, UInt8(QT_NUMBER) | Self.digit)
        mark(UnicodeData.whiteSpace, UInt8(QT_SPACE))
        mark(UnicodeData.suspects, Self.suspect)
        mark(UnicodeData.combiningClasses, Self.nonStarter)
        for code in [0x11DE0...0x11DE9, 0x16FF4...0x16FF6].joined() { table[code] |= Self.digit }
        flags = UnsafePointer(table)
    }

    @inline(__always) subscript(_ code: UInt32) -> UInt8 { flags[Int(code)] }
}

/// Reading the generated text tables. Their content is ours, so malformed text is a programming error.
enum UnicodeText {
    /// Calls `body` with every number or range, and the key of its entry (0 in a table without keys).
    ///
    /// Tables are hexadecimal: "A B-C D", or "KEY:A B-C; KEY:D".
    static func forEach(_ text: StaticString, _ body: (_ key: Int, _ values: ClosedRange<Int>) -> Void) {
        var key = 0
        var first: Int?
        var value: Int?
        func finish() {
            if let last = value { body(key, (first ?? last)...last) }
            (first, value) = (nil, nil)
        }
        for byte in UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount) {
            switch byte {
            case 0x30...0x39: value = (value ?? 0) << 4 | Int(byte - 0x30)
            case 0x61...0x66: value = (value ?? 0) << 4 | Int(byte - 0x57)
            case UInt8(ascii: "-"): (first, value) = (value, nil)
            case UInt8(ascii: ":"): (key, value) = (value ?? 0, nil)
            case UInt8(ascii: " "), UInt8(ascii: ";"): finish()
            default: preconditionFailure("malformed table")
            }
        }
        finish()
    }
}
