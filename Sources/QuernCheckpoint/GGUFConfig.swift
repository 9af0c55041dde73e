// The configuration that a GGUF file's metadata and tensors amount to.
//
// Owns: GGUF keys in config.json's vocabulary. Does not own: bounds (ModelConfig checks them again). Some facts have no key and
// follow from which tensors are there: tied embeddings, biases, which layers attend and which are mixtures.
import QuernJSON
import QuernModel

extension GGUFMetadata {
    /// - Parameters:
    ///   - vocabularySize: rows of the embedding tensor.
    ///   - tensorNames: canonical names.
    func config(vocabularySize: Int, tensorNames: Set<String>, divisors: [Double]?) throws(CheckpointError) -> ModelConfig {
        guard let name = try string("general.architecture") else { throw fail("general.architecture", "is missing") }
        guard let architecture = ArchitectureName(ggufName: name) else {
            let known = ArchitectureName.allCases.map(\.ggufName).joined(separator: ", ")
            throw CheckpointError(
                .unsupported, file: path, field: "general.architecture",
                detail: "is \"\(printable(name.utf8))\"; supported: \(known)")
        }
        var object = JSONObject()
        func copy(_ key: String, _ field: String, _ limit: Int, isRequired: Bool = true) throws(CheckpointError) {
            guard let value = try integer("\(name).\(key)", in: (isRequired ? 1 : 0)...limit) else {
                if isRequired { throw fail("\(name).\(key)", "is missing") }
                return
            }
            if value > 0 { object.append(field, .int(Int64(value))) }
        }
        object.append("model_type", .string(architecture.rawValue))
        try copy("embedding_length", "hidden_size", ModelConfig.Limits.hiddenSize)
        try copy("feed_forward_length", "intermediate_size", ModelConfig.Limits.intermediateSize, isRequired: !architecture.hasExperts)
        let layers = try layerCount(name)
        object.append("num_hidden_layers", .int(Int64(layers)))
        try copy("attention.head_count", "num_attention_heads", ModelConfig.Limits.heads)
        try copy("attention.head_count_kv", "num_key_value_heads", ModelConfig.Limits.heads, isRequired: false)
        try readHeadDim(name, architecture, into: &object)
        if architecture.hasExperts {
            try copy("expert_count", "num_experts", ModelConfig.Limits.experts)
            try copy("expert_used_count", "num_experts_per_tok", ModelConfig.Limits.expertsPerToken)
            try copy("expert_feed_forward_length", "moe_intermediate_size", ModelConfig.Limits.intermediateSize)
            if architecture.hasSharedExpert {
                try copy(
                    "expert_shared_feed_forward_length", "shared_expert_intermediate_size", ModelConfig.Limits.intermediateSize)
            }
            object.append("norm_topk_prob", .bool(try bool("\(name).expert_weights_norm") ?? (architecture != .qwen2MoE)))
            let dense = (0..<layers).filter { !tensorNames.contains("model.layers.\($0).mlp.gate.weight") }
            object.append("mlp_only_layers", .array(dense.map { .int(Int64($0)) }))
        }
        if architecture.isHybrid {
            try readLinearAttention(name, architecture, into: &object)
            let kinds = (0..<layers).map { layer in
                tensorNames.contains("model.layers.\(layer).linear_attn.conv1d.weight") ? LayerKind.linear : .full
            }
            object.append("layer_types", .array(kinds.map { .string($0.rawValue) }))
        }
        object.append("vocab_size", .int(Int64(vocabularySize)))
        try copy("context_length", "max_position_embeddings", ModelConfig.Limits.context)
        object.append(
            "rms_norm_eps", .double(try number("\(name).attention.layer_norm_rms_epsilon", in: 1e-12...1) ?? 1e-6))
        object.append("rope_theta", .double(try number("\(name).rope.freq_base", in: 1...1e12) ?? 10000))
        if let scaling = try ropeScaling(name, divisors) { object.append("rope_scaling", scaling) }
        object.append("tie_word_embeddings", .bool(!tensorNames.contains("lm_head.weight")))
        func hasBias(_ projection: String) -> JSONValue {
            .bool((0..<layers).contains { tensorNames.contains("model.layers.\($0).self_attn.\(projection).bias") })
        }
        object.append("attention_bias", hasBias("q_proj"))
        object.append("attention_out_bias", hasBias("o_proj"))
        let tokens: ClosedRange<Int> = 0...(vocabularySize - 1)
        if let bos = try integer("tokenizer.ggml.bos_token_id", in: tokens) { object.append("bos_token_id", .int(Int64(bos))) }
        var ends: [JSONValue] = []
        for token in try endTokens(tokens) { ends.append(.int(Int64(token))) }
        object.append("eos_token_id", .array(ends))
        do throws(ConfigError) {
            return try ModelConfig(configJSON: .object(object))
        } catch {
            throw fail("\(name) metadata", error.description)
        }
    }

    /// Layers of the model itself; draft layers (MTP) are counted behind them.
    private func layerCount(_ name: String) throws(CheckpointError) -> Int {
        guard let blocks = try integer("\(name).block_count", in: 1...ModelConfig.Limits.layers) else {
            throw fail("\(name).block_count", "is missing")
        }
        let drafts = try integer("\(name).nextn_predict_layers", in: 0...ModelConfig.Limits.layers) ?? 0
        guard drafts < blocks else { throw fail("\(name).nextn_predict_layers", "is \(drafts) of \(blocks) layers") }
        return blocks - drafts
    }

    private func readHeadDim(_ name: String, _ architecture: ArchitectureName, into object: inout JSONObject) throws(CheckpointError) {
        let lengths = 1...ModelConfig.Limits.headDim
        let keyLength = try integer("\(name).attention.key_length", in: lengths)
        if let keyLength { object.append("head_dim", .int(Int64(keyLength))) }
        if let value = try integer("\(name).attention.value_length", in: lengths), value != keyLength {
            throw fail("\(name).attention.value_length", "is \(value), which differs from the key length")
        }
        guard let rotated = try integer("\(name).rope.dimension_count", in: lengths), let width = keyLength ?? headDim(object),
            rotated != width || architecture.isHybrid
        else { return }
        guard architecture.isHybrid, rotated <= width else {
            throw fail(
                "\(name).rope.dimension_count", "is \(rotated), a head has \(width); partial rotation is not supported")
        }
        object.append("partial_rotary_factor", .double(Double(rotated) / Double(width)))
    }

    private func readLinearAttention(
        _ name: String, _ architecture: ArchitectureName, into object: inout JSONObject
    ) throws(CheckpointError) {
        func required(_ key: String, _ limit: Int) throws(CheckpointError) -> Int {
            guard let value = try integer("\(name).ssm.\(key)", in: 1...limit) else { throw fail("\(name).ssm.\(key)", "is missing") }
            return value
        }
        let valueHeads = try required("time_step_rank", ModelConfig.Limits.heads)
        let width = try required("inner_size", ModelConfig.Limits.intermediateSize)
        guard width % valueHeads == 0 else {
            throw fail("\(name).ssm.inner_size", "is \(width), which \(valueHeads) value heads do not divide")
        }
        let fields = [
            ("linear_num_key_heads", try required("group_count", ModelConfig.Limits.heads)),
            ("linear_num_value_heads", valueHeads),
            ("linear_key_head_dim", try required("state_size", ModelConfig.Limits.headDim)),
            ("linear_value_head_dim", width / valueHeads), ("linear_conv_kernel_dim", try required("conv_kernel", 8)),
        ]
        for (field, value) in fields { object.append(field, .int(Int64(value))) }
        // Converters of Qwen3.5 put the value heads of different key heads side by side.
        object.append("linear_value_heads_tiled", .bool(architecture != .qwen3Next))
    }

    /// The head dimension that follows from width and number of heads.
    private func headDim(_ object: JSONObject) -> Int? {
        guard let width = object["hidden_size"]?.intValue, let heads = object["num_attention_heads"]?.intValue else { return nil }
        return Int(width / heads)
    }
}
