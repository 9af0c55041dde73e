// The registry of supported decoder architectures. One file each; a file says which tensors a layer has and under
// which names, nothing else: the forward pass is shared.
import QuernModel
import QuernTensor

/// Builds layers of one `model_type` from a checkpoint with canonical (Hugging Face) tensor names.
protocol Architecture: SendableMetatype {
    static func layer(_ index: Int, config: ModelConfig, loader: WeightLoader) throws -> DecoderLayer
}

enum Architectures {
    static func named(_ name: ArchitectureName) -> any Architecture.Type {
        switch name {
        case .llama: Llama.self
        case .qwen2: Qwen2.self
        case .qwen3: Qwen3.self
        }
    }
}

/// The tensor names that all Llama-like layers share.
struct LayerTensors {
    let prefix: String
    let config: ModelConfig
    let loader: WeightLoader

    init(_ index: Int, config: ModelConfig, loader: WeightLoader) {
        prefix = "model.layers.\(index)."
        self.config = config
        self.loader = loader
    }

    func attention(biases: Bool, outputBias: Bool, headNorms: Bool) throws -> Attention {
        let queryWidth = config.headCount * config.headDim
        let keyWidth = config.kvHeadCount * config.headDim
        return Attention(
            query: try linear("self_attn.q_proj", rows: queryWidth, columns: config.hiddenSize, bias: biases),
            key: try linear("self_attn.k_proj", rows: keyWidth, columns: config.hiddenSize, bias: biases),
            value: try linear("self_attn.v_proj", rows: keyWidth, columns: config.hiddenSize, bias: biases),
            output: try linear("self_attn.o_proj", rows: config.hiddenSize, columns: queryWidth, bias: outputBias),
            queryNorm: headNorms ? try vector("self_attn.q_norm", count: config.headDim) : nil,
            keyNorm: headNorms ? try vector("self_attn.k_norm", count: config.headDim) : nil)
    }

    func feedForward(biases: Bool) throws -> FeedForward {
        FeedForward(
            gate: try linear("mlp.gate_proj", rows: config.intermediateSize, columns: config.hiddenSize, bias: biases),
            up: try linear("mlp.up_proj", rows: config.intermediateSize, columns: config.hiddenSize, bias: biases),
            down: try linear("mlp.down_proj", rows: config.hiddenSize, columns: config.intermediateSize, bias: biases))
    }

    func norm(_ name: String) throws -> Floats { try vector(name, count: config.hiddenSize) }

    private func linear(_ name: String, rows: Int, columns: Int, bias: Bool) throws -> Linear {
        try loader.linear(
            prefix + name + ".weight", rows: rows, columns: columns, bias: bias ? prefix + name + ".bias" : nil)
    }

    private func vector(_ name: String, count: Int) throws -> Floats {
        try loader.vector(prefix + name + ".weight", count: count)
    }
}
