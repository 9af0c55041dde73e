// Long pieces: merged window by window.
//
// Windows met before are remembered. Invariant: the result is exactly what merging the whole piece would give; where the merge list
// does not allow the argument, the piece is merged whole.
import CQuernText

extension Encoder {
    /// A piece that is too long for the words. Returns the number of ids written.
    func encodeLongPiece(_ piece: UnsafePointer<UInt8>, _ count: Int, into out: UnsafeMutablePointer<TokenID>) -> Int {
        if tables.ignoresMerges, let token = tables.longWord(UnsafeBufferPointer(start: piece, count: count)) {
            out.pointee = token
            return 1
        }
        guard count > PieceMerger.scanLimit else { return mergeWindow(piece, count, into: out) }
        guard tables.isOrdered, !tables.lacksBytes else { return mergeWhole(piece, count, into: out) }
        return mergeByWindows(piece, count, into: out)
    }

    private func mergeWindow(_ piece: UnsafePointer<UInt8>, _ count: Int, into out: UnsafeMutablePointer<TokenID>) -> Int {
        let known = qt_find_span(caches.state, piece, count, out)
        if known > 0 { return known }
        let written = merger.merge(UnsafeBufferPointer(start: piece, count: count), tables.merges, into: out)
        qt_insert_span(caches.state, piece, count, out, written)
        return written
    }

    /// In chunks of a gibibyte, because positions have 31 bits; no text that anyone types has a word of that length.
    private func mergeWhole(_ piece: UnsafePointer<UInt8>, _ count: Int, into out: UnsafeMutablePointer<TokenID>) -> Int {
        var written = 0
        for start in stride(from: 0, to: count, by: 1 << 30) {
            written += mergeWindow(piece + start, min(1 << 30, count - start), into: out + written)
        }
        return written
    }

    /// Encodes window after window, each beginning where the last token that was safe ended.
    ///
    /// A sequence of tokens is the encoding of its text exactly if every adjacent pair is the encoding of its own text
    /// (see `EncodingTables.isOrdered`). Pairs inside a window are. The tokens at a window's end are left out, and the first
    /// of those must come out first again in the next window, which makes the pair across the boundary one that a window
    /// has seen. When it does not, tokens are taken back and the window grows.
    private func mergeByWindows(_ piece: UnsafePointer<UInt8>, _ count: Int, into out: UnsafeMutablePointer<TokenID>) -> Int {
        let margin: UInt32 = 16
        var smallest = 64
        var size = smallest
        var retreat = 1
        var written = 0
        var start = 0
        var expected: TokenID?
        /// The last place where tokens were taken back; until a window gets past it, windows keep growing.
        var obstacle = -1
        while true {
            let window = min(size, count - start)
            let tokens = out + written
            let found = mergeWindow(piece + start, window, into: tokens)
            if let wanted = expected, tokens[0] != wanted {
                obstacle = max(obstacle, start)
                var dropped: TokenID?
                for _ in 0..<retreat where written > 0 {
                    written -= 1
                    dropped = out[written]
                    start -= Int(tables.lengths.base[Int(out[written])])
                }
                // At the beginning of the piece nothing comes before, so anything may come first.
                expected = written > 0 ? dropped : nil
                retreat *= 2
                size = min(size * 2, count)
                continue
            }
            if start + window == count { return written + found }
            var kept = found
            var left: UInt32 = 0
            while kept > 0, left < margin {
                kept -= 1
                left += tables.lengths.base[Int(tokens[kept])]
            }
            guard kept > 0 else {
                smallest = min(size * 2, count)
                size = smallest
                continue
            }
            expected = tokens[kept]
            written += kept
            start += window - Int(left)
            if start > obstacle {
                size = smallest
                retreat = 1
            }
        }
    }
}
