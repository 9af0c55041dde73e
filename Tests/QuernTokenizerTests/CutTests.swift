// Pieces found in windows of 64 bytes are those that the character-by-character scanner finds, on every instruction set.
import CQuernText
import TestSupport
import Testing

@Suite struct CutTests {
    private static let families: [qt_family] = [QT_QWEN2, QT_QWEN35]
    private static let instructionSets = (0..<8).compactMap { qt_windows_supported(Int32($0)).map { String(cString: $0) } }

    /// What the patterns and windows tell apart; also bytes that are no UTF-8.
    private static let units: [[UInt8]] = [
        "a", "Z", " ", "  ", "\n", "\r\n", "\t", "'", "'s", "'RE", "'\u{17F}", "1", "22", "!", "?!", "==", "é", "×", "п", "中", "。", "\u{3000}",
        "あ", "한", "😀", "\u{200D}", "\u{FE0F}", "\u{301}", "\u{A0}", "１", "ก", "\u{E31}", "ש", "\u{5B0}\u{5BC}", "\u{5BC}\u{5B0}", "hello", " the",
    ].map { Array($0.utf8) } + [[0xFF], [0x80], [0xC0, 0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE4, 0xB8], [0xF0, 0x9F]]

    /// Classes as the ranges that windows know by their lead bytes have them, and some that they must look up.
    private static let flags: [UInt8] = {
        var flags = [UInt8](repeating: UInt8(QT_OTHER), count: 0x110000)
        for code in 0..<0x30000 {
            guard let scalar = Unicode.Scalar(UInt32(code)) else { continue }
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: flags[code] = UInt8(QT_LETTER)
            case .nonspacingMark, .spacingMark, .enclosingMark: flags[code] = UInt8(QT_MARK)
            case .decimalNumber, .letterNumber, .otherNumber: flags[code] = UInt8(QT_NUMBER)
            default: break
            }
            if scalar.properties.isWhitespace { flags[code] = UInt8(QT_SPACE) }
            if scalar.properties.canonicalCombiningClass != .notReordered { flags[code] |= UInt8(QT_NON_STARTER) }
        }
        for code in [0x301, 0x340, 0x3099, 0x1161] { flags[code] |= UInt8(QT_SUSPECT) }
        return flags
    }()

    private func cut(_ text: [UInt8], end: Int, _ name: String, _ family: qt_family, stops: Bool, capacity: Int) -> (starts: [Int], stop: Int) {
        var starts: [Int] = []
        var position = 0
        text.withUnsafeBufferPointer { bytes in
            Self.flags.withUnsafeBufferPointer { flags in
                var scan = qt_scan(
                    text: bytes.baseAddress, end: end, limit: text.count, flags: flags.baseAddress, family: family, stops_at_suspects: stops ? 1 : 0)
                var room = [UInt32](repeating: 0, count: capacity)
                while position < end {
                    let from = position
                    let count = qt_cut(qt_windows_resolve(name), &scan, &position, &room, capacity)
                    if count == 0 { break }
                    starts += room[..<count].map { from + Int($0) }
                }
            }
        }
        return (starts, position)
    }

    @Test func windowsAgreeWithTheScanner() {
        #expect(Self.instructionSets.count >= 2)
        var generator = SplitMix(state: 11)
        for round in 0..<4000 {
            var text: [UInt8] = []
            let length = Int(generator.next() % 300) + 1
            // From all units, from the ASCII ones, or any bytes at all.
            let variety = [Self.units.count, 18, 8][round % 3]
            while text.count < length {
                let unit = round % 16 == 15 ? [UInt8(truncatingIfNeeded: generator.next())] : Self.units[Int(generator.next() % UInt64(variety))]
                for _ in 0..<(generator.next() % 12 == 0 ? generator.next() % 80 + 1 : 1) { text += unit }
            }
            let end = round % 4 == 0 ? max(1, text.count - Int(generator.next() % 9)) : text.count
            for family in Self.families {
                for stops in [false, true] {
                    let expected = cut(text, end: end, "scalar", family, stops: stops, capacity: 4096)
                    for name in Self.instructionSets.dropFirst() {
                        let found = cut(text, end: end, name, family, stops: stops, capacity: 128 + round % 64)
                        #expect(found.starts == expected.starts && found.stop == expected.stop, "\(name), \(family.rawValue): \(text.prefix(end))")
                    }
                }
            }
        }
    }

    /// Every character, alone between letters and between blanks.
    @Test func everyCharacterIsClassedAsInTheTable() {
        var text: [UInt8] = []
        for code in 0..<0x30000 {
            guard let scalar = Unicode.Scalar(UInt32(code)) else { continue }
            text += Array("a\(scalar)b \(scalar) ".utf8)
        }
        for family in Self.families {
            let expected = cut(text, end: text.count, "scalar", family, stops: false, capacity: 4096).starts
            for name in Self.instructionSets.dropFirst() {
                #expect(cut(text, end: text.count, name, family, stops: false, capacity: 4096).starts == expected, "\(name)")
            }
        }
    }

    @Test func unknownInstructionSetsAreNotResolved() {
        #expect(qt_windows_resolve("abacus") == nil)
    }
}
