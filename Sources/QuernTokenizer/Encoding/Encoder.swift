// Encodes text with one thread's caches and buffers.
//
// Owns everything mutable: word caches, segment cache, scratch, output. The tables are shared. A segment (text between added
// tokens) is cut into pieces (qt_cut), which are looked up or merged (qt_encode); long ones go to Encoder+Pieces. Invariants:
// memory is bounded by the caches' capacity and the text being encoded; nothing here depends on what was encoded before, except speed.
import CQuernText

final class Encoder {
    let tables: EncodingTables
    var merger = PieceMerger()
    let caches = WordCaches()
    private var segments = SegmentCache()
    private var normalizer = Normalizer()
    private var normalized: [UInt8] = []
    private(set) var output = TokenBuffer()
    private let usesSegmentCache: Bool
    private let windows = qt_windows_resolve(nil)
    /// Where the pieces at hand begin.
    private let starts = Slab<UInt32>(1024)

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
        let end = cut(text, range, stopsAtSuspects: tables.normalizes)
        guard end < range.upperBound else { return }
        // Something from `end` on may not be in normal form: the rest of the segment is normalised and cut as it is.
        normalizer.nfc(UnsafeBufferPointer(rebasing: text[end..<range.upperBound]), into: &normalized)
        normalized.withUnsafeBufferPointer { _ = cut($0, 0..<$0.count, stopsAtSuspects: false) }
        if normalized.capacity > 4 * TextCut.stride { normalized = [] }
    }

    /// Encodes the pieces of a segment; returns where it stopped, before the first piece with a suspect character in or right
    /// behind it.
    private func cut(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, stopsAtSuspects: Bool) -> Int {
        guard let base = text.baseAddress else { return range.upperBound }
        var scan = qt_scan(
            text: base, end: range.upperBound, limit: text.count, flags: CharacterTable.shared.flags, family: tables.family,
            stops_at_suspects: stopsAtSuspects ? 1 : 0)
        // One id per byte at most, and room for the ids that are stored but do not count.
        let first = output.reserve(range.count + 8)
        var out = first
        var position = range.lowerBound
        while position < range.upperBound {
            let start = base + position
            let count = qt_cut(windows, &scan, &position, starts.base, starts.count)
            if count == 0 { break }
            var progress = qt_progress()
            repeat {
                out += qt_encode(
                    tables.words, caches.state, start, base + text.count, starts.base, count, base + position - start,
                    &progress, out)
                if progress.stuck > 0 { out += encodeLongPiece(start + progress.start, progress.stuck, into: out) }
            } while progress.stuck > 0
        }
        output.advance(out - first)
        return position
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
