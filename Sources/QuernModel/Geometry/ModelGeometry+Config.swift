// A model's geometry from Hugging Face's config.json, or from a configuration this build executes.
//
// Sources: the configuration classes of transformers 4.57 and 5 for llama, qwen2, qwen3, qwen2_moe, qwen3_moe, qwen3_next,
// qwen3_5, qwen3_5_moe and seed_oss; multimodal checkpoints nest the decoder in `text_config`, of which vision and
// speculative (MTP) parts are left out.
import QuernJSON

extension ModelGeometry {
    /// Architectures whose size and arithmetic are known, by `model_type`.
    enum Family: String, CaseIterable {
        case llama, qwen2, qwen3
        case qwen2MoE = "qwen2_moe"
        case qwen3MoE = "qwen3_moe"
        case qwen3Next = "qwen3_next"
        case qwen35 = "qwen3_5"
        case qwen35Text = "qwen3_5_text"
        case qwen35MoE = "qwen3_5_moe"
        case qwen35MoEText = "qwen3_5_moe_text"
        case seedOSS = "seed_oss"

        var isHybrid: Bool { [.qwen3Next, .qwen35, .qwen35Text, .qwen35MoE, .qwen35MoEText].contains(self) }
        var hasExperts: Bool { [.qwen2MoE, .qwen3MoE, .qwen3Next, .qwen35MoE, .qwen35MoEText].contains(self) }
        var hasHeadNorms: Bool { isHybrid || self == .qwen3 || self == .qwen3MoE }
    }

    private enum Limits {
        static let experts = 1 << 12
        static let kernelWidth = 64
    }

    public init(configJSON: JSONValue) throws(ConfigError) {
        let outer = try ConfigFields(configJSON)
        var fields = outer
        if let nested = outer["text_config"] { fields = try ConfigFields(nested, pointer: "/text_config") }
        let family = try Self.family(fields, outer)
        let hiddenSize = try fields.integer("hidden_size", in: 1...ModelConfig.Limits.hiddenSize)
        let layerCount = try fields.integer("num_hidden_layers", in: 1...ModelConfig.Limits.layers)
        let attention = try Self.attention(fields, family, hiddenSize: hiddenSize)
        let deltaNet = family.isHybrid ? try Self.deltaNet(fields) : nil
        let tied = try outer.optionalBool("tie_word_embeddings")
        let isLinear = try Self.linearLayers(fields, family, count: layerCount)
        let feedForwards = try Self.feedForwards(fields, family, count: layerCount)
        self.init(
            modelType: family.rawValue, hiddenSize: hiddenSize,
            vocabularySize: try fields.integer("vocab_size", in: 1...ModelConfig.Limits.vocabulary),
            contextLength: try fields.optionalInteger("max_position_embeddings", in: 1...ModelConfig.Limits.context) ?? 2048,
            tiesEmbeddings: try fields.optionalBool("tie_word_embeddings") ?? tied ?? false,
            layers: zip(isLinear, feedForwards).map { linear, feedForward in
                guard linear, let deltaNet else { return LayerGeometry(mixer: .attention(attention), feedForward: feedForward) }
                return LayerGeometry(mixer: .deltaNet(deltaNet), feedForward: feedForward)
            })
    }

    /// The geometry of a configuration that this build executes.
    public init(_ config: ModelConfig) {
        let attention = AttentionGeometry(
            heads: config.headCount, kvHeads: config.kvHeadCount, headDim: config.headDim,
            hasOutputGate: config.architecture.isHybrid, hasHeadNorms: config.architecture.normalizesHeads,
            hasInputBias: config.attentionBias, hasOutputBias: config.attentionOutputBias)
        let deltaNet = config.linearAttention.map { shape in
            DeltaNetGeometry(
                keyHeads: shape.keyHeads, valueHeads: shape.valueHeads, keyHeadDim: shape.keyHeadDim,
                valueHeadDim: shape.valueHeadDim, kernelWidth: shape.convolutionSize)
        }
        let experts = config.experts.map { shape in
            ExpertGeometry(
                count: shape.expertCount, activeCount: shape.expertsPerToken, width: shape.expertSize, sharedWidth: shape.sharedSize)
        }
        let layers = (0..<config.layerCount).map { index -> LayerGeometry in
            let mixer = config.layerKinds[index] == .linear ? deltaNet.map { LayerGeometry.Mixer.deltaNet($0) } : nil
            let mixture = config.isSparse(index) ? experts.map { LayerGeometry.FeedForward.experts($0) } : nil
            return LayerGeometry(
                mixer: mixer ?? .attention(attention),
                feedForward: mixture ?? .dense(width: config.intermediateSize, hasBias: config.mlpBias))
        }
        self.init(
            modelType: config.architecture.rawValue, hiddenSize: config.hiddenSize, vocabularySize: config.vocabularySize,
            contextLength: config.contextLength, tiesEmbeddings: config.tiesEmbeddings, layers: layers)
    }

    /// By `model_type`; exports without it still name their class, such as `Qwen3_5ForConditionalGeneration`.
    private static func family(_ fields: ConfigFields, _ outer: ConfigFields) throws(ConfigError) -> Family {
        let classes = ["Qwen3_5Moe": Family.qwen35MoE, "Qwen3_5For": .qwen35]
        let outerType = try outer.optionalString("model_type")
        let type = try fields.optionalString("model_type") ?? outerType
        let known = Family.allCases.map(\.rawValue).joined(separator: ", ")
        guard let type else {
            let name = outer["architectures"]?.arrayValue?.first?.stringValue ?? ""
            if let family = classes.first(where: { name.hasPrefix($0.key) })?.value { return family }
            throw fields.fail("model_type", "is missing")
        }
        guard let family = Family(rawValue: type) else {
            throw fields.fail("model_type", "is \"\(type.prefix(64))\"; known: \(known)")
        }
        return family
    }

    private static func attention(
        _ fields: ConfigFields, _ family: Family, hiddenSize: Int
    ) throws(ConfigError) -> AttentionGeometry {
        let heads = try fields.integer("num_attention_heads", in: 1...ModelConfig.Limits.heads)
        let kvHeads = try fields.optionalInteger("num_key_value_heads", in: 1...ModelConfig.Limits.heads) ?? heads
        guard heads % kvHeads == 0 else {
            throw fields.fail("num_key_value_heads", "is \(kvHeads), which does not divide the \(heads) attention heads")
        }
        let fallback = family.isHybrid ? 256 : family.hasHeadNorms || family == .seedOSS ? 128 : hiddenSize / heads
        let headDim = try fields.optionalInteger("head_dim", in: 1...1024) ?? fallback
        guard headDim > 0 else { throw fields.fail("hidden_size", "is \(hiddenSize), less than the \(heads) attention heads") }
        let bias = try fields.optionalBool("attention_bias") ?? (family == .seedOSS)
        let outputBias = family == .seedOSS ? try fields.optionalBool("attention_out_bias") ?? false : bias && family == .llama
        return AttentionGeometry(
            heads: heads, kvHeads: kvHeads, headDim: headDim,
            hasOutputGate: family.isHybrid ? try fields.optionalBool("attn_output_gate") ?? true : false,
            hasHeadNorms: family.hasHeadNorms, hasInputBias: family == .qwen2 || family == .qwen2MoE || bias,
            hasOutputBias: outputBias)
    }

    private static func deltaNet(_ fields: ConfigFields) throws(ConfigError) -> DeltaNetGeometry {
        DeltaNetGeometry(
            keyHeads: try fields.integer("linear_num_key_heads", in: 1...ModelConfig.Limits.heads),
            valueHeads: try fields.integer("linear_num_value_heads", in: 1...ModelConfig.Limits.heads),
            keyHeadDim: try fields.integer("linear_key_head_dim", in: 1...1024),
            valueHeadDim: try fields.integer("linear_value_head_dim", in: 1...1024),
            kernelWidth: try fields.optionalInteger("linear_conv_kernel_dim", in: 1...Limits.kernelWidth) ?? 4)
    }

    /// Which layers are recurrent: `layer_types`, or all but every `full_attention_interval`-th.
    private static func linearLayers(_ fields: ConfigFields, _ family: Family, count: Int) throws(ConfigError) -> [Bool] {
        guard family.isHybrid else { return Array(repeating: false, count: count) }
        guard let types = fields["layer_types"]?.arrayValue else {
            let interval = try fields.optionalInteger("full_attention_interval", in: 1...ModelConfig.Limits.layers) ?? 4
            return (1...count).map { $0 % interval != 0 }
        }
        guard types.count == count else { throw fields.fail("layer_types", "has \(types.count) entries for \(count) layers") }
        var linear: [Bool] = []
        for type in types {
            switch type.stringValue {
            case "linear_attention": linear.append(true)
            case "full_attention": linear.append(false)
            default:
                throw fields.fail(
                    "layer_types", "holds \(type.serialized().prefix(64)); known: full_attention, linear_attention")
            }
        }
        return linear
    }

    private static func feedForwards(
        _ fields: ConfigFields, _ family: Family, count: Int
    ) throws(ConfigError) -> [LayerGeometry.FeedForward] {
        let widths = 1...ModelConfig.Limits.intermediateSize
        guard family.hasExperts else {
            let bias = try fields.optionalBool("mlp_bias") ?? false
            return Array(
                repeating: .dense(width: try fields.integer("intermediate_size", in: widths), hasBias: bias), count: count)
        }
        let experts = try fields.integer("num_experts", in: 1...Limits.experts)
        let geometry = ExpertGeometry(
            count: experts, activeCount: try fields.integer("num_experts_per_tok", in: 1...experts),
            width: try fields.integer("moe_intermediate_size", in: widths),
            sharedWidth: try fields.optionalInteger("shared_expert_intermediate_size", in: 0...widths.upperBound) ?? 0)
        let step = try fields.optionalInteger("decoder_sparse_step", in: 1...ModelConfig.Limits.layers) ?? 1
        let dense = Set((fields["mlp_only_layers"]?.arrayValue ?? []).compactMap(\.intValue))
        var list: [LayerGeometry.FeedForward] = []
        for layer in 0..<count {
            if dense.contains(Int64(layer)) || (layer + 1) % step != 0 {
                list.append(.dense(width: try fields.integer("intermediate_size", in: widths), hasBias: false))
            } else {
                list.append(.experts(geometry))
            }
        }
        return list
    }
}
