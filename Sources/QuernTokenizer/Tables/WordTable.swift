// Short words and what they encode to: keys of up to 15 bytes, packed into two registers, with up to four ids inline.
//
// A slot is half a cache line: probing costs one load, emitting one store. The vocabulary's own words make a table that
// threads share; each encoder adds a WordCache of what it has met. Invariant: an entry is the encoding of its bytes alone,
// never the id of an equally spelled token that merging does not produce.
import CQuernText

struct WordKey: Equatable, BitwiseCopyable {
    /// Bytes 0..<8.
    var low: UInt64
    /// Bytes 8..<15, and the length in the top byte: never zero.
    var high: UInt64

    static let maxLength = 15
    /// No word's key.
    static let long = WordKey(low: 0, high: 0xFF << 56)

    private init(low: UInt64, high: UInt64) { (self.low, self.high) = (low, high) }

    /// The key of `count` bytes, 1...15, of which 16 may be read.
    @inline(__always) init(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
        let raw = UnsafeRawPointer(bytes)
        let a = UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self))
        let b = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        let isLong = count > 8
        let kept = UInt64.max >> UInt64(truncatingIfNeeded: (64 &- 8 &* (isLong ? count &- 8 : count)) & 63)
        low = isLong ? a : a & kept
        high = (isLong ? b & kept : 0) | UInt64(truncatingIfNeeded: count) << 56
    }

    /// The same where fewer than 16 bytes may be read.
    @inline(never) init(atEnd bytes: UnsafePointer<UInt8>, _ count: Int) {
        low = 0
        high = UInt64(count) << 56
        for index in 0..<count {
            if index < 8 {
                low |= UInt64(bytes[index]) << UInt64(8 * index)
            } else {
                high |= UInt64(bytes[index]) << UInt64(8 * (index - 8))
            }
        }
    }

    @inline(__always) var hash: UInt64 {
        let product = (low ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: high ^ 0xD6E8_FEB8_6659_FD93)
        return product.high ^ product.low
    }
}

/// Up to four ids; the number of them in the top byte of the last.
struct WordTokens: BitwiseCopyable {
    private let lanes: SIMD4<UInt32>

    static let maxCount = 4

    init(_ ids: UnsafePointer<TokenID>, count: Int) {
        var lanes = SIMD4<UInt32>()
        for index in 0..<count { lanes[index] = UInt32(bitPattern: ids[index]) }
        lanes[3] |= UInt32(count) << 24
        self.lanes = lanes
    }

    /// Writes four ids, of which the returned number count.
    @inline(__always) func store(_ out: UnsafeMutablePointer<TokenID>) -> Int {
        let ids = lanes & SIMD4(repeating: 0x00FF_FFFF)
        UnsafeMutableRawPointer(out).storeBytes(of: ids, as: SIMD4<UInt32>.self)
        return Int(truncatingIfNeeded: lanes[3] >> 24)
    }
}

struct WordSlot: BitwiseCopyable {
    var low: UInt64 = 0
    var high: UInt64 = 0
    var tokens: WordTokens

    @inline(__always) func holds(_ key: WordKey) -> Bool { (low ^ key.low) | (high ^ key.high) == 0 }
}

/// The words of a vocabulary. Invariant: at most three fifths full.
struct WordTable: @unchecked Sendable {
    private let slab: Slab<WordSlot>
    private let slots: UnsafeMutablePointer<WordSlot>
    private let mask: Int

    /// - Parameter capacity: how many words will be added at most.
    init(capacity: Int) {
        var size = 64
        while size * 3 < capacity * 5 { size *= 2 }
        slab = Slab(size)
        slots = slab.base
        mask = size - 1
    }

    /// Adds a word that encodes to one token; a word that is there already stays.
    func insert(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ token: TokenID) {
        let key = WordKey(atEnd: bytes, count)
        var slot = Int(truncatingIfNeeded: key.hash) & mask
        while slots[slot].high != 0 {
            if slots[slot].holds(key) { return }
            slot = (slot + 1) & mask
        }
        let tokens = withUnsafePointer(to: token) { WordTokens($0, count: 1) }
        slots[slot] = WordSlot(low: key.low, high: key.high, tokens: tokens)
    }

    @inline(__always) func find(_ key: WordKey, _ hash: UInt64) -> UnsafeMutablePointer<WordSlot>? {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let place = slots + slot
            if place.pointee.holds(key) { return place }
            if place.pointee.high == 0 { return nil }
            slot = (slot &+ 1) & mask
        }
    }
}

/// Words met before, at most `capacity`: two to a cache line, the newer in front, the older dropped.
struct WordCache {
    static let capacity = 1 << 16
    private let slab = Slab<WordSlot>(capacity)

    @inline(__always) private func line(_ hash: UInt64) -> UnsafeMutablePointer<WordSlot> {
        slab.base + (Int(truncatingIfNeeded: hash >> 32) & (Self.capacity - 2))
    }

    @inline(__always) func find(_ key: WordKey, _ hash: UInt64) -> UnsafeMutablePointer<WordSlot>? {
        let line = line(hash)
        if line[0].holds(key) { return line }
        return line[1].holds(key) ? line + 1 : nil
    }

    @inline(__always) func prefetch(_ hash: UInt64) { qt_prefetch(line(hash)) }

    func insert(_ key: WordKey, _ hash: UInt64, _ ids: UnsafePointer<TokenID>, count: Int) {
        insert(key, hash, WordTokens(ids, count: count))
    }

    func insert(_ key: WordKey, _ hash: UInt64, _ tokens: WordTokens) {
        let line = line(hash)
        line[1] = line[0]
        line[0] = WordSlot(low: key.low, high: key.high, tokens: tokens)
    }
}
