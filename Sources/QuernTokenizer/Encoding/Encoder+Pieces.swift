// Pieces that no table knows yet, and long ones.
//
// In order: the cache of long words; a cut where no token can reach across (JoinFilter), after which the parts are words of
// their own; merging. Very long pieces are merged window by window, and windows met before are remembered (SpanCache).
// Invariant: each step gives exactly what merging the whole piece would; where the merge list does not allow the argument,
// the piece is merged whole.

extension Encoder {
    /// A piece of at most 15 bytes that neither table of words has. Returns the number of ids written.
    @inline(never)
    func encodeNewWord(
        _ piece: UnsafePointer<UInt8>, _ count: Int, _ key: WordKey, _ hash: UInt64, into out: UnsafeMutablePointer<TokenID>
    ) -> Int {
        if let slot = tables.words.find(key, hash) {
            words.insert(key, hash, slot.pointee.tokens)
            return slot.pointee.tokens.store(out)
        }
        if count == 1 {
            out.pointee = tables.initial.base[Int(piece.pointee)]
            let written = out.pointee < 0 ? 0 : 1
            words.insert(key, hash, out, count: written)
            return written
        }
        let longKey = LongWordCache.Key(piece, count)
        let known = longWords.find(longKey, out)
        if known > 0 { return known }
        let written = encodeParts(piece, count, into: out) ?? merge(piece, count, into: out)
        if written <= WordTokens.maxCount {
            words.insert(key, hash, out, count: written)
        } else if written <= LongWordCache.maxCount {
            longWords.insert(longKey, out, count: written)
        }
        return written
    }

    /// A piece of 16 bytes or more.
    @inline(never)
    func encodeLongPiece(
        _ piece: UnsafePointer<UInt8>, _ count: Int, wholeTokens: Bool, into out: UnsafeMutablePointer<TokenID>
    ) -> Int {
        if wholeTokens, let token = tables.longWord(UnsafeBufferPointer(start: piece, count: count)) {
            out.pointee = token
            return 1
        }
        guard count <= LongWordCache.maxLength else {
            return encodeParts(piece, count, into: out) ?? merge(piece, count, into: out)
        }
        let key = LongWordCache.Key(piece, count)
        let known = longWords.find(key, out)
        if known > 0 { return known }
        let written = encodeParts(piece, count, into: out) ?? merge(piece, count, into: out)
        if written > 0, written <= LongWordCache.maxCount { longWords.insert(key, out, count: written) }
        return written
    }

    /// Encodes the parts between places that no token reaches across; nil when there is no such place.
    private func encodeParts(_ piece: UnsafePointer<UInt8>, _ count: Int, into out: UnsafeMutablePointer<TokenID>) -> Int? {
        if tables.lacksBytes { return nil }
        var written = 0
        var start = 0
        var index = 2
        while index &+ 1 < count {
            let byte = piece[index]
            guard byte >= 0xC0 else {
                index &+= 1
                continue
            }
            if piece[index &- 1] >= 0x80, !tables.joins.mayJoin(piece + (index &- 2)) {
                written &+= encodePart(piece + start, index &- start, into: out + written)
                start = index
            }
            index &+= byte >= 0xE0 ? 3 : 2      // within the character nothing begins
        }
        guard start > 0 else { return nil }
        return written &+ encodePart(piece + start, count &- start, into: out + written)
    }

    private func encodePart(_ part: UnsafePointer<UInt8>, _ count: Int, into out: UnsafeMutablePointer<TokenID>) -> Int {
        if count > WordKey.maxLength {
            guard count <= LongWordCache.maxLength else { return merge(part, count, into: out) }
            let key = LongWordCache.Key(part, count)
            let known = longWords.find(key, out)
            if known > 0 { return known }
            let written = merge(part, count, into: out)
            if written <= LongWordCache.maxCount { longWords.insert(key, out, count: written) }
            return written
        }
        let key = limit.map { part + 16 <= $0 } ?? false ? WordKey(part, count) : WordKey(atEnd: part, count)
        let hash = key.hash
        if let slot = tables.words.find(key, hash) { return slot.pointee.tokens.store(out) }
        if let slot = words.find(key, hash) { return slot.pointee.tokens.store(out) }
        let written = merge(part, count, into: out)
        if written <= WordTokens.maxCount { words.insert(key, hash, out, count: written) }
        return written
    }

    private func merge(_ piece: UnsafePointer<UInt8>, _ count: Int, into out: UnsafeMutablePointer<TokenID>) -> Int {
        guard count > PieceMerger.scanLimit else { return mergeWindow(piece, count, into: out) }
        guard tables.isOrdered, !tables.lacksBytes else { return mergeWhole(piece, count, into: out) }
        return mergeByWindows(piece, count, into: out)
    }

    private func mergeWindow(_ piece: UnsafePointer<UInt8>, _ count: Int, into out: UnsafeMutablePointer<TokenID>) -> Int {
        guard SpanCache.lengths.contains(count) else { return mergeAnew(piece, count, into: out) }
        let hash = SegmentCache.hash(UnsafeBufferPointer(start: piece, count: count))
        let known = spans.find(piece, count, hash, out)
        if known > 0 { return known }
        let written = mergeAnew(piece, count, into: out)
        spans.insert(piece, count, hash, out, count: written)
        return written
    }

    @inline(__always)
    private func mergeAnew(_ piece: UnsafePointer<UInt8>, _ count: Int, into out: UnsafeMutablePointer<TokenID>) -> Int {
        merger.merge(
            UnsafeBufferPointer(start: piece, count: count), initial: tables.initial.base, pairs: tables.pairs,
            characters: tables.lacksBytes ? nil : tables.characters, into: out)
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
        var smallest = PieceMerger.scanLimit
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
