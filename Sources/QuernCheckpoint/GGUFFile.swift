// The header of a GGUF file, versions 2 and 3: metadata and the tensor table.
//
// Specification: ggml docs/gguf.md. Owns: bounds, alignment, duplicates, overlaps. Does not own: what keys mean.
// Invariant: after `init` every tensor lies inside the file, aligned, apart from every other.
import QuernTensor

struct GGUFTensor: Sendable {
    let name: [UInt8]
    /// Fastest-varying first, as stored.
    let dimensions: [Int]
    let type: StorageType
    /// From the start of the file.
    let offset: Int
    let byteCount: Int
}

struct GGUFFile: Sendable {
    static let magic = Array("GGUF".utf8)

    enum Limits {
        static let keyBytes = 65_535
        static let stringBytes = 16 << 20
        static let arrayElements = 64 << 20
        static let metadataEntries = 65_536
        static let tensors = 262_144
        static let alignment = 1 << 20
        static let metadataBytes = 512 << 20
        static let nameBytes = 63
    }

    let version: UInt32
    let metadata: [[UInt8]: GGUFValue]
    let keys: [[UInt8]]
    let tensors: [GGUFTensor]

    init(_ file: RandomAccessFile) throws(CheckpointError) {
        var reader = ByteReader(file)
        guard file.byteCount >= 24 else {
            throw reader.fail("header", "the file is \(file.byteCount) bytes, a header needs 24")
        }
        guard try reader.bytes(4, "magic").elementsEqual(Self.magic) else { throw reader.fail("magic", at: 0, "is not GGUF") }
        version = try reader.integer(UInt32.self, "version")
        guard version == 2 || version == 3 else {
            let hint = version.byteSwapped == 2 || version.byteSwapped == 3 ? "; the file is big-endian" : ""
            throw reader.fail("version", at: 4, "is \(version), supported are 2 and 3\(hint)")
        }
        let tensorCount = try reader.count(limit: Limits.tensors, minimumBytes: 33, "tensor count")
        let entryCount = try reader.count(limit: Limits.metadataEntries, minimumBytes: 13, "metadata count")
        var metadata: [[UInt8]: GGUFValue] = [:]
        var keys: [[UInt8]] = []
        for index in 0..<entryCount {
            let start = reader.offset
            let key = try Self.key(&reader, index)
            let value = try Self.value(&reader, "metadata[\(index)] \"\(printable(key))\"")
            guard metadata.updateValue(value, forKey: key) == nil else {
                throw reader.fail("metadata[\(index)]", at: start, "duplicate key \"\(printable(key))\"")
            }
            keys.append(key)
            guard reader.offset <= Limits.metadataBytes else {
                throw reader.fail("metadata[\(index)]", "metadata exceeds \(Limits.metadataBytes) bytes")
            }
        }
        self.metadata = metadata
        self.keys = keys
        tensors = try Self.tensorTable(&reader, count: tensorCount, alignment: try Self.alignment(metadata, reader))
    }

    private static func key(_ reader: inout ByteReader, _ index: Int) throws(CheckpointError) -> [UInt8] {
        let start = reader.offset
        let count = try reader.count(limit: Limits.keyBytes, minimumBytes: 1, "metadata[\(index)] key length")
        let key = [UInt8](try reader.bytes(count, "metadata[\(index)] key"))
        guard !key.isEmpty, key.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw reader.fail("metadata[\(index)] key", at: start, "\"\(printable(key))\" is not a non-empty ASCII name")
        }
        return key
    }

    private static func type(_ reader: inout ByteReader, _ field: String) throws(CheckpointError) -> GGUFType {
        let start = reader.offset
        let number = try reader.integer(UInt32.self, field + " type")
        guard let type = GGUFType(rawValue: number) else {
            throw reader.fail(field + " type", at: start, "is \(number), the largest is 12")
        }
        return type
    }

    private static func value(_ reader: inout ByteReader, _ field: String) throws(CheckpointError) -> GGUFValue {
        switch try type(&reader, field) {
        case .uint8: return .unsigned(UInt64(try reader.integer(UInt8.self, field)))
        case .uint16: return .unsigned(UInt64(try reader.integer(UInt16.self, field)))
        case .uint32: return .unsigned(UInt64(try reader.integer(UInt32.self, field)))
        case .uint64: return .unsigned(try reader.integer(UInt64.self, field))
        case .int8: return .signed(Int64(try reader.integer(Int8.self, field)))
        case .int16: return .signed(Int64(try reader.integer(Int16.self, field)))
        case .int32: return .signed(Int64(try reader.integer(Int32.self, field)))
        case .int64: return .signed(try reader.integer(Int64.self, field))
        case .float32: return .float(Double(Float(bitPattern: try reader.integer(UInt32.self, field))))
        case .float64: return .float(Double(bitPattern: try reader.integer(UInt64.self, field)))
        case .bool: return .bool(try bool(&reader, field))
        case .string: return .string(try string(&reader, field))
        case .array: return try array(&reader, field)
        }
    }

    private static func bool(_ reader: inout ByteReader, _ field: String) throws(CheckpointError) -> Bool {
        let byte = try reader.integer(UInt8.self, field)
        guard byte <= 1 else { throw reader.fail(field, at: reader.offset - 1, "is \(byte), a bool is 0 or 1") }
        return byte == 1
    }

    private static func string(_ reader: inout ByteReader, _ field: String) throws(CheckpointError) -> [UInt8] {
        let count = try reader.count(limit: Limits.stringBytes, minimumBytes: 1, field + " length")
        return [UInt8](try reader.bytes(count, field))
    }

    private static func array(_ reader: inout ByteReader, _ field: String) throws(CheckpointError) -> GGUFValue {
        let element = try type(&reader, field + " element")
        guard element != .array else { throw reader.fail(field, "nested arrays are not supported") }
        let count = try reader.count(limit: Limits.arrayElements, minimumBytes: element.minimumSize, field + " length")
        func list<T>(_ read: (inout ByteReader) throws(CheckpointError) -> T) throws(CheckpointError) -> [T] {
            var values: [T] = []
            values.reserveCapacity(count)
            for _ in 0..<count { values.append(try read(&reader)) }
            return values
        }
        func integers<T: FixedWidthInteger>(_ type: T.Type) throws(CheckpointError) -> GGUFValue {
            .integers(
                try list { reader throws(CheckpointError) in Int64(truncatingIfNeeded: try reader.integer(type, field)) },
                typeName: element.name)
        }
        switch element {
        case .uint8: return try integers(UInt8.self)
        case .int8: return try integers(Int8.self)
        case .uint16: return try integers(UInt16.self)
        case .int16: return try integers(Int16.self)
        case .uint32: return try integers(UInt32.self)
        case .int32: return try integers(Int32.self)
        case .uint64: return try integers(UInt64.self)
        case .int64: return try integers(Int64.self)
        case .float32:
            return .floats(
                try list { reader throws(CheckpointError) in
                    Double(Float(bitPattern: try reader.integer(UInt32.self, field)))
                }, typeName: element.name)
        case .float64:
            return .floats(
                try list { reader throws(CheckpointError) in Double(bitPattern: try reader.integer(UInt64.self, field)) },
                typeName: element.name)
        case .bool: return .bools(try list { reader throws(CheckpointError) in try bool(&reader, field) })
        case .string: return .strings(try list { reader throws(CheckpointError) in try string(&reader, field) })
        case .array: throw reader.fail(field, "nested arrays are not supported")
        }
    }

    private static func alignment(
        _ metadata: [[UInt8]: GGUFValue], _ reader: ByteReader
    ) throws(CheckpointError) -> Int {
        guard let value = metadata[Array("general.alignment".utf8)] else { return 32 }
        guard case .unsigned(let number) = value else {
            throw reader.fail("general.alignment", "is \(value.typeName), expected UINT32")
        }
        guard let alignment = Int(exactly: number), alignment > 0, alignment & (alignment - 1) == 0,
            alignment <= Limits.alignment
        else {
            throw reader.fail("general.alignment", "is \(number), expected a power of two up to \(Limits.alignment)")
        }
        return alignment
    }
}
