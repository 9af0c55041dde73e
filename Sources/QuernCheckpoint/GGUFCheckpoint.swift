// A GGUF file as a checkpoint: canonical names, row order, tokenizer metadata.
//
// Converters permute the query and key rows of `llama` models for ggml's interleaved rotary embedding, and of hybrids they store
// norms as factors and rates of forgetting instead of their logarithms; `readRows` undoes that, so that every architecture sees
// the original weights. Only the order of Qwen3.5's value heads is left, which the configuration names.
import Foundation
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
    private let sources: TensorSources
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
            if shape.count == 3 { shape = [shape[0] * shape[1], shape[2]] }      // experts, one below the other
            if canonical.hasSuffix(".shared_expert_gate.weight"), shape.count == 1 { shape.insert(1, at: 0) }
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
        let config = try metadata.config(vocabularySize: embedding.shape[0], tensorNames: Set(stored.keys), divisors: divisors)
        self.config = config
        generationDefaults = try metadata.generationDefaults()
        displayName = baseName(file.path)
        let (template, templateNotes) = try metadata.freeText("tokenizer.chat_template")
        chatTemplate = template
        self.stored = stored
        let layers = "model.layers."
        let isDraft = { (name: String) in     // layers behind the model's own
            name.hasPrefix(layers) && Int(name.dropFirst(layers.count).prefix { $0 != "." }) ?? 0 >= config.layerCount
        }
        let shapes = Dictionary(list.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
        let sources = try TensorSources(config: config, stored: shapes, file: file.path)
        self.sources = sources
        let drafts = list.map(\.name).filter(isDraft).map { "mtp.\($0)" }
        inventory = try TensorInventory(
            sources.assembling(list.filter { !isDraft($0.name) }), unnamed: unnamed + drafts, config: config, file: file.path)
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
        guard let info = inventory.tensor(named: name) else { preconditionFailure("no tensor \(name)") }
        precondition(rows.lowerBound >= 0 && rows.upperBound <= info.rows && out.count == rows.count * info.columns)
        for part in sources.parts(of: name, rows: rows) {
            let place = (part.offset * info.columns)..<((part.offset + part.rows.count) * info.columns)
            try readPart(of: name, info, part.stored, part.rows, into: UnsafeMutableBufferPointer(rebasing: out[place]))
        }
        guard config.architecture.isHybrid else { return }
        if name.hasSuffix("norm.weight"), !name.hasSuffix("linear_attn.norm.weight") {
            for index in out.indices { out[index] -= 1 }
        } else if name.hasSuffix(".A_log") {
            for index in out.indices { out[index] = log(-out[index]) }
        }
    }

    private func readPart(
        of name: String, _ info: TensorInfo, _ storedName: String, _ rows: Range<Int>, into out: UnsafeMutableBufferPointer<Float>
    ) throws(CheckpointError) {
        guard let tensor = stored[storedName] else { preconditionFailure("no tensor \(storedName)") }
        guard isPermuted(name) else { return try readStored(tensor, rows: rows, columns: info.columns, into: out) }
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

    private func isPermuted(_ name: String) -> Bool {
        config.architecture == .llama && ["q_proj.weight", "k_proj.weight", "q_proj.bias", "k_proj.bias"].contains { name.hasSuffix($0) }
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

    /// 32 when most weights are integers in blocks of 32 with one scale, which eight bits then hold as they are.
    public var integerGroup: Int? {
        let matrices = tensors.filter(\.isQuantizable)
        let inBlocks = matrices.filter { ["Q8_0", "Q5_0", "Q4_0"].contains($0.storage) }
        return 2 * inBlocks.reduce(0) { $0 + $1.elementCount } > matrices.reduce(0) { $0 + $1.elementCount } ? 32 : nil
    }

    /// Q8_0 rows.
    public func integerRows(of name: String, rows: Range<Int>, shape: TileShape) throws(CheckpointError) -> IntegerRows? {
        let parts = sources.parts(of: name, rows: rows)
        guard shape.bits == .eight, shape.group == 32, parts.allSatisfy({ stored[$0.stored]?.type == .q8_0 }) else { return nil }
        var found = IntegerRows()
        for part in parts {
            guard let tensor = stored[part.stored] else { return nil }
            if isPermuted(name) {
                for row in part.rows { try appendQ8(tensor, storedRow(row)..<(storedRow(row) + 1), shape.columns, to: &found) }
            } else {
                try appendQ8(tensor, part.rows, shape.columns, to: &found)
            }
        }
        return found
    }

    private func appendQ8(
        _ tensor: GGUFTensor, _ rows: Range<Int>, _ columns: Int, to found: inout IntegerRows
    ) throws(CheckpointError) {
        let rowBytes = columns / 32 * 34
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try file.read(count: rows.count * rowBytes, at: tensor.offset + rows.lowerBound * rowBytes)
        } catch {
            throw CheckpointError(error, file: path, field: "tensor \"\(printable(tensor.name))\"")
        }
        for block in stride(from: 0, to: bytes.count, by: 34) {
            found.scales.append(Float16(bitPattern: UInt16(bytes[block]) | UInt16(bytes[block + 1]) << 8))
            for value in bytes[(block + 2)..<(block + 34)] {
                if value == 0x80 { found.clamped += 1 }     // -128 would overflow a kernel's pair sum
                found.values.append(value == 0x80 ? -127 : Int8(bitPattern: value))
            }
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
