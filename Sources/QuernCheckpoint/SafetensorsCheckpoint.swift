// A Hugging Face model directory: config.json, one or more safetensors files, tokenizer files.
//
// Invariants: every shard named by the index lies inside the directory, and nothing in the directory is ever executed or
// unpickled.
import Foundation
import QuernJSON
import QuernModel
import QuernTensor
import QuernTokenizer

public struct SafetensorsCheckpoint: Checkpoint {
    public let path: String
    public var format: String { "safetensors" }
    public let displayName: String
    public let config: ModelConfig
    public var tensors: [TensorInfo] { inventory.tensors }
    public var notes: [String] { inventory.notes }
    public let chatTemplate: String?
    public let generationDefaults: GenerationDefaults

    private let directory: ModelDirectory
    private let stored: [String: StoredMatrix]
    private let sources: TensorSources
    private let inventory: TensorInventory

    public init(directory path: String) throws(CheckpointError) {
        let directory = ModelDirectory(path: path)
        let configJSON = try directory.requiredJSON("config.json")
        let generationJSON = try directory.json("generation_config.json")
        do throws(ConfigError) {
            config = try ModelConfig(configJSON: configJSON, generationConfigJSON: generationJSON)
            generationDefaults = try generationJSON.map { json throws(ConfigError) in try GenerationDefaults(json) }
                ?? GenerationDefaults()
        } catch {
            let isUnsupported = error.pointer == "/model_type" || error.reason.contains("supported")
            throw CheckpointError(
                isUnsupported ? .unsupported : .malformed, file: directory.file("config.json"), field: error.pointer,
                detail: error.reason)
        }
        var tensors: [FileTensor] = []
        var seen: Set<String> = []
        for (shard, indexed) in try directory.shards() {
            let file = try openFile(directory.file(shard))
            let header = try SafetensorsHeader(file)
            let names = Set(header.tensors.map(\.name))
            if let absent = indexed?.subtracting(names).min() {
                throw CheckpointError(
                    .inconsistent, file: file.path, field: "tensor \"\(printable(absent.utf8))\"",
                    detail: "is named by the index and absent from this shard")
            }
            for tensor in header.tensors {
                guard seen.insert(tensor.name).inserted else {
                    throw CheckpointError(
                        .inconsistent, file: file.path, field: "tensor \"\(printable(tensor.name.utf8))\"",
                        detail: "appears in two shards")
                }
                tensors.append(FileTensor(file: file, tensor: tensor))
            }
        }
        chatTemplate = try directory.chatTemplate()
        displayName = baseName(path)
        self.path = path
        self.directory = directory
        let nested = configJSON["text_config"]?["quantization_config"]
        let matrices = try StoredMatrices(
            tensors, quantization: configJSON["quantization_config"] ?? nested, configPath: directory.file("config.json"))
        stored = matrices.matrices
        for wanted in config.expectedTensors where stored[wanted.name] == nil {
            if let tensor = matrices.others[wanted.name] { throw tensor.unsupported("F32, F16, BF16, and F8_E4M3 with block scales") }
        }
        let sources = try TensorSources(config: config, stored: stored.mapValues(\.shape), file: path)
        self.sources = sources
        let list = stored.sorted { $0.key < $1.key }.map { name, matrix in
            TensorInfo(
                name: name, shape: matrix.shape, storage: matrix.storage, byteCount: matrix.byteCount, fileOffset: matrix.fileOffset)
        }
        inventory = try TensorInventory(
            sources.assembling(list), unnamed: matrices.others.keys.sorted(), config: config, file: path)
    }

    public func tensor(named name: String) -> TensorInfo? { inventory.tensor(named: name) }

    public var integerGroup: Int? {
        let groups = stored.values.compactMap { matrix in
            if case .packed(let matrix) = matrix { matrix.integerGroup } else { nil }
        }
        return groups.min()
    }

    /// Rows of GPTQ and AWQ weights.
    public func integerRows(of name: String, rows: Range<Int>, shape: TileShape) throws(CheckpointError) -> IntegerRows? {
        var found = IntegerRows()
        for part in sources.parts(of: name, rows: rows) {
            guard case .packed(let matrix) = stored[part.stored], let some = try matrix.integerRows(part.rows, shape: shape)
            else { return nil }
            found.append(some)
        }
        return found
    }

    public func tokenizerDefinition() throws -> TokenizerDefinition? {
        guard let tokenizer = try directory.bytes("tokenizer.json") else { return nil }
        return try TokenizerDefinition(
            tokenizerJSON: tokenizer, tokenizerConfigJSON: try directory.bytes("tokenizer_config.json"))
    }

    public func readRows(
        of name: String, rows: Range<Int>, into out: UnsafeMutableBufferPointer<Float>
    ) throws(CheckpointError) {
        guard let info = inventory.tensor(named: name) else { preconditionFailure("no tensor \(name)") }
        precondition(rows.lowerBound >= 0 && rows.upperBound <= info.rows && out.count == rows.count * info.columns)
        for part in sources.parts(of: name, rows: rows) {
            guard let matrix = stored[part.stored] else { preconditionFailure("no tensor \(part.stored)") }
            let place = (part.offset * info.columns)..<((part.offset + part.rows.count) * info.columns)
            try matrix.readRows(part.rows, into: UnsafeMutableBufferPointer(rebasing: out[place]))
        }
    }
}
