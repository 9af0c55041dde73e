// Byte-pair encoding of one piece: the lowest rank first, leftmost among equals, as the reference does.
//
// Pieces of up to 64 bytes keep the ranks of all pairs in one small array whose minimum is found with vector compares, over
// links of one byte each. Longer ones keep candidates in a heap: O(n log n), no recursion. Invariant: the buffers only grow
// to the longest piece seen.

struct PieceMerger {
    /// The longest piece that is merged by scanning.
    static let scanLimit = 64

    private let memory = (Slab<TokenID>(scanLimit), Slab<Int32>(scanLimit + 8), Slab<UInt8>(scanLimit), Slab<UInt8>(scanLimit))
    private let ids: UnsafeMutablePointer<TokenID>
    /// rank << 8 | position of the pair that begins at each position; `idle` where nothing merges.
    private let keys: UnsafeMutablePointer<Int32>
    private let next: UnsafeMutablePointer<UInt8>
    private let previous: UnsafeMutablePointer<UInt8>
    private var heap = HeapMerger()
    private static let idle = Int32.max

    init() { (ids, keys, next, previous) = (memory.0.base, memory.1.base, memory.2.base, memory.3.base) }

    /// Writes the encoding of `piece` to `out`, which has room for an id per byte, and returns the number of ids.
    ///
    /// - Parameter characters: characters that may start as tokens; nil starts from bytes.
    @inline(__always) mutating func merge(
        _ piece: UnsafeBufferPointer<UInt8>, initial: UnsafePointer<TokenID>, pairs: PairTable, characters: CharacterTokens?,
        into out: UnsafeMutablePointer<TokenID>
    ) -> Int {
        guard piece.count <= Self.scanLimit else { return heap.merge(piece, initial: initial, pairs: pairs, into: out) }
        var count = 0
        var isASCII = true
        if let characters {
            var index = 0
            var isAfterHigh = false
            while index < piece.count {
                let byte = piece[index]
                if byte >= 0xC2 {
                    let scalar = decodeScalar(piece, at: index)
                    let token = scalar.isValid ? characters.token(scalar.value, afterHighByte: isAfterHigh) : -1
                    isASCII = false
                    isAfterHigh = true
                    if token >= 0 {
                        ids[count] = token
                        count &+= 1
                        index &+= scalar.length
                        continue
                    }
                } else {
                    isAfterHigh = byte >= 0x80
                }
                ids[count] = initial[Int(byte)]
                count &+= 1
                index &+= 1
            }
        } else {
            isASCII = false
            for byte in piece where initial[Int(byte)] >= 0 {
                ids[count] = initial[Int(byte)]
                count &+= 1
            }
        }
        guard count > 1 else {
            out[0] = ids[0]
            return count
        }
        if isASCII {
            for index in 0..<(count &- 1) { setKey(index, pairs.rank(bytes: piece[index], piece[index &+ 1])) }
        } else {
            for index in 0..<(count &- 1) { setKey(index, pairs.rank(ids[index], ids[index &+ 1])) }
        }
        return scan(count, pairs, into: out)
    }

    @inline(__always) private func setKey(_ index: Int, _ rank: UInt32) {
        keys[index] = rank == PairTable.none ? Self.idle : Int32(truncatingIfNeeded: rank) << 8 | Int32(truncatingIfNeeded: index)
    }

    @inline(__always) private func scan(_ count: Int, _ pairs: PairTable, into out: UnsafeMutablePointer<TokenID>) -> Int {
        let vectors = (count &+ 7) >> 3
        for index in (count &- 1)...(vectors &* 8) { keys[index] = Self.idle }
        for index in 0..<count {
            next[index] = UInt8(truncatingIfNeeded: index &+ 1)
            previous[index] = UInt8(truncatingIfNeeded: index &- 1)     // 0xFF before the first
        }
        while true {
            let best = count <= 16 ? minimum(ofFirst: count) : minimum(vectors)
            if best == Self.idle { break }
            let left = Int(best & 0xFF)
            let token = pairs.result(UInt32(bitPattern: best) >> 8)
            let right = Int(next[left])
            let after = Int(next[right])
            ids[left] = token
            keys[right] = Self.idle
            next[left] = UInt8(truncatingIfNeeded: after)
            if after < count {
                previous[after] = UInt8(truncatingIfNeeded: left)
                setKey(left, pairs.rank(token, ids[after]))
            } else {
                keys[left] = Self.idle
            }
            let before = Int(previous[left])
            if before != 0xFF { setKey(before, pairs.rank(ids[before], token)) }
        }
        var written = 0
        var index = 0
        while index < count {
            out[written] = ids[index]
            written &+= 1
            index = Int(next[index])
        }
        return written
    }

    /// One by one where vectors would have to wait for the keys just written.
    @inline(__always) private func minimum(ofFirst count: Int) -> Int32 {
        var even = keys[0]
        var odd = Self.idle
        var index = 1
        while index < count {
            odd = min(odd, keys[index])
            even = min(even, keys[index &+ 1])
            index &+= 2
        }
        return min(even, odd)
    }

    @inline(__always) private func minimum(_ vectors: Int) -> Int32 {
        let raw = UnsafeRawPointer(keys)
        var best = raw.load(as: SIMD8<Int32>.self)
        for index in 1..<max(1, vectors) {
            let other = raw.load(fromByteOffset: index &* 32, as: SIMD8<Int32>.self)
            best.replace(with: other, where: other .< best)
        }
        var half = best.lowHalf
        half.replace(with: best.highHalf, where: best.highHalf .< half)
        return min(min(half[0], half[1]), min(half[2], half[3]))
    }
}
