// `qwen3_5_moe` (Qwen3.5-35B-A3B): Qwen3.5 with mixtures of experts beside one that all tokens share.
enum Qwen35MoE: Architecture {
    static func layer(_ place: LayerPlace, _ loader: WeightLoader) throws -> DecoderLayer {
        try loader.layer(place, norms: .zeroCentred, try loader.hybridMixer(place), try loader.mixture(place))
    }
}
