// `llama`: the base every other dense decoder varies. Biases only where the configuration asks for them.
enum Llama: Architecture {
    static func layer(_ prefix: String, _ loader: WeightLoader) throws -> DecoderLayer {
        DecoderLayer(
            attentionNorm: try loader.vector(prefix + "input_layernorm.weight"),
            attention: try loader.attention(prefix + "self_attn."),
            feedForwardNorm: try loader.vector(prefix + "post_attention_layernorm.weight"),
            feedForward: try loader.feedForward(prefix + "mlp."))
    }
}
