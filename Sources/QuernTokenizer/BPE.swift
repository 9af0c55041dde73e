// Byte-pair encoding of one piece.
//
// Short pieces scan all pairs for the best merge each time; long ones keep candidates in a heap over a linked list, so that
// the worst case is O(n log n) without recursion. Both apply the lowest rank first, leftmost among equals, as the reference
// does. Invariant: the scratch arrays only grow to the longest piece seen.

struct BPE: Sendable {
    private let pairs: PairTable
    /// byte → token; -1 for bytes the vocabulary lacks, which the reference drops.
    private let initial: [TokenID]

    init(pairs: PairTable, initial: [TokenID]) {
        precondition(initial.count == 256)
        self.pairs = pairs
        self.initial = initial
    }

    private static let scanLimit = 48

    /// Appends the tokens of `piece` to `out`.
    func encode(_ piece: UnsafeBufferPointer<UInt8>, scratch: inout Scratch, into out: inout [TokenID]) {
        scratch.symbols.removeAll(keepingCapacity: true)
        for byte in piece where initial[Int(byte)] >= 0 { scratch.symbols.append(initial[Int(byte)]) }
        if scratch.symbols.count > Self.scanLimit {
            mergeByHeap(&scratch)
        } else if scratch.symbols.count > 1 {
            mergeByScan(&scratch)
        }
        out.append(contentsOf: scratch.symbols)
    }

    /// Buffers reused from piece to piece.
    struct Scratch: Sendable {
        fileprivate var symbols: [TokenID] = []
        fileprivate var ranks: [UInt64] = []
        fileprivate var next: [Int32] = []
        fileprivate var previous: [Int32] = []
        fileprivate var heap = MergeHeap()
    }

    private func mergeByScan(_ scratch: inout Scratch) {
        // ranks[i] belongs to the pair (i, i + 1).
        scratch.ranks.removeAll(keepingCapacity: true)
        for index in 0..<(scratch.symbols.count - 1) {
            scratch.ranks.append(pairs.lookUp(scratch.symbols[index], scratch.symbols[index + 1]))
        }
        while true {
            var best = UInt64.max
            var place = 0
            for index in scratch.ranks.indices where scratch.ranks[index] < best {
                best = scratch.ranks[index]
                place = index
            }
            guard best != .max else { return }
            scratch.symbols[place] = TokenID(truncatingIfNeeded: best)
            scratch.symbols.remove(at: place + 1)
            scratch.ranks.remove(at: place)
            if place > 0 { scratch.ranks[place - 1] = pairs.lookUp(scratch.symbols[place - 1], scratch.symbols[place]) }
            if place < scratch.ranks.count {
                scratch.ranks[place] = pairs.lookUp(scratch.symbols[place], scratch.symbols[place + 1])
            }
        }
    }

    private func mergeByHeap(_ scratch: inout Scratch) {
        let count = scratch.symbols.count
        scratch.heap.removeAll()
        scratch.next = (1...Int32(count)).map { $0 }
        scratch.previous = (-1..<Int32(count - 1)).map { $0 }
        for index in 0..<(count - 1) { push(index, index + 1, &scratch) }
        scratch.heap.heapify()
        while let candidate = scratch.heap.pop() {
            let left = Int(candidate.position)
            guard scratch.symbols[left] >= 0 else { continue }
            let right = Int(scratch.next[left])
            // The pair may have changed since it was pushed; then a newer entry exists.
            guard right < count, pairs.lookUp(scratch.symbols[left], scratch.symbols[right]) == candidate.merge else { continue }
            scratch.symbols[left] = TokenID(truncatingIfNeeded: candidate.merge)
            scratch.symbols[right] = -1
            let after = Int(scratch.next[right])
            scratch.next[left] = Int32(after)
            if after < count {
                scratch.previous[after] = Int32(left)
                pushAndSift(left, after, &scratch)
            }
            let before = Int(scratch.previous[left])
            if before >= 0 { pushAndSift(before, left, &scratch) }
        }
        scratch.symbols.removeAll { $0 < 0 }
    }

    private func push(_ left: Int, _ right: Int, _ scratch: inout Scratch) {
        let merge = pairs.lookUp(scratch.symbols[left], scratch.symbols[right])
        if merge != .max { scratch.heap.append(MergeHeap.Entry(merge: merge, position: Int32(left))) }
    }

    private func pushAndSift(_ left: Int, _ right: Int, _ scratch: inout Scratch) {
        let merge = pairs.lookUp(scratch.symbols[left], scratch.symbols[right])
        if merge != .max { scratch.heap.push(MergeHeap.Entry(merge: merge, position: Int32(left))) }
    }
}

/// A binary heap of merge candidates by (rank, position). Written out because swift-collections' Heap cannot be filled
/// in place and then ordered, which is where a long piece spends its time.
struct MergeHeap: Sendable {
    struct Entry: Sendable {
        /// rank << 32 | result.
        let merge: UInt64
        let position: Int32

        @inline(__always) func isBefore(_ other: Entry) -> Bool {
            merge >> 32 != other.merge >> 32 ? merge < other.merge : position < other.position
        }
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
