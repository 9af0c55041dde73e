// Which pairs of tokens merge and at which rank: one probe of a flat hash table with buckets of a cache line.
//
// Pairs of single bytes, where every piece starts, have a grid of their own that stays in the nearer caches; a filter of 128 kB
// answers for most pairs that do not merge. CQuernText has the layout (qt_merges) and reads the same tables. Invariant: at most
// three fifths full, so that a probe sequence always ends.
import CQuernText

struct PairTable: @unchecked Sendable {
    /// The rank of pairs that do not merge.
    static let none = UInt32(QT_NO_RANK)

    private let slots: Slab<UInt64>
    private let filter = Slab<UInt64>(1 << 14)
    /// rank → token; empty where the token is always that of rank 0 + rank.
    private let results: Slab<TokenID>
    /// first byte << 8 | second byte → rank.
    private let grid = Slab<UInt32>(1 << 16)
    /// Its pointers live as long as the tables above.
    fileprivate private(set) var table: qt_merges

    init(_ merges: [Merge], initial: [TokenID]) {
        var bits = 1
        while (Int(QT_BUCKET) << bits) * 3 < merges.count * 5 { bits += 1 }
        slots = Slab(Int(QT_BUCKET) << bits)
        let first = merges.first?.result ?? 0
        let isConsecutive = merges.indices.allSatisfy { Int(merges[$0].result) == Int(first) + $0 }
        results = isConsecutive ? Slab(0) : Slab(merges.map(\.result))
        grid.base.update(repeating: Self.none, count: grid.count)
        table = qt_merges(
            slots: slots.base, bucket_count: 1 << bits, shift: UInt32(64 - bits), filter: filter.base,
            results: isConsecutive ? nil : UnsafePointer(results.base), first_result: first, byte_ranks: grid.base, initial: nil,
            characters: nil)
        var bytes = [UInt16](repeating: 0, count: Int(initial.max() ?? -1) + 1)
        for (byte, id) in initial.enumerated() where id >= 0 { bytes[Int(id)] = UInt16(byte + 1) }
        withUnsafePointer(to: table) { table in
            merges.withUnsafeBytes { list in
                let head = list.bindMemory(to: qt_merge.self).baseAddress
                qt_fill_pairs(table, slots.base, filter.base, grid.base, bytes, bytes.count, head, merges.count)
            }
        }
    }

    /// The rank at which `left` and `right` merge, or `none`.
    @inline(__always) func rank(_ left: TokenID, _ right: TokenID) -> UInt32 {
        withUnsafePointer(to: table) { qt_rank($0, left, right) }
    }

    /// The token that the merge of `rank` makes.
    @inline(__always) func result(_ rank: UInt32) -> TokenID {
        table.results.map { $0[Int(rank)] } ?? table.first_result &+ TokenID(truncatingIfNeeded: rank)
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
        var loop = pairs.table
        loop.initial = UnsafePointer(initial.base)
        loop.characters = characters?.entries
        self.loop = loop
    }
}
