// Which line of a JSON text each key is on. Values are values in this project's JSON reader, without places; messages about a
// configuration file need them.
import QuernJSON

/// - Precondition: the text was accepted by the reader.
struct JSONKeyLines {
    private var lines: [String: Int] = [:]

    /// The line of a key, given its path from the root: `models/coder/context`.
    subscript(path: String) -> Int? { lines[path] }

    init(_ bytes: [UInt8]) {
        var path: [String] = []         // keys of the objects that are open, innermost last
        var isObject: [Bool] = []
        var expectsKey = false
        var (line, index) = (1, 0)
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\n"): line += 1
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                let opensObject = bytes[index] == UInt8(ascii: "{")
                isObject.append(opensObject)
                path.append("")
                expectsKey = opensObject
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                isObject.removeLast()
                path.removeLast()
                expectsKey = false
            case UInt8(ascii: ","): expectsKey = isObject.last == true
            case UInt8(ascii: "\""):
                let end = Self.end(of: index, in: bytes)
                if expectsKey, let key = try? JSONValue(parsing: Array(bytes[index...end])).stringValue {
                    path[path.count - 1] = key
                    lines[path.joined(separator: "/")] = line
                    expectsKey = false
                }
                index = end
            default: break
            }
            index += 1
        }
    }

    /// The closing quote of the string that opens at `start`.
    private static func end(of start: Int, in bytes: [UInt8]) -> Int {
        var index = start + 1
        while index < bytes.count - 1, bytes[index] != UInt8(ascii: "\"") { index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1 }
        return min(index, bytes.count - 1)
    }
}
