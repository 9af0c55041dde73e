// Which pairs of tokens merge and at which rank: one probe of a flat hash table of 8-byte entries.
//
// Pairs of single bytes, where every piece starts, have a grid of their own that stays in the nearer caches; a filter of 128 kB
// answers for most pairs that do not merge. CQuernText reads the same tables (qt_merges). Invariants: at most three fifths full, so
// that a probe sequence always ends; ids have 21 bits and ranks 22 (TokenizerDefinition.Limits).
import CQuernText

struct PairTable: @unchecked Sendable {
    /// The rank of pairs that do not merge.
    static let none: UInt32 = (1 << 22) - 1

    private let slots: Slab<UInt64>         // left << 43 | right << 22 | rank
    /// rank → token; empty where the token is always rank + `firstResult`.
    private let results: Slab<TokenID>
    private let firstResult: TokenID
    private let grid: Slab<UInt32>          // first byte << 8 | second byte → rank
    private let filter: Slab<UInt64>        // a bit per hash
    private let entries: UnsafeMutablePointer<UInt64>
    private let filterWords: UnsafeMutablePointer<UInt64>
    private let mask: Int
    private let shift: UInt64
    private static let empty = UInt64.max

    init(_ merges: [Merge], initial: [TokenID]) {
        var bits: UInt64 = 8
        while (1 << bits) * 3 < merges.count * 5 { bits += 1 }
        slots = Slab(1 << Int(bits))
        entries = slots.base
        mask = (1 << Int(bits)) - 1
        shift = 64 - bits
        filter = Slab(1 << 14)
        filterWords = filter.base
        entries.update(repeating: Self.empty, count: slots.count)
        firstResult = merges.first?.result ?? 0
        let base = Int(firstResult)
        results = merges.enumerated().allSatisfy { Int($1.result) == base + $0 } ? Slab(0) : Slab(merges.map(\.result))
        grid = Slab(1 << 16)
        grid.base.update(repeating: Self.none, count: grid.count)
        var bytes: [TokenID: Int] = [:]
        for (byte, id) in initial.enumerated() where id >= 0 { bytes[id] = byte }
        let largestByteToken = bytes.keys.max() ?? -1
        for (rank, merge) in merges.enumerated() {
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

    /// The token that the merge of `rank` makes.
    @inline(__always) func result(_ rank: UInt32) -> TokenID {
        results.count == 0 ? firstResult &+ TokenID(truncatingIfNeeded: rank) : results.base[Int(rank)]
    }

    fileprivate func loop(_ initial: Slab<TokenID>, _ characters: CharacterTokens?) -> qt_merges {
        qt_merges(
            slots: entries, slot_count: slots.count, shift: UInt32(shift), filter: filterWords,
            results: results.count == 0 ? nil : UnsafePointer(results.base), first_result: firstResult, byte_ranks: grid.base,
            initial: initial.base, characters: characters?.entries)
    }
}

/// Everything merging reads.
struct MergeTables: @unchecked Sendable {
    let pairs: PairTable
    /// byte → token; -1 for bytes the vocabulary lacks, which the reference drops.
    let initial: Slab<TokenID>
    private let characters: CharacterTokens?
    /// The same for the C loop. Its pointers live as long as the tables above.
    let loop: qt_merges

    /// - Parameter characters: characters that may start as tokens; nil starts from bytes.
    init(_ pairs: PairTable, initial: Slab<TokenID>, characters: CharacterTokens?) {
        self.pairs = pairs
        self.initial = initial
        self.characters = characters
        loop = pairs.loop(initial, characters)
    }
}
