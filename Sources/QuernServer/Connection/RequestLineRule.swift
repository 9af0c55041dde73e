// RFC 9112, 3: one space after the method and one before the version. The decoder takes any number, as the RFC lets it.
//
// Looks at the first line of a connection alone: where a later request begins only the decoder knows.
import NIOCore

struct RequestLineRule {
    static let problem =
        "this is not an HTTP request (two spaces in a row in its first line); prompts as plain bytes go to the pipe socket"
    private var previous: UInt8 = 0
    /// Empty lines may come before.
    private var hasBegun = false
    private var isOver = false

    /// False when `bytes`, which follow those of the calls before, break the rule.
    mutating func allows(_ bytes: ByteBufferView) -> Bool {
        guard !isOver else { return true }
        for byte in bytes {
            if byte == 0x0A && hasBegun {
                isOver = true
                return true
            }
            if byte == 0x20 && previous == 0x20 { return false }
            hasBegun = hasBegun || (byte != 0x0D && byte != 0x0A)
            previous = byte
        }
        return true
    }
}
