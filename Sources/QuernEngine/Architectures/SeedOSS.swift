// `seed_oss` (ByteDance's Seed-OSS): Llama with biases on queries, keys and values, and a head dimension of its own.
enum SeedOSS: Architecture {
    static func layer(_ place: LayerPlace, _ loader: WeightLoader) throws -> DecoderLayer {
        try loader.layer(place, try loader.attention(place), try loader.feedForward(place))
    }
}
