// Walks a segment character by character for the pre-tokenizers, eight bytes at a time where it can.
//
// Owns what all families share: classes of characters, runs, contractions, and the note of whether anything it looked at
// needs NFC. The families' rules are in Scanner+CL100K and Scanner+GPT2. Invariants: nothing past `end` decides anything,
// nothing past `limit` is read, every step advances.

struct Scanner {
    let bytes: UnsafePointer<UInt8>
    /// End of the segment.
    let end: Int
    /// End of what may be read, at least `end`.
    let limit: Int
    let flags: UnsafePointer<UInt8>
    /// `CharacterTable` flags of every character beyond ASCII that was looked at, and `suspect` for two adjacent ones whose
    /// order NFC may change.
    private(set) var seen: UInt8 = 0
    private var lastFlags: UInt8 = 0
    private var lastEnd = -1

    init(_ bytes: UnsafePointer<UInt8>, end: Int, limit: Int) {
        self.bytes = bytes
        self.end = end
        self.limit = limit
        flags = CharacterTable.shared.flags
    }

    struct Character {
        var kind: UInt8
        var length: Int
    }

    /// The character at `index`, which is before `end`.
    @inline(__always) mutating func character(_ index: Int) -> Character {
        let byte = bytes[index]
        if byte < 0x80 { return Character(kind: flags[Int(byte)] & CharacterTable.classMask, length: 1) }
        return wideCharacter(index)
    }

    @inline(__always) mutating func wideCharacter(_ index: Int) -> Character {
        let scalar = decodeScalar(bytes, at: index, end: end)
        guard scalar.isValid else { return Character(kind: CharacterClass.other, length: 1) }
        let found = flags[Int(scalar.value)]
        // nonStarter >> 2 is suspect.
        seen |= found | (index == lastEnd ? (found & lastFlags & CharacterTable.nonStarter) >> 2 : 0)
        lastFlags = found
        lastEnd = index &+ scalar.length
        return Character(kind: found & CharacterTable.classMask, length: scalar.length)
    }

    /// Looks at the character behind a piece that ends without it: it may compose with the piece's last.
    @inline(__always) mutating func note(_ index: Int) {
        if index < end, bytes[index] >= 0x80 { _ = wideCharacter(index) }
    }

    @inline(__always) func isNewline(_ index: Int) -> Bool { bytes[index] == 0x0A || bytes[index] == 0x0D }

    @inline(__always) private func word(_ index: Int) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(bytes + index).loadUnaligned(as: UInt64.self))
    }

    /// How many of the first bytes are ASCII letters.
    @inline(__always) private func letterCount(_ word: UInt64) -> Int {
        let sevenBits: UInt64 = 0x7F7F_7F7F_7F7F_7F7F
        let lower = (word | 0x2020_2020_2020_2020) & sevenBits
        // The top bit of each byte: at least "a", beyond "z".
        let atLeastA = lower &+ 0x1F1F_1F1F_1F1F_1F1F
        let beyondZ = lower &+ 0x0505_0505_0505_0505
        let others = ~(atLeastA & ~beyondZ & ~word) & ~sevenBits
        return others.trailingZeroBitCount >> 3
    }

    /// End of the run of characters whose class is in `classes` (a set of bits), which holds ASCII letters.
    @inline(__always) mutating func endOfWord(_ start: Int, _ classes: UInt8) -> Int {
        var index = start
        while index < end {
            if bytes[index] < 0x80 {
                if index &+ 8 <= limit {
                    let count = letterCount(word(index))
                    index &+= count
                    if count == 8 { continue }
                    if index >= end { return end }
                    if bytes[index] < 0x80 { return index }
                } else {
                    guard flags[Int(bytes[index])] & CharacterTable.classMask == CharacterClass.letter else { return index }
                    index &+= 1
                }
            } else {
                let next = wideCharacter(index)
                guard classes >> next.kind & 1 != 0 else { return index }
                index &+= next.length
            }
        }
        return end
    }

    /// End of the run of characters whose class is in `classes`.
    @inline(__always) mutating func endOfRun(_ start: Int, _ classes: UInt8) -> Int {
        var index = start
        while index < end {
            let next = character(index)
            guard classes >> next.kind & 1 != 0 else { return index }
            index &+= next.length
        }
        return end
    }

    /// A run of white space from `start`: its end, where its last character begins, and the end of its last newline.
    @inline(__always) mutating func whiteSpace(_ start: Int) -> (end: Int, last: Int, afterNewline: Int?) {
        var index = start
        var last = start
        var afterNewline: Int?
        while index < end {
            while index &+ 8 <= end, word(index) == 0x2020_2020_2020_2020 {
                last = index &+ 7
                index &+= 8
            }
            guard index < end else { break }
            let next = character(index)
            guard next.kind == CharacterClass.space else { break }
            last = index
            let isNewline = isNewline(index)
            index &+= next.length
            if isNewline { afterNewline = index }
        }
        return (index, last, afterNewline)
    }

    /// Length of 's 't 're 've 'm 'll 'd at an apostrophe, 0 if none; with case folding U+017F counts as s.
    @inline(__always) func contraction(_ start: Int, foldsCase: Bool) -> Int {
        func letter(_ index: Int) -> UInt8 {
            guard index < end else { return 0 }
            let byte = bytes[index]
            return foldsCase && byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
        }
        switch letter(start &+ 1) {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"): return letter(start &+ 2) == UInt8(ascii: "e") ? 3 : 0
        case UInt8(ascii: "l"): return letter(start &+ 2) == UInt8(ascii: "l") ? 3 : 0
        case 0xC5: return foldsCase && letter(start &+ 2) == 0xBF ? 3 : 0
        default: return 0
        }
    }
}

/// Sets of classes.
extension CharacterClass {
    @inline(__always) static func set(_ kinds: UInt8...) -> UInt8 { kinds.reduce(0) { $0 | 1 << $1 } }
}
