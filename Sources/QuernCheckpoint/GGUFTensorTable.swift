// The tensor table of a GGUF file: shapes, types and places, checked against the file and against each other.
import QuernTensor

extension GGUFFile {
    static func tensorTable(
        _ reader: inout ByteReader, count: Int, alignment: Int
    ) throws(CheckpointError) -> [GGUFTensor] {
        var entries: [Entry] = []
        entries.reserveCapacity(count)
        var names: Set<[UInt8]> = []
        for index in 0..<count {
            let entry = try Entry(&reader, index)
            guard names.insert(entry.name).inserted else {
                throw reader.fail(entry.field, at: entry.position, "duplicate tensor name")
            }
            entries.append(entry)
        }
        let (padded, overflow) = reader.offset.addingReportingOverflow(alignment - 1)
        guard !overflow else { throw reader.fail("tensor data", "starts beyond any file") }
        let dataStart = padded / alignment * alignment
        var tensors: [GGUFTensor] = []
        tensors.reserveCapacity(count)
        for entry in entries { tensors.append(try entry.placed(from: dataStart, alignment: alignment, reader)) }
        try refuseOverlaps(tensors, reader)
        return tensors
    }

    private static func refuseOverlaps(_ tensors: [GGUFTensor], _ reader: ByteReader) throws(CheckpointError) {
        let sorted = tensors.filter { $0.byteCount > 0 }.sorted { $0.offset < $1.offset }
        for (a, b) in zip(sorted, sorted.dropFirst()) where a.offset + a.byteCount > b.offset {
            throw reader.fail(
                "tensor \"\(printable(b.name))\"", at: b.offset, "overlaps tensor \"\(printable(a.name))\"")
        }
    }

    /// One row of the table, before its place is known.
    private struct Entry {
        let name: [UInt8]
        let field: String
        let position: Int
        let dimensions: [Int]
        let type: StorageType
        let relativeOffset: UInt64
        let byteCount: Int

        init(_ reader: inout ByteReader, _ index: Int) throws(CheckpointError) {
            position = reader.offset
            let length = try reader.count(limit: 1 << 16, minimumBytes: 1, "tensor[\(index)] name length")
            name = [UInt8](try reader.bytes(length, "tensor[\(index)] name"))
            field = "tensor[\(index)] \"\(printable(name))\""
            guard !name.isEmpty, name.count <= Limits.nameBytes,
                name.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") })
            else {
                throw reader.fail(field, at: position, "the name is not 1 to \(Limits.nameBytes) printable ASCII characters")
            }
            let rankPosition = reader.offset
            let rank = try reader.integer(UInt32.self, field + " dimension count")
            guard rank >= 1 && rank <= 4 else {
                throw reader.fail(field + " dimension count", at: rankPosition, "is \(rank), allowed is 1...4")
            }
            var dimensions: [Int] = []
            var elements = 1
            for axis in 0..<Int(rank) {
                let at = reader.offset
                let raw = try reader.integer(UInt64.self, field + " dim[\(axis)]")
                guard let size = Int(exactly: raw) else {
                    throw reader.fail(field + " dim[\(axis)]", at: at, "is \(raw), which overflows 63 bits")
                }
                let (product, overflow) = elements.multipliedReportingOverflow(by: size)
                guard !overflow else {
                    throw reader.fail(
                        field + " dim[\(axis)]", at: at,
                        "is \(size); the number of elements overflows 64 bits (the file has \(reader.file.byteCount) bytes)")
                }
                elements = product
                dimensions.append(size)
            }
            self.dimensions = dimensions
            let typePosition = reader.offset
            let number = try reader.integer(UInt32.self, field + " type")
            guard let type = StorageType(rawValue: number) else {
                throw CheckpointError(
                    .unsupported, file: reader.file.path, field: field + " type", byteOffset: typePosition,
                    detail: "\(StorageType.describe(number)) is not supported by quern; supported: \(StorageType.supportedNames)")
            }
            self.type = type
            guard dimensions[0] % type.elementsPerBlock == 0 else {
                throw reader.fail(
                    field + " dim[0]", at: position,
                    "is \(dimensions[0]), not a multiple of \(type.name)'s block of \(type.elementsPerBlock)")
            }
            let (bytes, overflow) = (elements / type.elementsPerBlock).multipliedReportingOverflow(by: type.bytesPerBlock)
            guard !overflow else { throw reader.fail(field, at: position, "its size in bytes overflows 64 bits") }
            byteCount = bytes
            relativeOffset = try reader.integer(UInt64.self, field + " offset")
        }

        func placed(from dataStart: Int, alignment: Int, _ reader: ByteReader) throws(CheckpointError) -> GGUFTensor {
            let size = reader.file.byteCount
            guard let relative = Int(exactly: relativeOffset), relative % alignment == 0 else {
                throw reader.fail(field + " offset", at: position, "is \(relativeOffset), not a multiple of \(alignment)")
            }
            let (start, overflow) = dataStart.addingReportingOverflow(relative)
            guard !overflow, start <= size, byteCount <= size - start else {
                throw reader.fail(
                    field, at: position, "needs \(byteCount) bytes at \(relativeOffset) of the data, the file ends at \(size)")
            }
            return GGUFTensor(name: name, dimensions: dimensions, type: type, offset: start, byteCount: byteCount)
        }
    }
}
