// Encodes text with one thread's caches and buffers.
//
// Owns everything mutable: word caches, segment cache, scratch, output. The tables are shared. A segment (text between added
// tokens) is cut into pieces by a Scanner; a piece of up to 15 bytes is a key of two registers looked up in the vocabulary's
// words, then in what this encoder has met; the rest goes to Encoder+Pieces. Invariants: memory is bounded by the caches'
// capacity and the text being encoded; nothing here depends on what was encoded before, except speed.

final class Encoder {
    let tables: EncodingTables
    var merger = PieceMerger()
    var words = WordCache()
    var longWords = LongWordCache()
    var spans = SpanCache()
    private var segments = SegmentCache()
    private var normalizer = Normalizer()
    private var normalized: [UInt8] = []
    private(set) var output = TokenBuffer()
    /// Where readable memory ends for the text at hand: keys are loaded 16 bytes at a time.
    var limit: UnsafePointer<UInt8>?
    private let usesSegmentCache: Bool

    init(_ tables: EncodingTables, usesSegmentCache: Bool) {
        self.tables = tables
        self.usesSegmentCache = usesSegmentCache
    }

    /// Encodes `text` into `output`, replacing what it held. Added tokens are recognised where they lie within one of
    /// `trusted`, which are ascending and disjoint.
    func encode(_ text: UnsafeBufferPointer<UInt8>, trusted: [Range<Int>]) {
        output.removeAll()
        var start = 0
        for range in trusted {
            var from = range.lowerBound
            while let match = tables.addedTokens.next(text, in: from..<range.upperBound) {
                encodeSegment(text, start..<match.range.lowerBound)
                output.append(match.id)
                start = match.range.upperBound
                from = start
            }
        }
        encodeSegment(text, start..<text.count)
    }

    /// Text of any length is encoded in parts that end where pieces end, so that buffers stay small.
    private func encodeSegment(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
        var start = range.lowerBound
        while range.upperBound - start > 2 * TextCut.stride {
            let part = UnsafeBufferPointer(rebasing: text[start..<range.upperBound])
            guard let cut = TextCut.last(in: part, before: TextCut.stride) ?? TextCut.first(in: part, from: TextCut.stride) else { break }
            encodeWhole(text, start..<(start + cut))
            start += cut
        }
        if start < range.upperBound { encodeWhole(text, start..<range.upperBound) }
    }

    private func encodeWhole(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
        guard usesSegmentCache, range.count >= SegmentCache.minLength else { return encodePieces(text, range) }
        let segment = UnsafeBufferPointer(rebasing: text[range])
        let hash = SegmentCache.hash(segment)
        if let ids = segments.find(segment, hash) { return output.append(ids) }
        let before = output.count
        encodePieces(text, range)
        segments.insert(segment, hash, ids: UnsafeBufferPointer(rebasing: output.ids[before...]))
    }

    private func encodePieces(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
        let suspect = tables.normalizes ? CharacterTable.suspect : 0
        let end = cut(text, range, stopAt: suspect)
        guard end < range.upperBound else { return }
        // Something from `end` on may not be in normal form: the rest of the segment is normalised and cut as it is.
        normalizer.nfc(UnsafeBufferPointer(rebasing: text[end..<range.upperBound]), into: &normalized)
        normalized.withUnsafeBufferPointer { _ = cut($0, 0..<$0.count, stopAt: 0) }
        if normalized.capacity > 4 * TextCut.stride { normalized = [] }
    }

    /// Encodes the pieces of a segment; returns where it stopped, before the first piece with a character of `stopAt` in
    /// or right behind it.
    private func cut(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, stopAt: UInt8) -> Int {
        guard let base = text.baseAddress else { return range.upperBound }
        limit = base + text.count
        let scanner = Scanner(base, end: range.upperBound, limit: text.count)
        switch tables.family {
        case .qwen2: return cut(scanner, range, stopAt) { $0.cl100k($1, CL100KRules(marksJoin: false, maxDigits: 1)) }
        case .qwen35: return cut(scanner, range, stopAt) { $0.cl100k($1, CL100KRules(marksJoin: true, maxDigits: 1)) }
        case .llama3: return cut(scanner, range, stopAt) { $0.cl100k($1, CL100KRules(marksJoin: false, maxDigits: 3)) }
        case .gpt2: return cut(scanner, range, stopAt) { $0.gpt2($1, isolatesDigits: false) }
        case .smollm2: return cut(scanner, range, stopAt) { $0.gpt2($1, isolatesDigits: true) }
        }
    }

    @inline(__always) private func cut(
        _ start: Scanner, _ range: Range<Int>, _ stopAt: UInt8, _ next: (inout Scanner, Int) -> Int
    ) -> Int {
        var scanner = start
        var index = range.lowerBound
        // One id per byte at most, and room for the ids that are stored but do not count.
        var out = output.reserve(range.count + 2 * LongWordCache.maxCount)
        let first = out
        let vocabulary = tables.words
        let cache = words
        let initial = tables.initial.base
        let wholeTokens = tables.ignoresMerges
        while index < range.upperBound {
            let end = next(&scanner, index)
            if scanner.seen & stopAt != 0 { break }
            let piece = scanner.bytes + index
            let count = end &- index
            if count == 1 {
                out.pointee = initial[Int(piece.pointee)]
                if out.pointee >= 0 { out += 1 }
            } else if count <= WordKey.maxLength {
                let key = end &+ 15 <= scanner.limit ? WordKey(piece, count) : WordKey(atEnd: piece, count)
                let hash = key.hash
                if let slot = vocabulary.find(key, hash) {
                    out += slot.pointee.tokens.store(out)
                } else if let slot = cache.find(key, hash) {
                    out += slot.pointee.tokens.store(out)
                } else {
                    out += encodeNewWord(piece, count, key, hash, into: out)
                }
            } else {
                out += encodeLongPiece(piece, count, wholeTokens: wholeTokens, into: out)
            }
            index = end
        }
        output.advance(out - first)
        return index
    }
}

/// A growing buffer of ids that is written through pointers.
struct TokenBuffer: @unchecked Sendable {
    private var storage = Slab<TokenID>(1 << 12)
    private(set) var count = 0

    var ids: UnsafeMutableBufferPointer<TokenID> { UnsafeMutableBufferPointer(start: storage.base, count: count) }

    mutating func removeAll() {
        count = 0
        // What one large text needed is not kept.
        if storage.count > 1 << 20 { storage = Slab(1 << 12) }
    }

    /// Room for `extra` more ids behind the last.
    mutating func reserve(_ extra: Int) -> UnsafeMutablePointer<TokenID> {
        if storage.count - count < extra {
            let larger = Slab<TokenID>(max(count + extra, storage.count * 2))
            larger.base.update(from: storage.base, count: count)
            storage = larger
        }
        return storage.base + count
    }

    /// Counts ids written behind the last.
    mutating func advance(_ added: Int) { count += added }

    mutating func append(_ id: TokenID) {
        reserve(1).pointee = id
        count += 1
    }

    mutating func append(_ more: [TokenID]) {
        let target = reserve(more.count)
        more.withUnsafeBufferPointer { if let source = $0.baseAddress { target.update(from: source, count: $0.count) } }
        count += more.count
    }
}
