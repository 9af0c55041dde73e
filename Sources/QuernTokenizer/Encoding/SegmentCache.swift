// Segments encoded before, whole: what makes turn N+1 of a chat cost only its new text.
//
// Text on either side of an added token encodes independently, so reuse between them is exact. Entries are compared byte by
// byte: a hash chooses the place, never the answer. Invariant: texts and ids together stay within `capacity` bytes; the
// oldest go first.
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

struct SegmentCache {
    static let minLength = 256
    static let capacity = 4 << 20

    private struct Entry {
        let hash: UInt64
        let text: [UInt8]
        let ids: [TokenID]
        var size: Int { text.count + ids.count * MemoryLayout<TokenID>.stride }
    }

    private var entries: [UInt64: Entry] = [:]
    /// Oldest first.
    private var order: [UInt64] = []
    private var size = 0

    static func hash(_ text: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var state = UInt64(text.count) &* 0x9E37_79B9_7F4A_7C15
        let raw = UnsafeRawBufferPointer(text)
        var index = 0
        while index + 8 <= raw.count {
            let product = (state ^ raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
                .multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
            state = product.high ^ product.low
            index += 8
        }
        while index < raw.count {
            state = (state ^ UInt64(raw[index])) &* 0x100_0000_01B3
            index += 1
        }
        return state ^ (state >> 31)
    }

    func find(_ text: UnsafeBufferPointer<UInt8>, _ hash: UInt64) -> [TokenID]? {
        guard let entry = entries[hash], entry.text.count == text.count, let base = text.baseAddress,
            memcmp(entry.text, base, text.count) == 0
        else { return nil }
        return entry.ids
    }

    mutating func insert(_ text: UnsafeBufferPointer<UInt8>, _ hash: UInt64, ids: UnsafeBufferPointer<TokenID>) {
        let entry = Entry(hash: hash, text: Array(text), ids: Array(ids))
        guard entry.size <= Self.capacity / 2, entries[hash] == nil else { return }
        var dropped = 0
        while size + entry.size > Self.capacity {
            size -= entries.removeValue(forKey: order[dropped])?.size ?? 0
            dropped += 1
        }
        order.removeFirst(dropped)
        entries[hash] = entry
        order.append(hash)
        size += entry.size
    }
}
