// `qwen3` (dense): Llama with an RMS norm over each query and key head before the rotary embedding; the head dimension
// is its own configuration value and need not be hiddenSize / headCount.
enum Qwen3: Architecture {
    static func layer(_ prefix: String, _ loader: WeightLoader) throws -> DecoderLayer {
        DecoderLayer(
            attentionNorm: try loader.vector(prefix + "input_layernorm.weight"),
            attention: try loader.attention(prefix + "self_attn.", headNorms: true),
            feedForwardNorm: try loader.vector(prefix + "post_attention_layernorm.weight"),
            feedForward: try loader.feedForward(prefix + "mlp."))
    }
}
