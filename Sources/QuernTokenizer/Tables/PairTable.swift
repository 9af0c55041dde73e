// Which pairs of tokens merge and at which rank: one probe of a flat hash table of 8-byte entries.
//
// Pairs of single bytes, where every piece starts, have a grid of their own that stays in the nearer caches. Invariants: at
// most half full, so that a probe sequence always ends; ids have 21 bits and ranks 22 (TokenizerDefinition.Limits).

struct PairTable: @unchecked Sendable {
    /// The rank of pairs that do not merge.
    static let none: UInt32 = (1 << 22) - 1

    private let slots: Slab<UInt64>         // left << 43 | right << 22 | rank
    private let results: Slab<TokenID>      // rank → token
    private let grid: Slab<UInt32>          // first byte << 8 | second byte → rank
    private let entries: UnsafeMutablePointer<UInt64>
    /// A bit per hash: most pairs asked for do not merge, and 128 kB stay nearer than megabytes.
    private let filter: Slab<UInt64>
    private let filterWords: UnsafeMutablePointer<UInt64>
    private let resultIDs: UnsafeMutablePointer<TokenID>
    private let byteRanks: UnsafeMutablePointer<UInt32>
    private let mask: Int
    private let shift: UInt64
    private static let empty = UInt64.max

    init(_ merges: [Merge], initial: [TokenID]) {
        var bits: UInt64 = 8
        while 1 << bits < merges.count * 2 { bits += 1 }
        slots = Slab(1 << Int(bits))
        entries = slots.base
        mask = (1 << Int(bits)) - 1
        shift = 64 - bits
        filter = Slab(1 << 14)
        filterWords = filter.base
        entries.update(repeating: Self.empty, count: slots.count)
        results = Slab(merges.count)
        resultIDs = results.base
        grid = Slab(1 << 16)
        byteRanks = grid.base
        grid.base.update(repeating: Self.none, count: grid.count)
        var bytes: [TokenID: Int] = [:]
        for (byte, id) in initial.enumerated() where id >= 0 { bytes[id] = byte }
        let largestByteToken = bytes.keys.max() ?? -1
        for (rank, merge) in merges.enumerated() {
            results.base[rank] = merge.result
            let key = Self.key(merge.left, merge.right)
            var slot = place(key)
            while entries[slot] != Self.empty && entries[slot] >> 22 != key { slot = (slot + 1) & mask }
            if entries[slot] != Self.empty { continue }       // the first of equal pairs wins
            entries[slot] = key << 22 | UInt64(rank)
            let bit = Self.product(key) >> 44
            filterWords[Int(bit >> 6)] |= 1 << (bit & 63)
            if merge.left <= largestByteToken, merge.right <= largestByteToken, let a = bytes[merge.left], let b = bytes[merge.right] {
                grid.base[a << 8 | b] = UInt32(rank)
            }
        }
    }

    @inline(__always) private static func key(_ left: TokenID, _ right: TokenID) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 21 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always) private static func product(_ key: UInt64) -> UInt64 { key &* 0x9E37_79B9_7F4A_7C15 }

    @inline(__always) private func place(_ key: UInt64) -> Int { Int(truncatingIfNeeded: Self.product(key) >> shift) }

    /// The rank at which `left` and `right` merge, or `none`.
    @inline(__always) func rank(_ left: TokenID, _ right: TokenID) -> UInt32 {
        let key = Self.key(left, right)
        let bit = Self.product(key) >> 44
        if filterWords[Int(truncatingIfNeeded: bit >> 6)] >> (bit & 63) & 1 == 0 { return Self.none }
        var slot = place(key)
        while true {
            let entry = entries[slot]
            if entry >> 22 == key && entry != Self.empty { return UInt32(truncatingIfNeeded: entry) & Self.none }
            if entry == Self.empty { return Self.none }
            slot = (slot &+ 1) & mask
        }
    }

    /// The same for the tokens of two bytes.
    @inline(__always) func rank(bytes first: UInt8, _ second: UInt8) -> UInt32 { byteRanks[Int(first) << 8 | Int(second)] }

    /// The token that the merge of `rank` makes.
    @inline(__always) func result(_ rank: UInt32) -> TokenID { resultIDs[Int(rank)] }
}
