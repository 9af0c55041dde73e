// `qwen2` (Qwen2, Qwen2.5, Qwen2.5-Coder): Llama with biases on the query, key and value projections, and with sliding windows
// where the configuration asks for them.
enum Qwen2: Architecture {
    static func layer(_ place: LayerPlace, _ loader: WeightLoader) throws -> DecoderLayer {
        try loader.layer(place, try loader.attention(place), try loader.feedForward(place))
    }
}
