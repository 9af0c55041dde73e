// Decoding one scalar at a place in a byte buffer, without String.
//
// Bytes that are not valid UTF-8 count as one-byte characters of class "other", so that every offset advances and nothing
// is read outside the buffer.

struct DecodedScalar {
    var value: UInt32
    var length: Int
    var isValid: Bool
}

@inline(__always)
func decodeScalar(_ bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> DecodedScalar {
    let first = bytes[index]
    if first < 0x80 { return DecodedScalar(value: UInt32(first), length: 1, isValid: true) }
    return decodeLongScalar(bytes, at: index, first: first)
}

private func decodeLongScalar(_ bytes: UnsafeBufferPointer<UInt8>, at index: Int, first: UInt8) -> DecodedScalar {
    let invalid = DecodedScalar(value: UInt32(first), length: 1, isValid: false)
    let length: Int
    var value: UInt32
    switch first {
    case 0xC2...0xDF: (length, value) = (2, UInt32(first & 0x1F))
    case 0xE0...0xEF: (length, value) = (3, UInt32(first & 0x0F))
    case 0xF0...0xF4: (length, value) = (4, UInt32(first & 0x07))
    default: return invalid
    }
    guard length <= bytes.count - index else { return invalid }
    for offset in 1..<length {
        let next = bytes[index + offset]
        guard next & 0xC0 == 0x80 else { return invalid }
        value = value << 6 | UInt32(next & 0x3F)
    }
    let least: [UInt32] = [0, 0, 0x80, 0x800, 0x10000]
    guard value >= least[length], value < 0x110000, !(0xD800..<0xE000).contains(value) else { return invalid }
    return DecodedScalar(value: value, length: length, isValid: true)
}

/// Appends the UTF-8 form of a valid scalar.
func appendScalar(_ scalar: UInt32, to bytes: inout [UInt8]) {
    switch scalar {
    case 0..<0x80: bytes.append(UInt8(scalar))
    case 0x80..<0x800:
        bytes.append(UInt8(0xC0 | scalar >> 6))
        bytes.append(UInt8(0x80 | scalar & 0x3F))
    case 0x800..<0x10000:
        bytes.append(UInt8(0xE0 | scalar >> 12))
        bytes.append(UInt8(0x80 | scalar >> 6 & 0x3F))
        bytes.append(UInt8(0x80 | scalar & 0x3F))
    default:
        bytes.append(UInt8(0xF0 | scalar >> 18 & 0x07))
        bytes.append(UInt8(0x80 | scalar >> 12 & 0x3F))
        bytes.append(UInt8(0x80 | scalar >> 6 & 0x3F))
        bytes.append(UInt8(0x80 | scalar & 0x3F))
    }
}
