// quern's packed model: tiles of integers in kernel layout, tokenizer, template and configuration in one file.
//
// Layout: header (64 bytes), tensors (page-aligned), sections, index (JSON), footer. Every part carries a CRC-32C of its
// raw bytes, checked when it is read. Invariant: nothing is handed out before its checksum matched.
import Glibc
import QuernJSON
import QuernModel
import QuernTensor
import QuernTokenizer

public struct Archive: Checkpoint {
    public let path: String
    public var format: String { "quern archive v\(ArchiveHeader.version)" }
    public var displayName: String { index.name }
    public var config: ModelConfig { index.config }
    public var generationDefaults: GenerationDefaults { index.defaults }
    public var tensors: [TensorInfo] { inventory.tensors }
    public var notes: [String] { inventory.notes }
    public let chatTemplate: String?
    /// Columns per scale of the matrices between embedding and head.
    public var groupSize: Int { index.group }
    /// What the archive was made from.
    public var source: JSONValue { index.source }

    let index: ArchiveIndex
    private let file: RandomAccessFile
    private let byName: [String: ArchiveTensor]
    private let inventory: TensorInventory

    init(_ file: RandomAccessFile) throws(CheckpointError) {
        self.file = file
        path = file.path
        let header = try ArchiveHeader(file)
        var reader = ByteReader(file, offset: header.indexOffset)
        let bytes = [UInt8](try reader.bytes(header.indexSize, "index"))
        guard CRC32C.checksum(bytes) == header.indexChecksum else {
            throw reader.fail("index checksum", at: header.indexOffset, "does not match: the file is damaged")
        }
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue(parsing: bytes)
        } catch {
            throw reader.fail("index", at: header.indexOffset + error.byteOffset, error.reason)
        }
        let index = try ArchiveIndex(parsing: json, path: file.path, dataEnd: header.indexOffset)
        var byName: [String: ArchiveTensor] = [:]
        var list: [TensorInfo] = []
        for tensor in index.tensors {
            let info = TensorInfo(
                name: tensor.part.name, shape: tensor.shape, storage: tensor.kind.rawValue,
                byteCount: tensor.part.storedByteCount, fileOffset: tensor.part.offset)
            byName[info.name] = tensor
            list.append(info)
        }
        self.index = index
        self.byName = byName
        inventory = try TensorInventory(list, config: index.config, file: file.path)
        chatTemplate = try Self.section("chat_template", index, file).map { String(decoding: $0, as: UTF8.self) }
    }

    public func tensor(named name: String) -> TensorInfo? { inventory.tensor(named: name) }

    public func tokenizerDefinition() throws -> TokenizerDefinition? {
        try Self.section("tokenizer", index, file).map { try TokenizerDefinition(serialized: $0) }
    }

    /// What packing lost: `rms_error`, `max_error`, `tensors`, and `corpus` when it was measured. Nil for archives without.
    public func receipt() throws(CheckpointError) -> JSONValue? {
        guard let bytes = try Self.section("receipt", index, file) else { return nil }
        do throws(JSONError) {
            return try JSONValue(parsing: bytes)
        } catch {
            throw CheckpointError(.malformed, file: path, field: "section receipt", detail: error.description)
        }
    }

    /// The layout of a matrix; nil for vectors and for names that are not there.
    public func tiles(of name: String) -> TileShape? { byName[name]?.tiles }

    /// Reads tiles and scales of a matrix straight into place.
    public func readTiles(
        _ name: String, values: UnsafeMutableRawBufferPointer, scales: UnsafeMutableRawBufferPointer
    ) throws(CheckpointError) {
        guard let tensor = byName[name], tensor.kind != .f32 else {
            throw CheckpointError(
                .inconsistent, file: path, field: "tensor \"\(printable(name.utf8))\"", detail: "is not stored as integers")
        }
        precondition(values.count + scales.count == tensor.part.byteCount)
        try PartReader(file: file, part: tensor.part).read(into: [values, scales])
        // The kernels' arithmetic relies on this bound; a checksum does not promise it. Fewer bits cannot break it.
        guard tensor.kind != .int8 || values.isEmpty || memchr(values.baseAddress!, 0x80, values.count) == nil else {
            throw CheckpointError(
                .malformed, file: path, field: "tensor \"\(printable(name.utf8))\"", byteOffset: tensor.part.offset,
                detail: "holds a weight of -128, allowed is -127...127")
        }
    }

    public func readRows(
        of name: String, rows: Range<Int>, into out: UnsafeMutableBufferPointer<Float>
    ) throws(CheckpointError) {
        guard let tensor = byName[name], let info = inventory.tensor(named: name) else { preconditionFailure("no tensor \(name)") }
        precondition(rows.lowerBound >= 0 && rows.upperBound <= info.rows && out.count == rows.count * info.columns)
        guard let shape = tensor.tiles else {
            let reader = PartReader(file: file, part: tensor.part)
            if out.count == info.elementCount { return try reader.read(into: [UnsafeMutableRawBufferPointer(out)]) }
            let whole = UnsafeMutableBufferPointer<Float>.allocate(capacity: info.elementCount)
            defer { whole.deallocate() }
            try reader.read(into: [UnsafeMutableRawBufferPointer(whole)])
            _ = out.update(fromContentsOf: whole[(rows.lowerBound * info.columns)..<(rows.upperBound * info.columns)])
            return
        }
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let matrix: QuantizedMatrix, floats: Floats
        do throws(SystemError) {
            matrix = try QuantizedMatrix(shape, in: arena)
            floats = try arena.floats(shape.columns)
        } catch {
            throw CheckpointError(.io, file: path, field: "tensor \"\(printable(name.utf8))\"", detail: "\(error)")
        }
        try readTiles(name, values: matrix.valueBytes, scales: matrix.scaleBytes)
        guard let set = InstructionSet() else { preconditionFailure("the scalar kernels are always there") }
        for (position, row) in rows.enumerated() {
            Kernels(set).row(row, of: matrix, into: floats)
            let target = UnsafeMutableBufferPointer(rebasing: out[(position * shape.columns)..<((position + 1) * shape.columns)])
            _ = target.update(fromContentsOf: floats.buffer)
        }
    }

    /// Checks every part's checksum. Throws at the first that does not match.
    public func verify() throws(CheckpointError) {
        for part in index.tensors.map(\.part) + index.sections { try PartReader(file: file, part: part).verify() }
        do throws(FileError) {
            try file.requireUnchanged()
        } catch {
            throw CheckpointError(error, file: path, field: "")
        }
    }

    private static func section(
        _ name: String, _ index: ArchiveIndex, _ file: RandomAccessFile
    ) throws(CheckpointError) -> [UInt8]? {
        guard let part = index.sections.first(where: { $0.name == name }) else { return nil }
        guard part.byteCount <= ModelDirectory.maxFileBytes else {
            throw CheckpointError(
                .malformed, file: file.path, field: "section \(name)", byteOffset: part.offset,
                detail: "is \(part.byteCount) bytes, the limit is \(ModelDirectory.maxFileBytes)")
        }
        var bytes = [UInt8](repeating: 0, count: part.byteCount)
        let result = bytes.withUnsafeMutableBytes { raw in
            Result { () throws(CheckpointError) in try PartReader(file: file, part: part).read(into: [raw]) }
        }
        try result.get()
        return bytes
    }
}
