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
    decodeScalar(bytes.baseAddress!, at: index, end: bytes.count)
}

/// The scalar at `index`, which is before `end`.
@inline(__always)
func decodeScalar(_ bytes: UnsafePointer<UInt8>, at index: Int, end: Int) -> DecodedScalar {
    let first = bytes[index]
    if first < 0x80 { return DecodedScalar(value: UInt32(first), length: 1, isValid: true) }
    let left = end &- index
    if first & 0xF0 == 0xE0, left >= 3 {
        let second = bytes[index &+ 1]
        let third = bytes[index &+ 2]
        let value = UInt32(first & 0x0F) << 12 | UInt32(second & 0x3F) << 6 | UInt32(third & 0x3F)
        if second & 0xC0 == 0x80, third & 0xC0 == 0x80, value >= 0x800, value & 0xF800 != 0xD800 {
            return DecodedScalar(value: value, length: 3, isValid: true)
        }
    } else if first & 0xE0 == 0xC0, first >= 0xC2, left >= 2 {
        let second = bytes[index &+ 1]
        if second & 0xC0 == 0x80 {
            return DecodedScalar(value: UInt32(first & 0x1F) << 6 | UInt32(second & 0x3F), length: 2, isValid: true)
        }
    } else if first & 0xF8 == 0xF0, left >= 4 {
        let second = bytes[index &+ 1]
        let third = bytes[index &+ 2]
        let fourth = bytes[index &+ 3]
        let value = UInt32(first & 0x07) << 18 | UInt32(second & 0x3F) << 12 | UInt32(third & 0x3F) << 6 | UInt32(fourth & 0x3F)
        if second & 0xC0 == 0x80, third & 0xC0 == 0x80, fourth & 0xC0 == 0x80, value >= 0x10000, value < 0x110000 {
            return DecodedScalar(value: value, length: 4, isValid: true)
        }
    }
    return DecodedScalar(value: UInt32(first), length: 1, isValid: false)
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
