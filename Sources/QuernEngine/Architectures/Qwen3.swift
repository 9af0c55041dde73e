// `qwen3` (dense): Llama with an RMS norm over each query and key head before the rotary embedding; the head dimension
// is its own configuration value and need not be hiddenSize / headCount.
import QuernModel

enum Qwen3: Architecture {
    static func layer(_ index: Int, config: ModelConfig, loader: WeightLoader) throws -> DecoderLayer {
        let tensors = LayerTensors(index, config: config, loader: loader)
        return DecoderLayer(
            attentionNorm: try tensors.norm("input_layernorm"),
            attention: try tensors.attention(
                biases: config.attentionBias, outputBias: config.attentionOutputBias, headNorms: true),
            feedForwardNorm: try tensors.norm("post_attention_layernorm"),
            feedForward: try tensors.feedForward(biases: false))
    }
}
