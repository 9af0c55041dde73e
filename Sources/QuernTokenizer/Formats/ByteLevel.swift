// GPT-2's spelling of bytes as printable characters, as vocabularies on disk use it.
//
// Printable Latin-1 stands for itself; the other 68 bytes are U+0100, U+0101, … in order.

enum ByteLevel {
    private static let isPlain: [Bool] = (0..<256).map { (0x21...0x7E).contains($0) || (0xA1...0xAC).contains($0) || $0 >= 0xAE }

    /// Scalar value → byte, for values below 0x144; -1 where there is none.
    private static let bytes: [Int16] = {
        var table = [Int16](repeating: -1, count: 0x144)
        var next = 0x100
        for byte in 0..<256 {
            if isPlain[byte] {
                table[byte] = Int16(byte)
            } else {
                table[next] = Int16(byte)
                next += 1
            }
        }
        return table
    }()

    /// Appends the bytes spelled by UTF-8 text; false, with nothing appended, when a character stands for no byte.
    static func decode(_ spelled: some Collection<UInt8>, into out: inout [UInt8]) -> Bool {
        let start = out.count
        var iterator = spelled.makeIterator()
        while let first = iterator.next() {
            var scalar = Int(first)
            if first >= 0x80 {
                // Every character of the alphabet is below U+0800: two bytes.
                guard first & 0xE0 == 0xC0, let second = iterator.next(), second & 0xC0 == 0x80 else {
                    out.removeSubrange(start...)
                    return false
                }
                scalar = Int(first & 0x1F) << 6 | Int(second & 0x3F)
            }
            guard scalar < bytes.count, bytes[scalar] >= 0 else {
                out.removeSubrange(start...)
                return false
            }
            out.append(UInt8(truncatingIfNeeded: bytes[scalar]))
        }
        return true
    }
}
