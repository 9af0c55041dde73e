// The registry of supported decoder architectures. One file each; a file says which parts a layer is made of, nothing
// else: shapes come from the checkpoint and the forward pass is shared.
import QuernModel
import QuernTensor

/// Builds layers of one `model_type` from a checkpoint with canonical (Hugging Face) tensor names.
protocol Architecture: SendableMetatype {
    /// - Parameter prefix: `model.layers.N.`, which begins the name of every tensor of the layer.
    static func layer(_ prefix: String, _ loader: WeightLoader) throws -> DecoderLayer
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

extension WeightLoader {
    /// Grouped-query attention; `headNorms` adds an RMS norm over each query and key head.
    func attention(_ prefix: String, headNorms: Bool = false) throws -> Attention {
        Attention(
            query: try linear(prefix + "q_proj"), key: try linear(prefix + "k_proj"), value: try linear(prefix + "v_proj"),
            output: try linear(prefix + "o_proj"),
            queryNorm: headNorms ? try vector(prefix + "q_norm.weight") : nil,
            keyNorm: headNorms ? try vector(prefix + "k_norm.weight") : nil)
    }

    /// The gated feed-forward block.
    func feedForward(_ prefix: String) throws -> FeedForward {
        FeedForward(
            gate: try linear(prefix + "gate_proj"), up: try linear(prefix + "up_proj"), down: try linear(prefix + "down_proj"))
    }
}
