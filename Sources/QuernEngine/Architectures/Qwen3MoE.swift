// `qwen3_moe` (Qwen3-30B-A3B): Qwen3 with mixtures of experts and no shared one.
enum Qwen3MoE: Architecture {
    static func layer(_ place: LayerPlace, _ loader: WeightLoader) throws -> DecoderLayer {
        try loader.layer(place, try loader.attention(place, headNorms: .factor), try loader.mixture(place))
    }
}
