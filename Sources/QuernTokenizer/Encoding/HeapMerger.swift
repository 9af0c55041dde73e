// Byte-pair encoding of a long piece: a heap of candidates over a linked list of symbols.
//
// Invariants: O(n log n) whatever the text; the arrays only grow to the longest piece seen.

struct HeapMerger: Sendable {
    private var symbols: [TokenID] = []
    private var next: [Int32] = []
    private var previous: [Int32] = []
    private var heap = MergeHeap()

    /// Writes the encoding of `piece` to `out` and returns the number of ids.
    /// - Precondition: fewer than 2³¹ bytes; `Encoder` cuts longer pieces.
    mutating func merge(
        _ piece: UnsafeBufferPointer<UInt8>, _ tables: MergeTables, into out: UnsafeMutablePointer<TokenID>
    ) -> Int {
        let initial = tables.initial.base
        let pairs = tables.pairs
        symbols.removeAll(keepingCapacity: true)
        for byte in piece where initial[Int(byte)] >= 0 { symbols.append(initial[Int(byte)]) }
        let count = symbols.count
        guard count > 0 else { return 0 }
        next.removeAll(keepingCapacity: true)
        next.append(contentsOf: 1...Int32(count))
        previous.removeAll(keepingCapacity: true)
        previous.append(contentsOf: -1..<Int32(count - 1))
        heap.removeAll()
        for index in 0..<(count - 1) {
            let rank = pairs.rank(symbols[index], symbols[index + 1])
            if rank != PairTable.none { heap.append(MergeHeap.Entry(rank: rank, position: Int32(index))) }
        }
        heap.heapify()
        while let candidate = heap.pop() {
            let left = Int(candidate.position)
            guard symbols[left] >= 0 else { continue }
            let right = Int(next[left])
            // The pair may have changed since it was pushed; then a newer entry exists.
            guard right < count, pairs.rank(symbols[left], symbols[right]) == candidate.rank else { continue }
            symbols[left] = pairs.result(candidate.rank)
            symbols[right] = -1
            let after = Int(next[right])
            next[left] = Int32(after)
            if after < count {
                previous[after] = Int32(left)
                push(left, after, pairs)
            }
            let before = Int(previous[left])
            if before >= 0 { push(before, left, pairs) }
        }
        var written = 0
        for symbol in symbols where symbol >= 0 {
            out[written] = symbol
            written += 1
        }
        return written
    }

    private mutating func push(_ left: Int, _ right: Int, _ pairs: PairTable) {
        let rank = pairs.rank(symbols[left], symbols[right])
        if rank != PairTable.none { heap.push(MergeHeap.Entry(rank: rank, position: Int32(left))) }
    }
}

/// A binary heap of merge candidates by (rank, position). Written out because swift-collections' Heap cannot be filled
/// in place and then ordered, which is where a long piece spends its time.
struct MergeHeap: Sendable {
    struct Entry: Sendable {
        let order: UInt64

        init(rank: UInt32, position: Int32) { order = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: position)) }

        var rank: UInt32 { UInt32(truncatingIfNeeded: order >> 32) }
        var position: Int32 { Int32(truncatingIfNeeded: order) }
        @inline(__always) func isBefore(_ other: Entry) -> Bool { order < other.order }
    }

    private var entries: [Entry] = []

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    /// Adds without ordering; call `heapify` before `pop`.
    mutating func append(_ entry: Entry) { entries.append(entry) }

    mutating func heapify() {
        for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
    }

    mutating func push(_ entry: Entry) {
        entries.append(entry)
        var index = entries.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard entries[index].isBefore(entries[parent]) else { return }
            entries.swapAt(index, parent)
            index = parent
        }
    }

    mutating func pop() -> Entry? {
        guard let first = entries.first else { return nil }
        let last = entries.removeLast()
        if !entries.isEmpty {
            entries[0] = last
            siftDown(0)
        }
        return first
    }

    private mutating func siftDown(_ start: Int) {
        var index = start
        while true {
            var child = 2 * index + 1
            guard child < entries.count else { return }
            if child + 1 < entries.count, entries[child + 1].isBefore(entries[child]) { child += 1 }
            guard entries[child].isBefore(entries[index]) else { return }
            entries.swapAt(index, child)
            index = child
        }
    }
}
