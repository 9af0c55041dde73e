// A GGUF file as a checkpoint: canonical names, row order, tokenizer metadata.
//
// Converters permute the query and key rows of `llama` models for ggml's interleaved rotary embedding; `readRows` undoes
// that, so that every architecture sees the half-split order of the original weights.
import QuernModel
import QuernTensor
import QuernTokenizer

public struct GGUFCheckpoint: Checkpoint {
    public let path: String
    public var format: String { "GGUF v\(header.version)" }
    public let displayName: String
    public let config: ModelConfig
    public var tensors: [TensorInfo] { inventory.tensors }
    public let notes: [String]
    public let chatTemplate: String?
    public let generationDefaults: GenerationDefaults

    private let file: RandomAccessFile
    private let header: GGUFFile
    private let stored: [String: GGUFTensor]
    private let inventory: TensorInventory

    init(_ file: RandomAccessFile) throws(CheckpointError) {
        self.file = file
        path = file.path
        header = try GGUFFile(file)
        let metadata = GGUFMetadata(file: header, path: file.path)
        try metadata.refuseSplit()
        var stored: [String: GGUFTensor] = [:]
        var list: [TensorInfo] = []
        var unnamed: [String] = []
        for tensor in header.tensors {
            let name = String(decoding: tensor.name, as: UTF8.self)
            guard let canonical = GGUFNames.canonical(name) else {
                if name != Self.ropeDivisorsName { unnamed.append(name) }
                continue
            }
            var shape = Array(tensor.dimensions.reversed())
            while shape.count > 2, shape[0] == 1 { shape.removeFirst() }
            let info = TensorInfo(
                name: canonical, shape: shape, storage: tensor.type.name, byteCount: tensor.byteCount,
                fileOffset: tensor.offset)
            stored[canonical] = tensor
            list.append(info)
        }
        guard let embedding = list.first(where: { $0.name == "model.embed_tokens.weight" }), embedding.shape.count == 2,
            (1...ModelConfig.Limits.vocabulary).contains(embedding.shape[0])
        else {
            throw CheckpointError(
                .inconsistent, file: file.path, field: "tensor \"token_embd.weight\"",
                detail: "is missing or not a matrix of 1 to \(ModelConfig.Limits.vocabulary) rows")
        }
        let divisors = try Self.ropeDivisors(header, file)
        config = try metadata.config(vocabularySize: embedding.shape[0], tensorNames: Set(stored.keys), divisors: divisors)
        generationDefaults = try metadata.generationDefaults()
        displayName = baseName(file.path)
        let (template, templateNotes) = try metadata.freeText("tokenizer.chat_template")
        chatTemplate = template
        self.stored = stored
        inventory = try TensorInventory(list, unnamed: unnamed, config: config, file: file.path)
        notes = inventory.notes + templateNotes
    }

    public func tensor(named name: String) -> TensorInfo? { inventory.tensor(named: name) }

    /// Metadata keys in file order, for `inspect`.
    public var metadataKeys: [String] { header.keys.map { String(decoding: $0, as: UTF8.self) } }

    public func tokenizerDefinition() throws -> TokenizerDefinition? {
        let metadata = GGUFMetadata(file: header, path: path)
        guard let model = try metadata.string("tokenizer.ggml.model"), model != "no_vocab",
            let tokens = try metadata.strings("tokenizer.ggml.tokens")
        else { return nil }
        let types = try metadata.integers("tokenizer.ggml.token_type", typeName: "INT32") ?? []
        guard types.isEmpty || types.count == tokens.count else {
            throw metadata.fail("tokenizer.ggml.token_type", "has \(types.count) entries for \(tokens.count) tokens")
        }
        if let scores = metadata["tokenizer.ggml.scores"] {
            guard case .floats(let list, "FLOAT32") = scores else {
                throw metadata.fail("tokenizer.ggml.scores", "is \(scores.typeName), expected an array of FLOAT32")
            }
            guard list.count == tokens.count else {
                throw metadata.fail("tokenizer.ggml.scores", "has \(list.count) entries for \(tokens.count) tokens")
            }
        }
        let ids = 0...max(0, tokens.count - 1)
        func token(_ key: String) throws(CheckpointError) -> Int32? {
            try metadata.integer("tokenizer.ggml.\(key)", in: ids).map { Int32($0) }
        }
        let vocabulary = GGUFVocabulary(
            model: model, pre: try metadata.string("tokenizer.ggml.pre"), tokens: tokens,
            tokenTypes: types.map { Int32(truncatingIfNeeded: $0) },
            merges: try metadata.strings("tokenizer.ggml.merges") ?? [], bosTokenID: try token("bos_token_id"),
            eosTokenID: try token("eos_token_id"), padTokenID: try token("padding_token_id"),
            addsBOS: try metadata.bool("tokenizer.ggml.add_bos_token") ?? false)
        return try TokenizerDefinition(gguf: vocabulary)
    }

    public func readRows(
        of name: String, rows: Range<Int>, into out: UnsafeMutableBufferPointer<Float>
    ) throws(CheckpointError) {
        guard let tensor = stored[name], let info = inventory.tensor(named: name) else { preconditionFailure("no tensor \(name)") }
        precondition(rows.lowerBound >= 0 && rows.upperBound <= info.rows && out.count == rows.count * info.columns)
        let isPermuted = config.architecture == .llama
            && (name.hasSuffix("q_proj.weight") || name.hasSuffix("k_proj.weight")
                || name.hasSuffix("q_proj.bias") || name.hasSuffix("k_proj.bias"))
        guard isPermuted else { return try readStored(tensor, rows: rows, columns: info.columns, into: out) }
        if info.shape.count == 1 {
            try readStored(tensor, rows: rows, columns: info.columns, into: out)
            let permuted = Array(out)
            for index in out.indices { out[index] = permuted[storedRow(index)] }
            return
        }
        for (position, row) in rows.enumerated() {
            let source = storedRow(row)
            let target = UnsafeMutableBufferPointer(rebasing: out[(position * info.columns)..<((position + 1) * info.columns)])
            try readStored(tensor, rows: source..<(source + 1), columns: info.columns, into: target)
        }
    }

    /// Where the converter put original row `row`: pairs (i, i + half) of a head became neighbours (2i, 2i + 1).
    private func storedRow(_ row: Int) -> Int {
        let half = config.headDim / 2
        let (head, within) = row.quotientAndRemainder(dividingBy: config.headDim)
        return head * config.headDim + (within < half ? 2 * within : 2 * (within - half) + 1)
    }

    private func readStored(
        _ tensor: GGUFTensor, rows: Range<Int>, columns: Int, into out: UnsafeMutableBufferPointer<Float>
    ) throws(CheckpointError) {
        let rowBytes = columns / tensor.type.elementsPerBlock * tensor.type.bytesPerBlock
        try readDecoded(
            file, tensor.type, offset: tensor.offset + rows.lowerBound * rowBytes, byteCount: rows.count * rowBytes,
            field: "tensor \"\(printable(tensor.name))\"", into: out)
    }

    /// Raw Q8_0 rows, for an exact import; nil for other storage.
    func q8Rows(of name: String, rows: Range<Int>) throws(CheckpointError) -> [UInt8]? {
        guard let tensor = stored[name], let info = inventory.tensor(named: name), tensor.type == .q8_0 else { return nil }
        if config.architecture == .llama, name.hasSuffix("q_proj.weight") || name.hasSuffix("k_proj.weight") {
            var bytes: [UInt8] = []
            for row in rows { bytes += try q8Bytes(tensor, rows: storedRow(row)..<(storedRow(row) + 1), info.columns) }
            return bytes
        }
        return try q8Bytes(tensor, rows: rows, info.columns)
    }

    private func q8Bytes(_ tensor: GGUFTensor, rows: Range<Int>, _ columns: Int) throws(CheckpointError) -> [UInt8] {
        let rowBytes = columns / 32 * 34
        do throws(FileError) {
            return try file.read(count: rows.count * rowBytes, at: tensor.offset + rows.lowerBound * rowBytes)
        } catch {
            throw CheckpointError(error, file: path, field: "tensor \"\(printable(tensor.name))\"")
        }
    }

    private static let ropeDivisorsName = "rope_freqs.weight"

    /// The per-frequency divisors that Llama 3 conversions store as a tensor.
    private static func ropeDivisors(_ header: GGUFFile, _ file: RandomAccessFile) throws(CheckpointError) -> [Double]? {
        guard let tensor = header.tensors.first(where: { $0.name == Array(ropeDivisorsName.utf8) }) else { return nil }
        guard tensor.type == .f32, tensor.dimensions.count == 1, tensor.dimensions[0] <= 4096 else {
            throw CheckpointError(.unsupported, file: file.path, field: "rope_freqs.weight", detail: "is not a short F32 vector")
        }
        let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensor.dimensions[0])
        defer { floats.deallocate() }
        try readDecoded(
            file, .f32, offset: tensor.offset, byteCount: tensor.byteCount, field: "rope_freqs.weight", into: floats)
        return floats.map { Double($0) }
    }
}

/// Reads and dequantises `out.count` elements that occupy `byteCount` bytes at `offset`.
func readDecoded(
    _ file: RandomAccessFile, _ type: StorageType, offset: Int, byteCount: Int, field: String,
    into out: UnsafeMutableBufferPointer<Float>
) throws(CheckpointError) {
    let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 16)
    defer { raw.deallocate() }
    do throws(FileError) {
        try file.read(into: raw, at: offset)
    } catch {
        throw CheckpointError(error, file: file.path, field: field)
    }
    BlockDecoder.decode(type, UnsafeRawBufferPointer(raw), into: out)
}
