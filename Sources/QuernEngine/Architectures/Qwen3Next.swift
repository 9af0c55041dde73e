// `qwen3_next` (Qwen3-Next-80B-A3B): three Gated DeltaNet layers to one of gated attention, mixtures of experts throughout, norms
// stored as their distance from one.
enum Qwen3Next: Architecture {
    static func layer(_ place: LayerPlace, _ loader: WeightLoader) throws -> DecoderLayer {
        try loader.layer(place, norms: .zeroCentred, try loader.hybridMixer(place), try loader.mixture(place))
    }
}
