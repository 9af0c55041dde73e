// The shape of a decoder-only model, validated once.
//
// Owns: reading and writing Hugging Face's config.json vocabulary. Does not own: weights, tensor names.
// Invariant: every field lies within the published limits below, so that no derived size can overflow.
import QuernJSON

/// Architectures this build computes; raw values are `model_type` in config.json.
public enum ArchitectureName: String, Sendable, CaseIterable {
    case llama, qwen2, qwen3
}

public struct ModelConfig: Sendable, Equatable {
    public var architecture: ArchitectureName
    public var hiddenSize: Int
    public var intermediateSize: Int
    public var layerCount: Int
    public var headCount: Int
    public var kvHeadCount: Int
    public var headDim: Int
    /// Rows of the embedding; may exceed the number of tokens.
    public var vocabularySize: Int
    /// Positions the model was made for.
    public var contextLength: Int
    public var rmsNormEpsilon: Float = 1e-6
    public var ropeTheta: Double = 10000
    public var ropeScaling = RopeScaling.none
    /// The embedding is also the language-model head.
    public var tiesEmbeddings = false
    /// Biases on the query, key and value projections.
    public var attentionBias = false
    /// A bias on the attention output projection.
    public var attentionOutputBias = false
    public var mlpBias = false
    public var bosTokenID: Int32?
    public var eosTokenIDs: [Int32] = []

    /// Upper bounds on what a configuration may ask for.
    public enum Limits {
        public static let hiddenSize = 1 << 17
        public static let intermediateSize = 1 << 20
        public static let layers = 1024
        public static let heads = 1024
        public static let headDim = 256
        public static let vocabulary = 1 << 21
        public static let context = 1 << 26
    }

    /// - Parameter generationConfigJSON: generation_config.json; its stop tokens win over config.json's.
    public init(configJSON: JSONValue, generationConfigJSON: JSONValue? = nil) throws(ConfigError) {
        let fields = try ConfigFields(configJSON)
        guard let type = try fields.optionalString("model_type") else { throw fields.fail("model_type", "is missing") }
        guard let architecture = ArchitectureName(rawValue: type) else {
            let known = ArchitectureName.allCases.map(\.rawValue).joined(separator: ", ")
            throw fields.fail("model_type", "is \"\(type.prefix(64))\"; supported: \(known)")
        }
        self.architecture = architecture
        hiddenSize = try fields.integer("hidden_size", in: 1...Limits.hiddenSize)
        intermediateSize = try fields.integer("intermediate_size", in: 1...Limits.intermediateSize)
        layerCount = try fields.integer("num_hidden_layers", in: 1...Limits.layers)
        headCount = try fields.integer("num_attention_heads", in: 1...Limits.heads)
        kvHeadCount = try fields.optionalInteger("num_key_value_heads", in: 1...Limits.heads) ?? headCount
        headDim = try fields.optionalInteger("head_dim", in: 1...Limits.headDim)
            ?? (architecture == .qwen3 ? 128 : hiddenSize / headCount)
        vocabularySize = try fields.integer("vocab_size", in: 1...Limits.vocabulary)
        contextLength = try fields.optionalInteger("max_position_embeddings", in: 1...Limits.context) ?? 2048
        rmsNormEpsilon = Float(try fields.optionalNumber("rms_norm_eps", in: 1e-12...1) ?? 1e-6)
        try readRope(fields)
        tiesEmbeddings = try fields.optionalBool("tie_word_embeddings") ?? false
        let bias = try fields.optionalBool("attention_bias") ?? false
        attentionBias = architecture == .qwen2 || bias
        attentionOutputBias = architecture != .qwen2 && bias
        mlpBias = architecture == .llama ? try fields.optionalBool("mlp_bias") ?? false : false
        bosTokenID = try fields.tokens("bos_token_id").first
        eosTokenIDs = try fields.tokens("eos_token_id")
        if let generationConfigJSON {
            let tokens = try ConfigFields(generationConfigJSON).tokens("eos_token_id")
            if !tokens.isEmpty { eosTokenIDs = tokens }
        }
        try refuseUnsupported(fields)
        try validate()
    }

    private mutating func readRope(_ fields: ConfigFields) throws(ConfigError) {
        let thetas: ClosedRange<Double> = 1...1e12
        ropeTheta = try fields.optionalNumber("rope_theta", in: thetas) ?? 10000
        // transformers 5 moved both settings into `rope_parameters`.
        for key in ["rope_scaling", "rope_parameters"] {
            guard let value = fields[key] else { continue }
            let nested = try ConfigFields(value, pointer: "/\(key)")
            ropeTheta = try nested.optionalNumber("rope_theta", in: thetas) ?? ropeTheta
            ropeScaling = try RopeScaling(nested, contextLength: contextLength)
        }
    }

    private func refuseUnsupported(_ fields: ConfigFields) throws(ConfigError) {
        if try fields.optionalBool("use_sliding_window") == true {
            throw fields.fail("use_sliding_window", "is true; sliding-window attention is not supported")
        }
        if let activation = try fields.optionalString("hidden_act"), activation != "silu" {
            throw fields.fail("hidden_act", "is \"\(activation.prefix(64))\"; supported: silu")
        }
        if let factor = try fields.optionalNumber("partial_rotary_factor", in: 0...1), factor != 1 {
            throw fields.fail("partial_rotary_factor", "is \(factor); supported: 1")
        }
    }

    /// Relations between fields that the kernels rely on.
    public func validate() throws(ConfigError) {
        func require(_ condition: Bool, _ key: String, _ reason: String) throws(ConfigError) {
            if !condition { throw ConfigError(pointer: "/\(key)", reason: reason) }
        }
        try require(
            headCount % kvHeadCount == 0, "num_key_value_heads",
            "is \(kvHeadCount), which does not divide the \(headCount) attention heads")
        try require(
            headDim % 8 == 0 && headDim >= 8 && headDim <= Limits.headDim, "head_dim",
            "is \(headDim); supported are multiples of 8 up to \(Limits.headDim)")
        try require(headCount / kvHeadCount <= 256, "num_attention_heads", "has more than 256 heads per key head")
        if case .divisors(let list) = ropeScaling {
            try require(list.count == headDim / 2, "rope_scaling", "has \(list.count) divisors for \(headDim / 2) pairs")
        }
    }

    /// A config.json that `init(configJSON:)` reads back to an equal value.
    public func serialized() -> JSONValue {
        var object = JSONObject()
        object.append("model_type", .string(architecture.rawValue))
        let integers = [
            ("hidden_size", hiddenSize), ("intermediate_size", intermediateSize), ("num_hidden_layers", layerCount),
            ("num_attention_heads", headCount), ("num_key_value_heads", kvHeadCount), ("head_dim", headDim),
            ("vocab_size", vocabularySize), ("max_position_embeddings", contextLength),
        ]
        for (key, value) in integers { object.append(key, .int(Int64(value))) }
        object.append("rms_norm_eps", .double(Double(rmsNormEpsilon)))
        object.append("rope_theta", .double(ropeTheta))
        if let scaling = ropeScaling.serialized { object.append("rope_scaling", scaling) }
        object.append("tie_word_embeddings", .bool(tiesEmbeddings))
        object.append("attention_bias", .bool(attentionBias))
        object.append("mlp_bias", .bool(mlpBias))
        if let bosTokenID { object.append("bos_token_id", .int(Int64(bosTokenID))) }
        object.append("eos_token_id", .array(eosTokenIDs.map { .int(Int64($0)) }))
        return .object(object)
    }
}
