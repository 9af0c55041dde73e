// Byte-pair encoding of one piece: the lowest rank first, leftmost among equals, as the reference does.
//
// Pieces of up to 128 bytes go to the C loop, which takes many at once; longer ones keep candidates in a heap: O(n log n), no
// recursion. Invariant: the buffers only grow to the longest piece seen.
import CQuernText

struct PieceMerger {
    /// The longest piece that the loop takes.
    static let scanLimit = Int(QT_WORD_MAX)

    private var heap = HeapMerger()

    /// Writes the encoding of `piece` to `out`, which has room for an id per byte, and returns the number of ids.
    mutating func merge(_ piece: UnsafeBufferPointer<UInt8>, _ tables: MergeTables, into out: UnsafeMutablePointer<TokenID>) -> Int {
        guard piece.count <= Self.scanLimit else { return heap.merge(piece, tables, into: out) }
        var word = qt_word(bytes: piece.baseAddress, length: piece.count, ids: out, count: 0)
        withUnsafePointer(to: tables.loop) { qt_merge_words($0, &word, 1) }
        return word.count
    }
}
