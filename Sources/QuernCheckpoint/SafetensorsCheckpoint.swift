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
    private let stored: [String: (file: RandomAccessFile, tensor: SafetensorsTensor)]
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
        var stored: [String: (file: RandomAccessFile, tensor: SafetensorsTensor)] = [:]
        var list: [TensorInfo] = []
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
                let info = TensorInfo(
                    name: tensor.name, shape: tensor.shape, storage: tensor.type.name, byteCount: tensor.byteCount,
                    fileOffset: tensor.offset)
                guard stored.updateValue((file, tensor), forKey: tensor.name) == nil else {
                    throw CheckpointError(
                        .inconsistent, file: file.path, field: "tensor \"\(printable(tensor.name.utf8))\"",
                        detail: "appears in two shards")
                }
                list.append(info)
            }
        }
        chatTemplate = try directory.chatTemplate()
        displayName = baseName(path)
        self.path = path
        self.directory = directory
        self.stored = stored
        inventory = try TensorInventory(list, config: config, file: path)
    }

    public func tensor(named name: String) -> TensorInfo? { inventory.tensor(named: name) }

    public func tokenizerDefinition() throws -> TokenizerDefinition? {
        guard let tokenizer = try directory.bytes("tokenizer.json") else { return nil }
        return try TokenizerDefinition(
            tokenizerJSON: tokenizer, tokenizerConfigJSON: try directory.bytes("tokenizer_config.json"))
    }

    public func readRows(
        of name: String, rows: Range<Int>, into out: UnsafeMutableBufferPointer<Float>
    ) throws(CheckpointError) {
        guard let (file, tensor) = stored[name], let info = inventory.tensor(named: name) else { preconditionFailure("no tensor \(name)") }
        precondition(rows.lowerBound >= 0 && rows.upperBound <= info.rows && out.count == rows.count * info.columns)
        let rowBytes = info.columns * tensor.type.bytesPerBlock
        try readDecoded(
            file, tensor.type, offset: tensor.offset + rows.lowerBound * rowBytes, byteCount: rows.count * rowBytes,
            field: "tensor \"\(printable(name.utf8))\"", into: out)
    }
}
