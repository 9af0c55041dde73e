// Reads one part of an archive into memory: pread, or LZ4 blocks of at most 4 MiB, then the checksum.
//
// LZ4 parts are runs of blocks, each led by its raw and its stored size (two little-endian u32).
import QuernTensor

struct PartReader {
    let file: RandomAccessFile
    let part: ArchivePart

    private var field: String { "\"\(printable(part.name.utf8))\"" }

    private func fail(_ detail: String, at offset: Int? = nil) -> CheckpointError {
        CheckpointError(.malformed, file: file.path, field: field, byteOffset: offset ?? part.offset, detail: detail)
    }

    /// Fills the buffers one after the other.
    /// - Precondition: together they have `part.byteCount` bytes.
    func read(into buffers: [UnsafeMutableRawBufferPointer]) throws(CheckpointError) {
        precondition(buffers.reduce(0) { $0 + $1.count } == part.byteCount)
        switch part.codec {
        case .none:
            var offset = part.offset
            for buffer in buffers {
                try readFile(buffer, at: offset)
                offset += buffer.count
            }
        case .lz4:
            let whole = UnsafeMutableRawBufferPointer.allocate(byteCount: part.byteCount, alignment: 64)
            defer { whole.deallocate() }
            try decompress(into: whole)
            var start = 0
            for buffer in buffers {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: whole[start..<(start + buffer.count)]))
                start += buffer.count
            }
        }
        let checksum = buffers.reduce(UInt32(0)) { CRC32C.checksum(UnsafeRawBufferPointer($1), continuing: $0) }
        guard checksum == part.checksum else { throw fail("checksum does not match: the file is damaged") }
    }

    /// Checks the checksum without keeping the bytes.
    func verify() throws(CheckpointError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: part.byteCount, alignment: 64)
        defer { buffer.deallocate() }
        try read(into: [buffer])
    }

    private func readFile(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(CheckpointError) {
        do throws(FileError) {
            try file.read(into: buffer, at: offset)
        } catch {
            throw CheckpointError(error, file: file.path, field: field)
        }
    }

    private func decompress(into out: UnsafeMutableRawBufferPointer) throws(CheckpointError) {
        var reader = ByteReader(file, offset: part.offset)
        let end = part.offset + part.storedByteCount
        var filled = 0
        while reader.offset < end {
            let position = reader.offset
            let raw = Int(try reader.integer(UInt32.self, field + " block size"))
            let stored = Int(try reader.integer(UInt32.self, field + " stored block size"))
            guard raw > 0, raw <= LZ4.maxBlock, raw <= out.count - filled, stored > 0, stored <= end - reader.offset else {
                throw fail("a block of \(stored) bytes claims \(raw); \(out.count - filled) are missing", at: position)
            }
            let packed = try reader.bytes(stored, field)
            let target = UnsafeMutableRawBufferPointer(rebasing: out[filled..<(filled + raw)])
            guard packed.withUnsafeBytes({ LZ4.decompress($0, into: target) }) else {
                throw fail("a block does not expand to the \(raw) bytes it claims", at: position)
            }
            filled += raw
        }
        guard filled == out.count, reader.offset == end else { throw fail("expands to \(filled) bytes, expected \(out.count)") }
    }
}
