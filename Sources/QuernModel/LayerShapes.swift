// What the layers of mixed models are made of: kinds of token mixing, mixtures of experts, linear attention.
//
// Invariant: sizes are bounded by `ModelConfig.Limits`, so that products of a few of them do not overflow.
import QuernJSON

/// How a layer lets tokens see each other; raw values are `layer_types` in config.json.
public enum LayerKind: String, Sendable, Equatable {
    case full = "full_attention"
    /// Attention to the last `slidingWindow` positions.
    case sliding = "sliding_attention"
    /// A gated delta rule over a recurrent state.
    case linear = "linear_attention"
}

/// A mixture of experts in place of a feed-forward block.
public struct MixtureShape: Sendable, Equatable {
    public var expertCount: Int
    /// Experts a token passes through.
    public var expertsPerToken: Int
    /// Intermediate size of one expert.
    public var expertSize: Int
    /// Intermediate size of the expert all tokens share; 0 for none.
    public var sharedSize = 0
    /// Weights of the chosen experts are divided by their sum.
    public var normalizesWeights = true
    /// One layer in so many, counted from one, is a mixture.
    public var step = 1
    /// Layers that are dense all the same.
    public var denseLayers: [Int] = []

    init(_ fields: ConfigFields, _ architecture: ArchitectureName) throws(ConfigError) {
        let sizes = 1...ModelConfig.Limits.intermediateSize
        let other = try fields.optionalInteger("num_local_experts", in: 1...ModelConfig.Limits.experts)
        guard let count = try fields.optionalInteger("num_experts", in: 1...ModelConfig.Limits.experts) ?? other else {
            throw fields.fail("num_experts", "is missing")
        }
        expertCount = count
        expertsPerToken = try fields.integer("num_experts_per_tok", in: 1...ModelConfig.Limits.expertsPerToken)
        expertSize = try fields.integer("moe_intermediate_size", in: sizes)
        if architecture.hasSharedExpert { sharedSize = try fields.integer("shared_expert_intermediate_size", in: sizes) }
        normalizesWeights = try fields.optionalBool("norm_topk_prob") ?? architecture.isHybrid
        guard architecture != .qwen35MoE else { return }
        step = try fields.optionalInteger("decoder_sparse_step", in: 1...ModelConfig.Limits.layers) ?? 1
        denseLayers = try fields.integers("mlp_only_layers", in: 0...ModelConfig.Limits.layers)
    }

    func isSparse(_ layer: Int) -> Bool { (layer + 1) % step == 0 && !denseLayers.contains(layer) }

    func append(to object: inout JSONObject) {
        let integers = [
            ("num_experts", expertCount), ("num_experts_per_tok", expertsPerToken), ("moe_intermediate_size", expertSize),
            ("shared_expert_intermediate_size", sharedSize), ("decoder_sparse_step", step),
        ]
        for (key, value) in integers { object.append(key, .int(Int64(value))) }
        object.append("norm_topk_prob", .bool(normalizesWeights))
        object.append("mlp_only_layers", .array(denseLayers.map { .int(Int64($0)) }))
    }
}

/// A Gated DeltaNet layer (arXiv 2412.06464): a short convolution, then a delta rule with forgetting.
public struct LinearAttentionShape: Sendable, Equatable {
    public var keyHeads: Int
    public var valueHeads: Int
    public var keyHeadDim: Int
    public var valueHeadDim: Int
    /// Positions that the causal convolution sees.
    public var convolutionSize: Int
    /// Value head v reads key head v % keyHeads, the order of GGUF files of Qwen3.5; else v / (valueHeads / keyHeads).
    public var tilesValueHeads = false

    public var keyWidth: Int { keyHeads * keyHeadDim }
    public var valueWidth: Int { valueHeads * valueHeadDim }
    /// Queries, keys and values side by side.
    public var convolutionWidth: Int { 2 * keyWidth + valueWidth }
    /// Floats one sequence keeps in one layer: the state of every head, and the inputs that the convolution still needs.
    public var stateCount: Int { valueHeads * keyHeadDim * valueHeadDim + (convolutionSize - 1) * convolutionWidth }

    init(_ fields: ConfigFields) throws(ConfigError) {
        let heads = 1...ModelConfig.Limits.heads
        keyHeads = try fields.integer("linear_num_key_heads", in: heads)
        valueHeads = try fields.integer("linear_num_value_heads", in: heads)
        keyHeadDim = try fields.integer("linear_key_head_dim", in: 1...ModelConfig.Limits.headDim)
        valueHeadDim = try fields.integer("linear_value_head_dim", in: 1...ModelConfig.Limits.headDim)
        convolutionSize = try fields.integer("linear_conv_kernel_dim", in: 2...8)
        tilesValueHeads = try fields.optionalBool("linear_value_heads_tiled") ?? false
    }

    func append(to object: inout JSONObject) {
        let integers = [
            ("linear_num_key_heads", keyHeads), ("linear_num_value_heads", valueHeads), ("linear_key_head_dim", keyHeadDim),
            ("linear_value_head_dim", valueHeadDim), ("linear_conv_kernel_dim", convolutionSize),
        ]
        for (key, value) in integers { object.append(key, .int(Int64(value))) }
        object.append("linear_value_heads_tiled", .bool(tilesValueHeads))
    }
}
