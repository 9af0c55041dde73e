// Where text can be cut because no token of the vocabulary reaches across.
//
// A merge joins two characters only if some token contains the end of one beside the beginning of the other. The filter
// remembers the four bytes around every inner character boundary of every token; where the text's four bytes are not
// among them, the sides encode independently. Chinese and Japanese fall into words that way, emoji into single ones, and
// both become short keys for the word tables. Invariant: false positives only, which cost a cut and never an id.

struct JoinFilter: @unchecked Sendable {
    private static let bitCount: UInt32 = 19
    static let wordCount = 1 << Int(bitCount - 6)
    private let words: Slab<UInt64>
    /// For qt_encode.
    var bits: UnsafePointer<UInt64> { UnsafePointer(words.base) }

    init(_ bits: [UInt64]) { words = Slab(bits) }

    /// - Parameter cuts: false answers that everything may join.
    static func bits(_ definition: TokenizerDefinition, cuts: Bool) -> [UInt64] {
        var bits = [UInt64](repeating: cuts ? 0 : .max, count: wordCount)
        guard cuts else { return bits }
        let tokens = definition.tokens
        tokens.bytes.withUnsafeBufferPointer { bytes in
            for id in tokens.indices where definition.kinds[id] == .normal || definition.kinds[id] == .added {
                let token = UnsafeBufferPointer(rebasing: bytes[tokens.range(id)])
                for index in stride(from: 1, to: token.count, by: 1) where token[index] >= 0xC0 && token[index - 1] >= 0x80 {
                    insert(token, index, &bits)
                }
            }
        }
        return bits
    }

    /// Records the boundary before `index`; bytes beyond the token's ends may be anything.
    private static func insert(_ token: UnsafeBufferPointer<UInt8>, _ index: Int, _ bits: inout [UInt64]) {
        let window = UInt32(token[index - 1]) << 8 | UInt32(token[index]) << 16
        for before in index >= 2 ? token[index - 2]...token[index - 2] : 0...255 {
            for after in index + 1 < token.count ? token[index + 1]...token[index + 1] : 0...255 {
                let place = place(window | UInt32(before) | UInt32(after) << 24)
                bits[place >> 6] |= 1 << UInt64(place & 63)
            }
        }
    }

    @inline(__always) private static func place(_ window: UInt32) -> Int {
        Int(truncatingIfNeeded: (window &* 0x9E37_79B1) >> (32 - bitCount))
    }
}
