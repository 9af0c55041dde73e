// The fixed header of a packed model.
//
// 64 bytes, little-endian: magic (8), format version u32, required-feature flags u32, file size u64, index offset u64,
// index size u64, index CRC-32C u32, zeros, header CRC-32C u32 over the first 60. The file ends with a footer of 8 bytes,
// so that a torn write is recognised without reading it.
import QuernTensor

struct ArchiveHeader: Equatable {
    static let magic = Array("QUERNPK\n".utf8)
    static let footer = Array("QUERNEND".utf8)
    static let byteCount = 64
    static let version: UInt32 = 1
    /// Tensor data starts on page boundaries.
    static let alignment = 4096

    var fileSize = 0
    var indexOffset = 0
    var indexSize = 0
    var indexChecksum: UInt32 = 0

    var bytes: [UInt8] {
        var bytes = Self.magic
        func append<T: FixedWidthInteger>(_ value: T) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        append(Self.version)
        append(UInt32(0))
        append(UInt64(fileSize))
        append(UInt64(indexOffset))
        append(UInt64(indexSize))
        append(indexChecksum)
        bytes.append(contentsOf: repeatElement(0, count: 60 - bytes.count))
        append(CRC32C.checksum(bytes))
        return bytes
    }

    init() {}

    init(_ file: RandomAccessFile) throws(CheckpointError) {
        var reader = ByteReader(file)
        guard file.byteCount >= Self.byteCount + Self.footer.count else {
            throw reader.fail("header", "the file is \(file.byteCount) bytes, an archive needs at least 72")
        }
        let raw = [UInt8](try reader.bytes(Self.byteCount, "header"))
        var fields = ByteReader(file)
        guard try fields.bytes(8, "magic").elementsEqual(Self.magic) else {
            throw reader.fail("magic", at: 0, "is not a quern archive's")
        }
        let version = try fields.integer(UInt32.self, "format version")
        guard version == Self.version else {
            throw CheckpointError(
                .unsupported, file: file.path, field: "format version", byteOffset: 8,
                detail: "made by format \(version), this build reads \(Self.version); repack with `quern pack`")
        }
        let flags = try fields.integer(UInt32.self, "required features")
        let numbers = [
            try fields.integer(UInt64.self, "file size"), try fields.integer(UInt64.self, "index offset"), try fields.integer(UInt64.self, "index size"),
        ]
        indexChecksum = try fields.integer(UInt32.self, "index checksum")
        let rest = try fields.bytes(16, "reserved bytes")
        let stored = try fields.integer(UInt32.self, "header checksum")
        guard stored == CRC32C.checksum(Array(raw[..<60])) else {
            throw reader.fail("header checksum", at: 60, "does not match: the file is damaged")
        }
        guard flags == 0, rest.allSatisfy({ $0 == 0 }) else {
            throw CheckpointError(
                .unsupported, file: file.path, field: "required features", byteOffset: 12,
                detail: "0x\(String(flags, radix: 16)) asks for what this build does not know; repack with `quern pack`")
        }
        guard Int(exactly: numbers[0]) == file.byteCount else {
            throw reader.fail(
                "file size", at: 16, "incomplete: the header says \(numbers[0]) bytes, the file has \(file.byteCount)")
        }
        let end = file.byteCount - Self.footer.count
        guard let offset = Int(exactly: numbers[1]), let size = Int(exactly: numbers[2]), offset >= Self.byteCount,
            offset <= end, size == end - offset
        else {
            throw reader.fail("index offset", at: 24, "\(numbers[1]) and size \(numbers[2]) do not end at the footer")
        }
        fileSize = file.byteCount
        indexOffset = offset
        indexSize = size
        var tail = ByteReader(file, offset: end)
        guard try tail.bytes(Self.footer.count, "footer").elementsEqual(Self.footer) else {
            throw reader.fail("footer", at: end, "incomplete: footer missing")
        }
    }
}
