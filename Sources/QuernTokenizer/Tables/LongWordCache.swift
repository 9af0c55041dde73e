// Words of 16 to 31 bytes, or of five to eight tokens, met before: one cache line each, a collision replaces.
//
// Invariant as for WordTable: an entry is the encoding of its bytes alone. Memory is fixed.

struct LongWordCache {
    static let maxLength = 31
    static let maxCount = 8
    private static let capacity = 1 << 14
    private static let stride = 8           // 64-bit words of a slot: 32 bytes of key with the length in the last, 8 ids

    private let slab = Slab<UInt64>(capacity * stride)

    struct Key {
        fileprivate var words: SIMD4<UInt64>
        fileprivate let hash: UInt64

        /// The key of `count` bytes, 1...31.
        @inline(__always) init(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
            var words = SIMD4<UInt64>()
            withUnsafeMutableBytes(of: &words) { target in
                target.baseAddress!.copyMemory(from: bytes, byteCount: count)
                target[31] = UInt8(truncatingIfNeeded: count)
            }
            self.words = words
            let a = (words[0] ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: words[1] ^ 0xD6E8_FEB8_6659_FD93)
            let b = (words[2] ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: words[3] ^ 0xE703_7ED1_A0B4_28DB)
            hash = (a.high ^ b.low) &+ (a.low ^ b.high)
        }
    }

    @inline(__always) private func slot(_ key: Key) -> UnsafeMutablePointer<UInt64> {
        slab.base + (Int(truncatingIfNeeded: key.hash >> 20) & (Self.capacity - 1)) * Self.stride
    }

    /// Writes the eight ids of `key`'s entry and returns how many count; 0 when there is none.
    @inline(__always) func find(_ key: Key, _ out: UnsafeMutablePointer<TokenID>) -> Int {
        let raw = UnsafeRawPointer(slot(key))
        guard raw.load(as: SIMD4<UInt64>.self) == key.words else { return 0 }
        let lanes = raw.load(fromByteOffset: 32, as: SIMD8<UInt32>.self)
        UnsafeMutableRawPointer(out).storeBytes(of: lanes & SIMD8(repeating: 0x00FF_FFFF), as: SIMD8<UInt32>.self)
        return Int(truncatingIfNeeded: lanes[7] >> 24)
    }

    func insert(_ key: Key, _ ids: UnsafePointer<TokenID>, count: Int) {
        var lanes = SIMD8<UInt32>()
        for index in 0..<count { lanes[index] = UInt32(bitPattern: ids[index]) }
        lanes[7] |= UInt32(count) << 24
        let raw = UnsafeMutableRawPointer(slot(key))
        raw.storeBytes(of: key.words, as: SIMD4<UInt64>.self)
        raw.storeBytes(of: lanes, toByteOffset: 32, as: SIMD8<UInt32>.self)
    }
}
