// Spans of 32 to 256 bytes met before: long pieces, and the windows in which longer ones are merged.
//
// A slot points into a ring that holds the span's bytes and its ids; writing goes round and drops what is oldest, so nothing is
// ever freed or moved. Invariants: an entry is the encoding of its bytes alone, compared in full before it is used; memory is
// fixed; an entry lies in the ring without a break.
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

struct SpanCache {
    static let lengths = 32...256
    private static let ringSize = 1 << 21
    private static let slotCount = 1 << 14

    private struct Slot: BitwiseCopyable {
        var hash: UInt64 = 0
        /// Where its bytes begin, counted over all rounds; the ids follow at the next multiple of four.
        var start = 0
        var byteCount: Int32 = 0
        var idCount: Int32 = 0
    }

    private let slots = Slab<Slot>(slotCount)
    private let ring = Slab<UInt8>(ringSize)
    /// Bytes written over all rounds.
    private var head = 0

    @inline(__always) private func slot(_ hash: UInt64) -> UnsafeMutablePointer<Slot> {
        slots.base + Int(truncatingIfNeeded: hash >> 40) & (Self.slotCount - 1)
    }

    @inline(__always) private static func idOffset(_ byteCount: Int) -> Int { (byteCount &+ 3) & ~3 }

    /// Writes the ids of a span and returns their number; 0 when it is not known.
    @inline(__always)
    func find(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ hash: UInt64, _ out: UnsafeMutablePointer<TokenID>) -> Int {
        let slot = slot(hash).pointee
        guard slot.hash == hash, slot.byteCount == count, head &- slot.start <= Self.ringSize else { return 0 }
        let entry = ring.base + slot.start & (Self.ringSize - 1)
        guard memcmp(entry, bytes, count) == 0 else { return 0 }
        let idCount = Int(slot.idCount)
        memcpy(out, entry + Self.idOffset(count), idCount &* MemoryLayout<TokenID>.stride)
        return idCount
    }

    mutating func insert(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, _ hash: UInt64, _ ids: UnsafePointer<TokenID>, count idCount: Int
    ) {
        let size = Self.idOffset(count) &+ idCount &* MemoryLayout<TokenID>.stride
        if head & (Self.ringSize - 1) &+ size > Self.ringSize { head = (head | (Self.ringSize - 1)) &+ 1 }
        let entry = ring.base + head & (Self.ringSize - 1)
        memcpy(entry, bytes, count)
        memcpy(entry + Self.idOffset(count), ids, idCount &* MemoryLayout<TokenID>.stride)
        slot(hash).pointee = Slot(
            hash: hash, start: head, byteCount: Int32(truncatingIfNeeded: count), idCount: Int32(truncatingIfNeeded: idCount))
        head &+= size
    }
}
