// `qwen2_moe` (Qwen1.5-MoE, Qwen2-57B-A14B): Qwen2 with mixtures of experts beside one that all tokens share.
enum Qwen2MoE: Architecture {
    static func layer(_ place: LayerPlace, _ loader: WeightLoader) throws -> DecoderLayer {
        try loader.layer(place, try loader.attention(place), try loader.mixture(place))
    }
}
