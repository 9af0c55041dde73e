// GGUF bytes, well-formed or broken in one chosen way.
import QuernCheckpoint
import QuernModel

struct GGUFBuilder {
    enum Value {
        case u8(UInt8), u32(UInt32), i32(Int32), f32(Float), bool(UInt8), u64(UInt64), i64(Int64), string([UInt8])
        case strings([[UInt8]]), i32s([Int32]), f32s([Float]), u8s([UInt8])
        /// Type number and body, as they are.
        case raw(UInt32, [UInt8])

        static func text(_ text: String) -> Value { .string(Array(text.utf8)) }
    }

    struct Tensor {
        var name: [UInt8]
        /// Fastest first.
        var dimensions: [UInt64]
        var type: UInt32
        var bytes: [UInt8]
        /// Replaces the offset that the layout gives.
        var offset: UInt64?
    }

    var magic = Array("GGUF".utf8)
    var version: UInt32 = 3
    var tensorCount: UInt64?
    var entryCount: UInt64?
    var entries: [(key: [UInt8], value: Value)] = []
    var tensors: [Tensor] = []
    var alignment = 32

    mutating func set(_ key: String, _ value: Value?) {
        entries.removeAll { $0.key == Array(key.utf8) }
        if let value { entries.append((Array(key.utf8), value)) }
    }

    /// Number of bytes before the tensor data.
    var headerCount: Int { header.count }

    var bytes: [UInt8] {
        var bytes = header
        for tensor in tensors {
            bytes.append(contentsOf: repeatElement(0, count: (alignment - bytes.count % alignment) % alignment))
            bytes += tensor.bytes
        }
        return bytes
    }

    private var header: [UInt8] {
        var bytes = magic + le(version)
        bytes += le(tensorCount ?? UInt64(tensors.count)) + le(entryCount ?? UInt64(entries.count))
        for (key, value) in entries { bytes += string(key) + encoded(value) }
        var offset: UInt64 = 0
        for tensor in tensors {
            bytes += string(tensor.name) + le(UInt32(tensor.dimensions.count))
            for size in tensor.dimensions { bytes += le(size) }
            let step = UInt64(alignment)
            offset = (offset + step - 1) / step * step
            bytes += le(tensor.type) + le(tensor.offset ?? offset)
            offset += UInt64(tensor.bytes.count)
        }
        return bytes
    }

    func string(_ bytes: [UInt8]) -> [UInt8] { le(UInt64(bytes.count)) + bytes }

    private func encoded(_ value: Value) -> [UInt8] {
        switch value {
        case .u8(let v): le(UInt32(0)) + [v]
        case .u32(let v): le(UInt32(4)) + le(v)
        case .i32(let v): le(UInt32(5)) + le(v)
        case .f32(let v): le(UInt32(6)) + le(v.bitPattern)
        case .bool(let v): le(UInt32(7)) + [v]
        case .string(let v): le(UInt32(8)) + string(v)
        case .u64(let v): le(UInt32(10)) + le(v)
        case .i64(let v): le(UInt32(11)) + le(v)
        case .strings(let v): le(UInt32(9)) + le(UInt32(8)) + le(UInt64(v.count)) + v.flatMap { string($0) }
        case .i32s(let v): le(UInt32(9)) + le(UInt32(5)) + le(UInt64(v.count)) + v.flatMap { le($0) }
        case .f32s(let v): le(UInt32(9)) + le(UInt32(6)) + le(UInt64(v.count)) + v.flatMap { le($0.bitPattern) }
        case .u8s(let v): le(UInt32(9)) + le(UInt32(0)) + le(UInt64(v.count)) + v
        case .raw(let type, let body): le(type) + body
        }
    }
}

func le<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

extension GGUFBuilder {
    /// A complete file: F32 vectors, matrices encoded by `encode` (F32 unless given).
    init(_ model: TinyModel, type: StorageType = .f32, skipping: String? = nil, encode: (([Float]) -> [UInt8])? = nil) {
        let config = model.config
        let name = config.architecture.ggufName
        set("general.architecture", .text(name))
        set("\(name).embedding_length", .u32(UInt32(config.hiddenSize)))
        set("\(name).feed_forward_length", .u32(UInt32(config.intermediateSize)))
        set("\(name).block_count", .u32(UInt32(config.layerCount)))
        set("\(name).attention.head_count", .u32(UInt32(config.headCount)))
        set("\(name).attention.head_count_kv", .u32(UInt32(config.kvHeadCount)))
        set("\(name).attention.key_length", .u32(UInt32(config.headDim)))
        set("\(name).context_length", .u32(UInt32(config.contextLength)))
        set("\(name).attention.layer_norm_rms_epsilon", .f32(config.rmsNormEpsilon))
        set("\(name).rope.freq_base", .f32(Float(config.ropeTheta)))
        set("tokenizer.ggml.model", .text("gpt2"))
        set("tokenizer.ggml.pre", .text("qwen2"))
        set("tokenizer.ggml.tokens", .strings(TinyModel.spelledTokens))
        set("tokenizer.ggml.token_type", .i32s((0..<TinyModel.tokenCount).map { $0 < 256 ? 1 : 3 }))
        set("tokenizer.ggml.merges", .strings([]))
        set("tokenizer.ggml.bos_token_id", .u32(256))
        set("tokenizer.ggml.eos_token_id", .u32(256))
        set("tokenizer.chat_template", .text("{{ messages[0].content }}"))
        setMixed(name, config)
        for tensor in Self.fused(model) where Self.stored(tensor.name, config) != skipping {
            var values = tensor.values
            if config.architecture == .llama, tensor.name.contains(".q_proj.") || tensor.name.contains(".k_proj.") {
                values = Self.permuted(values, rows: tensor.shape[0], head: config.headDim)
            }
            let isMatrix = tensor.isQuantizable
            tensors.append(
                Tensor(
                    name: Array(Self.stored(tensor.name, config).utf8), dimensions: tensor.shape.reversed().map(UInt64.init),
                    type: isMatrix ? type.rawValue : 0,
                    bytes: isMatrix ? encode?(values) ?? Self.floats(values) : Self.floats(values), offset: nil))
        }
    }

    static func floats(_ values: [Float]) -> [UInt8] { values.flatMap { le($0.bitPattern) } }

    /// What the converters do to query and key rows: (head, half, i) becomes (head, i, half).
    static func permuted(_ values: [Float], rows: Int, head: Int) -> [Float] {
        let columns = values.count / rows
        var out: [Float] = []
        for start in stride(from: 0, to: rows, by: head) {
            for pair in 0..<(head / 2) {
                for half in 0..<2 {
                    let row = start + half * (head / 2) + pair
                    out += values[(row * columns)..<((row + 1) * columns)]
                }
            }
        }
        return out
    }

    static func stored(_ canonical: String, _ config: ModelConfig) -> String {
        let hasPostNorm = config.architecture.isHybrid || config.architecture == .seedOSS
        let parts = mixedNames + [
            ("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output"),
            ("model.layers.", "blk."), ("input_layernorm", "attn_norm"), ("post_attention_layernorm", hasPostNorm ? "post_attention_norm" : "ffn_norm"),
            ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
            ("self_attn.o_proj", "attn_output"), ("self_attn.q_norm", "attn_q_norm"), ("self_attn.k_norm", "attn_k_norm"),
            ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"),
        ]
        return parts.reduce(canonical) { $0.replacing($1.0, with: $1.1) }
    }

    /// Blocks of 32 with a scale of their own each, as ggml's reference quantises Q8_0.
    static func q8(_ values: [Float]) -> [UInt8] {
        stride(from: 0, to: values.count, by: 32).flatMap { start -> [UInt8] in
            let block = values[start..<(start + 32)]
            let scale = Float16((block.map(abs).max() ?? 0) / 127)
            let inverse = scale > 0 ? 1 / Float(scale) : 0
            return le(scale.bitPattern) + block.map { UInt8(bitPattern: Int8(max(-127, min(127, ($0 * inverse).rounded())))) }
        }
    }
}
