// NFC over UTF-8, touching only what may change.
//
// Text is scanned for characters that fail the quick check of UAX #15; only the span from the last safe character before
// one to the next safe character after it is decomposed and composed. A safe character (a starter that NFC leaves alone
// and that joins to nothing before it) ends a span, so the result equals the normal form of the whole text. Invariant:
// invalid UTF-8 is copied as it is.

struct Normalizer: Sendable {
    private var composer = Composer()
    private var scalars: [UInt32] = []

    /// Replaces `out` by the normal form C of `bytes`.
    mutating func nfc(_ bytes: UnsafeBufferPointer<UInt8>, into out: inout [UInt8]) {
        let table = CharacterTable.shared
        out.removeAll(keepingCapacity: true)
        out.reserveCapacity(bytes.count + bytes.count / 8)
        var copied = 0              // bytes[..<copied] are in `out`
        var safe = 0                // start of the last safe character
        var followsNonStarter = false
        var index = 0
        while index < bytes.count {
            if bytes[index] < 0x80 {
                safe = index
                followsNonStarter = false
                index += 1
                continue
            }
            let scalar = decodeScalar(bytes, at: index)
            guard scalar.isValid else {
                index += 1
                safe = index
                followsNonStarter = false
                continue
            }
            let flags = table[scalar.value]
            let isNonStarter = flags & CharacterTable.nonStarter != 0
            guard flags & CharacterTable.suspect != 0 || isNonStarter && followsNonStarter else {
                if !isNonStarter { safe = index }
                followsNonStarter = isNonStarter
                index += scalar.length
                continue
            }
            let end = collect(bytes, from: safe, through: index)
            if composer.normalize(&scalars) {
                out.append(contentsOf: bytes[copied..<safe])
                for scalar in scalars { appendScalar(scalar, to: &out) }
                copied = end
            }
            index = end
            safe = end
            followsNonStarter = false
        }
        out.append(contentsOf: bytes[copied...])
    }

    /// Fills `scalars` from `start` to the next safe character after `suspect`; returns where that is.
    private mutating func collect(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, through suspect: Int) -> Int {
        scalars.removeAll(keepingCapacity: true)
        var end = start
        while end < bytes.count {
            let next = decodeScalar(bytes, at: end)
            let joins = CharacterTable.suspect | CharacterTable.nonStarter
            guard next.isValid, end <= suspect || CharacterTable.shared[next.value] & joins != 0 else { break }
            scalars.append(next.value)
            end += next.length
        }
        return end
    }
}
