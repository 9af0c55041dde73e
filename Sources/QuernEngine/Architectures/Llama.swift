// `llama`: the base every other dense decoder varies. Biases only where the configuration asks for them.
import QuernModel

enum Llama: Architecture {
    static func layer(_ index: Int, config: ModelConfig, loader: WeightLoader) throws -> DecoderLayer {
        let tensors = LayerTensors(index, config: config, loader: loader)
        return DecoderLayer(
            attentionNorm: try tensors.norm("input_layernorm"),
            attention: try tensors.attention(
                biases: config.attentionBias, outputBias: config.attentionOutputBias, headNorms: false),
            feedForwardNorm: try tensors.norm("post_attention_layernorm"),
            feedForward: try tensors.feedForward(biases: config.mlpBias))
    }
}
