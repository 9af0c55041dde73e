// `llama`: the base every other dense decoder varies. Biases only where the configuration asks for them.
enum Llama: Architecture {
    static func layer(_ place: LayerPlace, _ loader: WeightLoader) throws -> DecoderLayer {
        try loader.layer(place, try loader.attention(place), try loader.feedForward(place))
    }
}
