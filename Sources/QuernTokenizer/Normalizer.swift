// NFC over UTF-8, touching only what may change.
//
// Text is scanned for suspect characters; only the span from the last safe character before one to the next safe character
// after it is decomposed and composed. A safe character (a starter that NFC leaves alone and that joins to nothing before
// it) ends a span, so the result equals the normal form of the whole text. Invariant: text without suspects is not copied.

enum Normalizer {
    /// The normal form C of `bytes`; nil when it is the same. Invalid UTF-8 is left as it is.
    static func nfc(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        CharacterTable.flags.withUnsafeBufferPointer { flags in nfc(bytes, flags) }
    }

    private static func nfc(_ bytes: UnsafeBufferPointer<UInt8>, _ flags: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        var out: [UInt8] = []
        var copied = 0          // bytes[..<copied] are in `out`
        var safe: Int?          // start of the last safe character
        var index = 0
        while index < bytes.count {
            let scalar = decodeScalar(bytes, at: index)
            guard scalar.isValid && flags[Int(scalar.value)] & CharacterTable.suspect != 0 else {
                safe = scalar.isValid ? index : nil
                index += scalar.length
                continue
            }
            let start = max(safe ?? index, copied)
            var scalars: [UInt32] = []
            var end = start
            while end < bytes.count {
                let next = decodeScalar(bytes, at: end)
                guard next.isValid, end <= index || flags[Int(next.value)] & CharacterTable.suspect != 0 else { break }
                scalars.append(next.value)
                end += next.length
            }
            let normal = Composition.tables.normalize(scalars)
            if normal != scalars {
                out.append(contentsOf: bytes[copied..<start])
                for scalar in normal { appendScalar(scalar, to: &out) }
                copied = end
            }
            index = end
            safe = nil
        }
        guard copied > 0 else { return nil }
        out.append(contentsOf: bytes[copied...])
        return out
    }
}
