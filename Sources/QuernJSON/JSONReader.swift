// A strict RFC 8259 reader over bytes.
//
// Hand-written because Foundation's two readers disagree with each other about duplicate keys, accept trailing commas
// and other encodings, and lose key order. Refused: duplicate keys, lone surrogates, invalid UTF-8, numbers out of
// range, anything after the document. Invariant: recursion is bounded by `JSONLimits.maxDepth`; no input can trap.
import Glibc

extension JSONValue {
    /// - Throws: `JSONError` with the offset of the first byte that cannot be accepted.
    /// - Complexity: O(n).
    public init(parsing bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(JSONError) in try JSONValue(parsing: raw, limits: limits) }
        }
        self = try result.get()
    }

    public init(parsing bytes: UnsafeRawBufferPointer, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        guard bytes.count <= limits.maxByteCount else {
            throw JSONError(
                byteOffset: limits.maxByteCount,
                reason: "the document has \(bytes.count) bytes, the limit is \(limits.maxByteCount)")
        }
        var reader = JSONReader(bytes: bytes, maxDepth: limits.maxDepth)
        self = try reader.document()
    }
}

private struct JSONReader {
    let bytes: UnsafeRawBufferPointer
    let maxDepth: Int
    var position = 0

    init(bytes: UnsafeRawBufferPointer, maxDepth: Int) {
        self.bytes = bytes
        self.maxDepth = maxDepth
    }

    mutating func document() throws(JSONError) -> JSONValue {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { throw fail("byte order mark") }
        let value = try value(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw fail("unexpected data after the document") }
        return value
    }

    private func fail(_ reason: String, at offset: Int? = nil) -> JSONError {
        JSONError(byteOffset: offset ?? position, reason: reason)
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        skipSpace()
        guard let first = current else { throw fail("unexpected end of document") }
        switch first {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw fail("unexpected byte 0x\(String(first, radix: 16))")
        }
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        let count = text.utf8CodeUnitCount
        let matches = bytes.count - position >= count
            && (0..<count).allSatisfy { bytes[position + $0] == text.utf8Start[$0] }
        guard matches else { throw fail("expected \(text)") }
        position += count
        return value
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSONValue {
        guard depth < maxDepth else { throw fail("nesting deeper than \(maxDepth)") }
        position += 1
        var elements: [JSONValue] = []
        skipSpace()
        if current == UInt8(ascii: "]") {
            position += 1
            return .array(elements)
        }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpace()
            switch current {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return .array(elements)
            default: throw fail("expected ',' or ']'")
            }
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
        guard depth < maxDepth else { throw fail("nesting deeper than \(maxDepth)") }
        position += 1
        var members: [JSONObject.Member] = []
        var keys = KeySet()
        skipSpace()
        if current == UInt8(ascii: "}") {
            position += 1
            return .object(JSONObject())
        }
        while true {
            skipSpace()
            let start = position
            guard current == UInt8(ascii: "\"") else { throw fail("expected a string as key") }
            let key = try string()
            guard keys.insert(key, among: members) else { throw fail("duplicate key \"\(key.prefix(64))\"", at: start) }
            skipSpace()
            guard current == UInt8(ascii: ":") else { throw fail("expected ':'") }
            position += 1
            members.append(JSONObject.Member(key: key, value: try value(depth: depth + 1)))
            skipSpace()
            switch current {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return .object(JSONObject(members))
            default: throw fail("expected ',' or '}'")
            }
        }
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = position
        var isInteger = true
        if current == UInt8(ascii: "-") { position += 1 }
        guard let first = current, isDigit(first) else { throw fail("expected a digit") }
        position += 1
        if first == UInt8(ascii: "0"), let next = current, isDigit(next) { throw fail("leading zero") }
        skipDigits()
        if current == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            try requireDigits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            isInteger = false
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            try requireDigits()
        }
        if isInteger, position - start <= Self.digitsOfAnyInteger { return .int(integer(start..<position)) }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let value = Int64(text) { return .int(value) }
        guard let value = Double(text), value.isFinite else { throw fail("number out of range", at: start) }
        if isInteger { return .bigInteger(text) }
        return .double(value)
    }

    /// Characters, a sign among them, that never spell more than an Int64 holds.
    private static let digitsOfAnyInteger = 18

    private func integer(_ range: Range<Int>) -> Int64 {
        let isNegative = bytes[range.lowerBound] == UInt8(ascii: "-")
        var value: Int64 = 0
        for byte in bytes[range].dropFirst(isNegative ? 1 : 0) { value = value &* 10 &+ Int64(byte &- 0x30) }
        return isNegative ? -value : value
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    private mutating func skipDigits() {
        while let byte = current, isDigit(byte) { position += 1 }
    }

    private mutating func requireDigits() throws(JSONError) {
        guard let byte = current, isDigit(byte) else { throw fail("expected a digit") }
        skipDigits()
    }

    private mutating func string() throws(JSONError) -> String {
        position += 1
        let start = position
        while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
        if current == UInt8(ascii: "\"") {      // the common case: no escapes
            defer { position += 1 }
            return try text(UnsafeRawBufferPointer(rebasing: bytes[start..<position]), at: start)
        }
        var buffer = [UInt8](bytes[start..<position])
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                let result = buffer.withUnsafeBytes { raw in
                    Result { () throws(JSONError) in try text(raw, at: start) }
                }
                return try result.get()
            case UInt8(ascii: "\\"): try escape(into: &buffer)
            case 0..<0x20: throw fail("control character 0x\(String(byte, radix: 16)) in a string")
            default:
                buffer.append(byte)
                position += 1
            }
        }
        throw fail("unterminated string", at: start - 1)
    }

    private func text(_ raw: UnsafeRawBufferPointer, at start: Int) throws(JSONError) -> String {
        // Decoding repairs what is not UTF-8, and then the bytes are others; validating first is several times slower.
        var text = String(decoding: raw, as: UTF8.self)
        let isSame = text.withUTF8 { $0.count == raw.count && (raw.isEmpty || memcmp($0.baseAddress!, raw.baseAddress!, raw.count) == 0) }
        guard isSame else { throw fail("invalid UTF-8 in a string", at: start) }
        return text
    }

    private mutating func escape(into buffer: inout [UInt8]) throws(JSONError) {
        let start = position
        position += 1
        guard let kind = current else { throw fail("unterminated escape", at: start) }
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): buffer.append(kind)
        case UInt8(ascii: "b"): buffer.append(0x08)
        case UInt8(ascii: "f"): buffer.append(0x0C)
        case UInt8(ascii: "n"): buffer.append(0x0A)
        case UInt8(ascii: "r"): buffer.append(0x0D)
        case UInt8(ascii: "t"): buffer.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexQuad()
            if code >= 0xD800 && code < 0xDC00 {
                guard current == UInt8(ascii: "\\"), position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u")
                else { throw fail("lone surrogate", at: start) }
                position += 2
                let low = try hexQuad()
                guard low >= 0xDC00 && low < 0xE000 else { throw fail("lone surrogate", at: start) }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw fail("lone surrogate", at: start) }
            buffer.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
        default: throw fail("unknown escape", at: start)
        }
    }

    private mutating func hexQuad() throws(JSONError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw fail("expected four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }
}

/// Detects duplicate keys: a scan while an object is small, a set of hashes once it grows.
private struct KeySet {
    private var hashes: Set<UInt64> = []
    private var isHashing = false

    /// False when `key` is already among `members`.
    mutating func insert(_ key: String, among members: [JSONObject.Member]) -> Bool {
        if members.count < 16 { return !members.contains { $0.key.utf8.elementsEqual(key.utf8) } }
        if !isHashing {
            isHashing = true
            for member in members { hashes.insert(Self.hash(member.key)) }
        }
        // Equal hashes of different keys are improbable; then the scan decides.
        if hashes.insert(Self.hash(key)).inserted { return true }
        return !members.contains { $0.key.utf8.elementsEqual(key.utf8) }
    }

    /// Keyed per process, so that no document can be built to collide.
    private static func hash(_ key: String) -> UInt64 {
        var hasher = Hasher()
        var copy = key
        copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}
