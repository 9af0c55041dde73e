// The shape of a decoder-only model, validated once.
//
// Owns: reading and writing Hugging Face's config.json vocabulary. Does not own: weights, tensor names.
// Invariant: every field lies within the published limits below, so that no derived size can overflow.
import QuernJSON

public struct ModelConfig: Sendable, Equatable {
    public var architecture: ArchitectureName
    public var hiddenSize: Int
    /// Of dense feed-forward layers; 0 when every layer is a mixture.
    public var intermediateSize: Int
    public var layerCount: Int
    public var headCount: Int
    public var kvHeadCount: Int
    public var headDim: Int
    /// Leading dimensions of a head that are rotated.
    public var rotaryDim: Int
    /// How each layer mixes tokens.
    public var layerKinds: [LayerKind]
    /// Positions a sliding layer sees, the token's own included.
    public var slidingWindow: Int?
    public var experts: MixtureShape?
    public var linearAttention: LinearAttentionShape?
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
        public static let experts = 4096
        public static let expertsPerToken = 64
        public static let vocabulary = 1 << 21
        public static let context = 1 << 26
    }

    /// - Parameter generationConfigJSON: generation_config.json; its stop tokens win over config.json's.
    public init(configJSON: JSONValue, generationConfigJSON: JSONValue? = nil) throws(ConfigError) {
        let whole = try ConfigFields(configJSON)
        var fields = whole
        var architecture = try Self.architecture(whole)
        if architecture.isComposite, let text = whole["text_config"] {
            fields = try ConfigFields(text, pointer: "/text_config")
            if fields["model_type"] != nil { architecture = try Self.architecture(fields) }
        }
        self.architecture = architecture
        hiddenSize = try fields.integer("hidden_size", in: 1...Limits.hiddenSize)
        layerCount = try fields.integer("num_hidden_layers", in: 1...Limits.layers)
        headCount = try fields.integer("num_attention_heads", in: 1...Limits.heads)
        kvHeadCount = try fields.optionalInteger("num_key_value_heads", in: 1...Limits.heads) ?? headCount
        headDim = try fields.optionalInteger("head_dim", in: 1...Limits.headDim)
            ?? Self.defaultHeadDim(architecture) ?? hiddenSize / headCount
        rotaryDim = headDim
        experts = architecture.hasExperts ? try MixtureShape(fields, architecture) : nil
        linearAttention = architecture.isHybrid ? try LinearAttentionShape(fields) : nil
        layerKinds = Array(repeating: .full, count: layerCount)
        vocabularySize = try fields.integer("vocab_size", in: 1...Limits.vocabulary)
        contextLength = try fields.optionalInteger("max_position_embeddings", in: 1...Limits.context) ?? 2048
        rmsNormEpsilon = Float(try fields.optionalNumber("rms_norm_eps", in: 1e-12...1) ?? 1e-6)
        let sizes = 1...Limits.intermediateSize
        intermediateSize = try fields.optionalInteger("intermediate_size", in: sizes) ?? 0
        (layerKinds, slidingWindow) = try readLayerKinds(fields)
        if (0..<layerCount).contains(where: { !isSparse($0) }) {
            intermediateSize = try fields.integer("intermediate_size", in: sizes)
        }
        try readRope(fields)
        let nestedTie = try fields.optionalBool("tie_word_embeddings")
        tiesEmbeddings = try whole.optionalBool("tie_word_embeddings") ?? nestedTie ?? false
        try readBiases(fields)
        bosTokenID = try fields.tokens("bos_token_id").first
        eosTokenIDs = try fields.tokens("eos_token_id")
        if let generationConfigJSON {
            let tokens = try ConfigFields(generationConfigJSON).tokens("eos_token_id")
            if !tokens.isEmpty { eosTokenIDs = tokens }
        }
        if let activation = try fields.optionalString("hidden_act"), activation != "silu" {
            throw fields.fail("hidden_act", "is \"\(activation.prefix(64))\"; supported: silu")
        }
        try validate()
    }

    private static func architecture(_ fields: ConfigFields) throws(ConfigError) -> ArchitectureName {
        guard let type = try fields.optionalString("model_type") else { throw fields.fail("model_type", "is missing") }
        guard let architecture = ArchitectureName(modelType: type) else {
            let known = ArchitectureName.modelTypes.joined(separator: ", ")
            throw fields.fail("model_type", "is \"\(type.prefix(64))\"; supported: \(known)")
        }
        return architecture
    }

    private static func defaultHeadDim(_ architecture: ArchitectureName) -> Int? {
        switch architecture {
        case .qwen3, .seedOSS: 128
        case .qwen3Next, .qwen35, .qwen35MoE: 256
        case .llama, .qwen2, .qwen2MoE, .qwen3MoE: nil
        }
    }

    /// Whether the feed-forward part of a layer is a mixture of experts.
    public func isSparse(_ layer: Int) -> Bool { experts?.isSparse(layer) ?? false }

    private mutating func readBiases(_ fields: ConfigFields) throws(ConfigError) {
        let bias = try fields.optionalBool("attention_bias")
        switch architecture {
        case .qwen2: attentionBias = true
        case .qwen2MoE: attentionBias = try fields.optionalBool("qkv_bias") ?? bias ?? true
        case .seedOSS: attentionBias = bias ?? true
        case .llama, .qwen3, .qwen3MoE, .qwen3Next, .qwen35, .qwen35MoE: attentionBias = bias ?? false
        }
        switch architecture {
        case .qwen2, .qwen2MoE: break
        case .seedOSS: attentionOutputBias = try fields.optionalBool("attention_out_bias") ?? false
        case .llama, .qwen3, .qwen3MoE, .qwen3Next, .qwen35, .qwen35MoE: attentionOutputBias = attentionBias
        }
        if architecture == .llama || architecture == .seedOSS { mlpBias = try fields.optionalBool("mlp_bias") ?? false }
    }

    private mutating func readRope(_ fields: ConfigFields) throws(ConfigError) {
        let thetas: ClosedRange<Double> = 1...1e12
        ropeTheta = try fields.optionalNumber("rope_theta", in: thetas) ?? 10000
        var rotated = try fields.optionalNumber("partial_rotary_factor", in: 0...1)
        // transformers 5 moved these settings into `rope_parameters`.
        for key in ["rope_scaling", "rope_parameters"] {
            guard let value = fields[key] else { continue }
            let nested = try ConfigFields(value, pointer: "\(fields.pointer)/\(key)")
            ropeTheta = try nested.optionalNumber("rope_theta", in: thetas) ?? ropeTheta
            ropeScaling = try RopeScaling(nested, contextLength: contextLength)
            rotated = try nested.optionalNumber("partial_rotary_factor", in: 0...1) ?? rotated
        }
        if architecture.isHybrid {
            rotaryDim = Int(Double(headDim) * (rotated ?? 0.25) + 1e-6)
        } else if let rotated, rotated != 1 {
            throw fields.fail("partial_rotary_factor", "is \(rotated); supported: 1")
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
        try require(
            rotaryDim % 2 == 0 && rotaryDim >= 2 && rotaryDim <= headDim, "partial_rotary_factor",
            "rotates \(rotaryDim) of \(headDim) dimensions; supported is an even number")
        if case .divisors(let list) = ropeScaling {
            try require(list.count == rotaryDim / 2, "rope_scaling", "has \(list.count) divisors for \(rotaryDim / 2) pairs")
        }
        try require(
            !(architecture.isHybrid && attentionBias), "attention_bias", "is true; supported with output gates: false")
        if let experts {
            try require(
                experts.expertsPerToken <= experts.expertCount, "num_experts_per_tok",
                "is \(experts.expertsPerToken) of \(experts.expertCount) experts")
            // Experts lie one after the other in tiles of 16 rows.
            try require(
                experts.expertSize % 16 == 0, "moe_intermediate_size", "is \(experts.expertSize); supported are multiples of 16")
            try require(hiddenSize % 16 == 0, "hidden_size", "is \(hiddenSize); supported with experts are multiples of 16")
        }
        if let linear = linearAttention {
            try require(
                linear.valueHeads % linear.keyHeads == 0, "linear_num_key_heads",
                "is \(linear.keyHeads), which does not divide the \(linear.valueHeads) value heads")
            try require(
                linear.keyHeadDim % 8 == 0, "linear_key_head_dim", "is \(linear.keyHeadDim); supported are multiples of 8")
            try require(
                linear.valueHeadDim % 32 == 0, "linear_value_head_dim",
                "is \(linear.valueHeadDim); supported are multiples of 32")
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
        for (key, value) in integers where value > 0 { object.append(key, .int(Int64(value))) }
        if let experts { experts.append(to: &object) }
        if let linearAttention {
            linearAttention.append(to: &object)
            object.append("partial_rotary_factor", .double(Double(rotaryDim) / Double(headDim)))
        }
        if layerKinds.contains(where: { $0 != .full }) {
            object.append("layer_types", .array(layerKinds.map { .string($0.rawValue) }))
        }
        if let slidingWindow { object.append("sliding_window", .int(Int64(slidingWindow))) }
        object.append("rms_norm_eps", .double(Double(rmsNormEpsilon)))
        object.append("rope_theta", .double(ropeTheta))
        if let scaling = ropeScaling.serialized { object.append("rope_scaling", scaling) }
        object.append("tie_word_embeddings", .bool(tiesEmbeddings))
        object.append("attention_bias", .bool(attentionBias))
        object.append("attention_out_bias", .bool(attentionOutputBias))
        object.append("mlp_bias", .bool(mlpBias))
        if let bosTokenID { object.append("bos_token_id", .int(Int64(bosTokenID))) }
        object.append("eos_token_id", .array(eosTokenIDs.map { .int(Int64($0)) }))
        return .object(object)
    }
}
