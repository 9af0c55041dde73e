// The object that the beginning of a JSON text holds: what is complete of it, when the rest was cut off.
//
// Invariant: clients that read a stream of JSON as far as it goes come to the same object.
import QuernJSON

enum JSONPrefix {
    /// A last value that could stand as it is counts as complete; text that begins no object is an empty one.
    static func object(_ text: String) -> JSONValue {
        let bytes = Array(text.utf8)
        // The longest prefix that certainly ends with a value, and the brackets that are open there.
        var open: [UInt8] = []
        var kept: (count: Int, open: [UInt8]) = (0, [])
        var isInString = false
        var isEscaped = false
        for (index, byte) in bytes.enumerated() {
            if isInString {
                if byte == UInt8(ascii: "\""), !isEscaped { isInString = false }
                isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                open.append(byte == UInt8(ascii: "{") ? UInt8(ascii: "}") : UInt8(ascii: "]"))
                kept = (index + 1, open)
            case UInt8(ascii: ","): kept = (index, open)
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard open.popLast() == byte else { return [:] }
                kept = (index + 1, open)
            default: break
            }
        }
        return closed(bytes[...], open) ?? closed(bytes[..<kept.count], kept.open) ?? [:]
    }

    private static func closed(_ bytes: ArraySlice<UInt8>, _ open: [UInt8]) -> JSONValue? {
        let value = try? JSONValue(parsing: Array(bytes) + open.reversed())
        return value?.objectValue == nil ? nil : value
    }
}
