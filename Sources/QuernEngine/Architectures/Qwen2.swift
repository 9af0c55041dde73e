// `qwen2` (Qwen2, Qwen2.5, Qwen2.5-Coder): Llama with biases on the query, key and value projections.
import QuernModel

enum Qwen2: Architecture {
    static func layer(_ index: Int, config: ModelConfig, loader: WeightLoader) throws -> DecoderLayer {
        let tensors = LayerTensors(index, config: config, loader: loader)
        return DecoderLayer(
            attentionNorm: try tensors.norm("input_layernorm"),
            attention: try tensors.attention(biases: true, outputBias: false, headNorms: false),
            feedForwardNorm: try tensors.norm("post_attention_layernorm"),
            feedForward: try tensors.feedForward(biases: false))
    }
}
