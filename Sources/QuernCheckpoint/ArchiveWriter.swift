// Writes a packed model: parts in order, then index, footer and header, then the name.
import QuernJSON
import QuernModel
import QuernTensor

struct ArchiveWriter {
    private let file: AtomicFile
    private var index: ArchiveIndex

    init(path: String, index: ArchiveIndex) throws(CheckpointError) {
        self.index = index
        let created = Result { () throws(SystemError) in try AtomicFile(path: path) }
        switch created {
        case .success(let file): self.file = file
        case .failure(let error): throw Self.failure(error, path)
        }
        try write { file throws(SystemError) in try file.append([UInt8](repeating: 0, count: ArchiveHeader.byteCount)) }
    }

    private static func failure(_ error: SystemError, _ path: String) -> CheckpointError {
        CheckpointError(.io, file: path, field: "", detail: "cannot be written: \(error)")
    }

    private func write(_ body: (AtomicFile) throws(SystemError) -> Void) throws(CheckpointError) {
        do throws(SystemError) {
            try body(file)
        } catch {
            throw Self.failure(error, file.path)
        }
    }

    /// Adds a tensor; compressed only when a sample says that this saves a tenth.
    ///
    /// - Parameter group: columns per scale; nil means the archive's.
    mutating func add(
        _ name: String, kind: ArchiveTensor.Kind, group: Int? = nil, shape: [Int], data: [UnsafeRawBufferPointer]
    ) throws(CheckpointError) {
        try write { file throws(SystemError) in try file.align(to: ArchiveHeader.alignment) }
        let part = try append(name, data, compresses: data.allSatisfy(Self.isCompressible))
        index.tensors.append(ArchiveTensor(part: part, kind: kind, group: group ?? index.group, shape: shape))
    }

    /// Adds a section, compressed when that makes it smaller.
    mutating func add(section name: String, _ bytes: [UInt8]) throws(CheckpointError) {
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(CheckpointError) in try append(name, [raw], compresses: true) }
        }
        index.sections.append(try result.get())
    }

    private func append(
        _ name: String, _ data: [UnsafeRawBufferPointer], compresses: Bool
    ) throws(CheckpointError) -> ArchivePart {
        let checksum = data.reduce(UInt32(0)) { CRC32C.checksum($1, continuing: $0) }
        let count = data.reduce(0) { $0 + $1.count }
        var part = ArchivePart(
            name: name, offset: file.byteCount, byteCount: count, storedByteCount: count, codec: .none, checksum: checksum)
        if compresses, let packed = Self.compress(data) {
            try write { file throws(SystemError) in try file.append(packed) }
            part.codec = .lz4
            part.storedByteCount = packed.count
        } else {
            try write { file throws(SystemError) in for piece in data { try file.append(piece) } }
        }
        return part
    }

    /// Nil unless the result is smaller.
    private static func compress(_ data: [UnsafeRawBufferPointer]) -> [UInt8]? {
        var packed: [UInt8] = []
        for piece in data {
            for start in stride(from: 0, to: piece.count, by: LZ4.maxBlock) {
                let block = UnsafeRawBufferPointer(rebasing: piece[start..<min(piece.count, start + LZ4.maxBlock)])
                guard let bytes = LZ4.compress(block) else { return nil }
                for number in [UInt32(block.count), UInt32(bytes.count)] {
                    withUnsafeBytes(of: number.littleEndian) { packed.append(contentsOf: $0) }
                }
                packed += bytes
            }
        }
        return packed.isEmpty || packed.count >= data.reduce(0, { $0 + $1.count }) ? nil : packed
    }

    private static func isCompressible(_ data: UnsafeRawBufferPointer) -> Bool {
        let sample = UnsafeRawBufferPointer(rebasing: data.prefix(1 << 18))
        guard let packed = LZ4.compress(sample) else { return false }
        return packed.count * 10 <= sample.count * 9
    }

    /// Writes index, footer and header, and makes the file appear under its name.
    consuming func finish() throws(CheckpointError) {
        let bytes = Array(index.serialized.serialized().utf8)
        var header = ArchiveHeader()
        header.indexOffset = file.byteCount
        header.indexSize = bytes.count
        header.indexChecksum = CRC32C.checksum(bytes)
        header.fileSize = file.byteCount + bytes.count + ArchiveHeader.footer.count
        let head = header.bytes
        try write { file throws(SystemError) in
            try file.append(bytes + ArchiveHeader.footer)
            let result = head.withUnsafeBytes { raw in Result { () throws(SystemError) in try file.write(raw, at: 0) } }
            try result.get()
            try file.commit()
        }
    }
}
