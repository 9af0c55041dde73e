// `qwen3` (dense): Llama with an RMS norm over each query and key head before the rotary embedding; the head dimension
// is its own configuration value and need not be hiddenSize / headCount.
enum Qwen3: Architecture {
    static func layer(_ place: LayerPlace, _ loader: WeightLoader) throws -> DecoderLayer {
        try loader.layer(place, try loader.attention(place, headNorms: .factor), try loader.feedForward(place))
    }
}
