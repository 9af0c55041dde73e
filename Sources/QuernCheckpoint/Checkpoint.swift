// What every model file offers: a configuration, named tensors, a tokenizer, a chat template.
//
// Owns: the protocol and the choice of reader. Invariant: tensor names are Hugging Face's canonical ones whatever the
// format, and `readRows` returns the rows in the order the architecture expects them.
import Foundation
import QuernModel
import QuernTensor
import QuernTokenizer

/// A tensor of a checkpoint.
public struct TensorInfo: Sendable, Equatable {
    /// Canonical name, such as `model.layers.0.self_attn.q_proj.weight`.
    public let name: String
    /// [rows, columns] or [n].
    public let shape: [Int]
    /// How it is stored, such as `Q4_K`, `BF16` or `int8`.
    public let storage: String
    /// Bytes in the file.
    public let byteCount: Int
    /// Where they start.
    public let fileOffset: Int
    /// May become integers (see `ExpectedTensor`).
    public internal(set) var isQuantizable: Bool

    public init(
        name: String, shape: [Int], storage: String, byteCount: Int, fileOffset: Int, isQuantizable: Bool = false
    ) {
        self.isQuantizable = isQuantizable
        self.name = name
        self.shape = shape
        self.storage = storage
        self.byteCount = byteCount
        self.fileOffset = fileOffset
    }

    public var rows: Int { shape.count == 2 ? shape[0] : 1 }
    public var columns: Int { shape.last ?? 0 }
    public var elementCount: Int { shape.reduce(1, *) }
}

public protocol Checkpoint: Sendable {
    var path: String { get }
    /// `GGUF`, `safetensors` or `quern archive`.
    var format: String { get }
    /// The name clients use for the model.
    var displayName: String { get }
    var config: ModelConfig { get }
    /// Every tensor the architecture needs, with the shapes it needs, in the order of a forward pass.
    var tensors: [TensorInfo] { get }
    /// What a user should know about the file although it can be used.
    var notes: [String] { get }
    /// The model's own Jinja text.
    var chatTemplate: String? { get }
    var generationDefaults: GenerationDefaults { get }
    func tensor(named name: String) -> TensorInfo?
    /// Nil when the checkpoint has no tokenizer.
    func tokenizerDefinition() throws -> TokenizerDefinition?
    /// Dequantised rows, row-major. A vector is one row.
    /// - Precondition: `out.count` is the number of rows times the columns, and the tensor exists.
    func readRows(of name: String, rows: Range<Int>, into out: UnsafeMutableBufferPointer<Float>) throws(CheckpointError)
    /// Columns per scale with which stored integers can be taken over as they are; nil when there are none.
    var integerGroup: Int? { get }
    /// Rows as the integers that are stored, for an exact copy; nil when the tensor has none that fit `shape`.
    func integerRows(of name: String, rows: Range<Int>, shape: TileShape) throws(CheckpointError) -> IntegerRows?
}

extension Checkpoint {
    public var integerGroup: Int? { nil }
    public func integerRows(of name: String, rows: Range<Int>, shape: TileShape) throws(CheckpointError) -> IntegerRows? { nil }
}

/// Rows of a matrix as integers in -127...127 with a scale per group of columns.
public struct IntegerRows: Sendable {
    /// [rows, columns]
    var values: [Int8] = []
    /// [rows, groups]
    var scales: [Float16] = []
    /// Integers of -128 that became -127.
    var clamped = 0

    mutating func append(_ other: IntegerRows) {
        values += other.values
        scales += other.scales
        clamped += other.clamped
    }
}

/// Opens a `.quern` archive, a GGUF file or a directory with safetensors, told apart by content.
public func openCheckpoint(path: String) throws(CheckpointError) -> any Checkpoint {
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
        return try SafetensorsCheckpoint(directory: path)
    }
    let file = try openFile(path)
    var magic = ByteReader(file)
    let head = [UInt8](try magic.bytes(min(8, file.byteCount), "magic"))
    if head.starts(with: GGUFFile.magic) { return try GGUFCheckpoint(file) }
    if head == ArchiveHeader.magic { return try Archive(file) }
    if path.hasSuffix(".safetensors") {
        return try SafetensorsCheckpoint(directory: (path as NSString).deletingLastPathComponent)
    }
    throw CheckpointError(
        .malformed, file: path, field: "magic", byteOffset: 0,
        detail: "\"\(printable(head))\" is neither a GGUF file (it has \(file.byteCount) bytes, a header needs 24) "
            + "nor a quern archive; a safetensors model is given by its directory")
}

func openFile(_ path: String) throws(CheckpointError) -> RandomAccessFile {
    do throws(FileError) {
        return try RandomAccessFile(path: path)
    } catch {
        throw CheckpointError(error, file: path, field: "")
    }
}

/// The file or directory name without extension.
func baseName(_ path: String) -> String {
    ((path as NSString).lastPathComponent as NSString).deletingPathExtension
}
