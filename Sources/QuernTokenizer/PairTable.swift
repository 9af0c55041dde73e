// Which pairs of tokens merge, at which rank, into what: one probe of a flat hash table.
//
// Invariant: at most half full, so that a probe sequence always ends.

struct PairTable: Sendable {
    private let keys: [UInt64]      // left << 32 | right, or `empty`
    private let values: [UInt64]    // rank << 32 | result
    private let mask: Int
    private static let empty = UInt64.max

    init(_ merges: [Merge]) {
        var capacity = 16
        while capacity < merges.count * 2 { capacity *= 2 }
        mask = capacity - 1
        var keys = [UInt64](repeating: Self.empty, count: capacity)
        var values = [UInt64](repeating: 0, count: capacity)
        for (rank, merge) in merges.enumerated() {
            let key = Self.key(merge.left, merge.right)
            var slot = Self.hash(key) & (capacity - 1)
            while keys[slot] != Self.empty && keys[slot] != key { slot = (slot + 1) & (capacity - 1) }
            if keys[slot] == key { continue }       // the first of equal pairs wins
            keys[slot] = key
            values[slot] = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: merge.result))
        }
        self.keys = keys
        self.values = values
    }

    @inline(__always) private static func key(_ left: TokenID, _ right: TokenID) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always) private static func hash(_ key: UInt64) -> Int {
        let product = key &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: (product ^ (product >> 32)) >> 7)
    }

    /// rank << 32 | result; `UInt64.max` when the pair does not merge.
    @inline(__always) func lookUp(_ left: TokenID, _ right: TokenID) -> UInt64 {
        let key = Self.key(left, right)
        var slot = Self.hash(key) & mask
        while true {
            let found = keys[slot]
            if found == key { return values[slot] }
            if found == Self.empty { return .max }
            slot = (slot + 1) & mask
        }
    }
}
