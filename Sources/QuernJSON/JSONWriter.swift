// JSON text from a value: compact for the wire, or exactly as Python's json.dumps prints it (chat templates' `tojson`).

/// How a value is printed.
public struct JSONStyle: Sendable {
    public var itemSeparator: String
    public var keySeparator: String
    /// Spaces per level; nil prints on one line.
    public var indent: Int?
    /// Escape everything outside ASCII, as Python does by default.
    public var escapesNonASCII = false
    public var sortsKeys = false

    public init(itemSeparator: String = ",", keySeparator: String = ":", indent: Int? = nil) {
        self.itemSeparator = itemSeparator
        self.keySeparator = keySeparator
        self.indent = indent
    }

    /// No white space at all.
    public static let compact = JSONStyle()
    /// Two spaces per level, for people.
    public static let pretty = JSONStyle(itemSeparator: ",", keySeparator: ": ", indent: 2)
    /// `json.dumps(value, ensure_ascii=False)`.
    public static let python = JSONStyle(itemSeparator: ", ", keySeparator: ": ")
}

extension JSONValue {
    public func serialized(_ style: JSONStyle = .compact) -> String {
        var writer = JSONWriter(style: style)
        writer.write(self, level: 0)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

private struct JSONWriter {
    let style: JSONStyle
    var bytes: [UInt8] = []

    mutating func write(_ value: JSONValue, level: Int) {
        switch value {
        case .null: append("null")
        case .bool(let value): append(value ? "true" : "false")
        case .int(let value): append(String(value))
        case .bigInteger(let digits): append(digits)
        case .double(let value): append(Self.number(value))
        case .string(let value): string(value)
        case .array(let elements):
            container("[", "]", count: elements.count, level: level) { writer, index in
                writer.write(elements[index], level: level + 1)
            }
        case .object(let object):
            var members = object.members
            if style.sortsKeys { members.sort { $0.key.unicodeScalars.lexicographicallyPrecedes($1.key.unicodeScalars) } }
            container("{", "}", count: members.count, level: level) { writer, index in
                writer.string(members[index].key)
                writer.append(writer.style.keySeparator)
                writer.write(members[index].value, level: level + 1)
            }
        }
    }

    private mutating func container(
        _ open: String, _ close: String, count: Int, level: Int, _ element: (inout JSONWriter, Int) -> Void
    ) {
        append(open)
        for index in 0..<count {
            if index > 0 { append(style.indent == nil ? style.itemSeparator : style.itemSeparator.trimmedEnd) }
            newline(level + 1)
            element(&self, index)
        }
        if count > 0 { newline(level) }
        append(close)
    }

    private mutating func newline(_ level: Int) {
        guard let indent = style.indent else { return }
        bytes.append(0x0A)
        bytes.append(contentsOf: repeatElement(0x20, count: indent * level))
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// Python's repr: shortest round-trip digits, `1e+16`, `nan` spelled as json.dumps does.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return value.description
    }

    /// Bytes between those that need an escape are copied as they are.
    private mutating func string(_ text: String) {
        guard !style.escapesNonASCII else { return asciiString(text) }
        var text = text
        bytes.append(UInt8(ascii: "\""))
        text.withUTF8 { utf8 in
            var start = 0
            for (index, byte) in utf8.enumerated() where byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                bytes.append(contentsOf: utf8[start..<index])
                escape(byte)
                start = index + 1
            }
            bytes.append(contentsOf: utf8[start...])
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func asciiString(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for unit in text.utf16 {
            switch unit {
            case 0x22, 0x5C, 0..<0x20: escape(UInt8(unit))
            case 0x80...: escape(unit)
            default: bytes.append(UInt8(unit))
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): append("\\\"")
        case UInt8(ascii: "\\"): append("\\\\")
        case UInt8(ascii: "\n"): append("\\n")
        case UInt8(ascii: "\r"): append("\\r")
        case UInt8(ascii: "\t"): append("\\t")
        case 0x08: append("\\b")
        case 0x0C: append("\\f")
        default: escape(UInt16(byte))
        }
    }

    private mutating func escape(_ unit: UInt16) {
        let digits = String(unit, radix: 16)
        append("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
    }
}

extension String {
    /// json.dumps with an indent drops the space after the comma.
    fileprivate var trimmedEnd: String { hasSuffix(" ") ? String(dropLast()) : self }
}
