// `qwen2` (Qwen2, Qwen2.5, Qwen2.5-Coder): Llama with biases on the query, key and value projections.
enum Qwen2: Architecture {
    static func layer(_ prefix: String, _ loader: WeightLoader) throws -> DecoderLayer {
        DecoderLayer(
            attentionNorm: try loader.vector(prefix + "input_layernorm.weight"),
            attention: try loader.attention(prefix + "self_attn."),
            feedForwardNorm: try loader.vector(prefix + "post_attention_layernorm.weight"),
            feedForward: try loader.feedForward(prefix + "mlp."))
    }
}
