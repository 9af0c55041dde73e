// `qwen3_5` (Qwen3.5, dense): Qwen3-Next's layers with plain feed-forward blocks. Composite checkpoints keep the text model
// under `model.language_model`.
enum Qwen35: Architecture {
    static func layer(_ place: LayerPlace, _ loader: WeightLoader) throws -> DecoderLayer {
        try loader.layer(place, norms: .zeroCentred, try loader.hybridMixer(place), try loader.feedForward(place))
    }
}
