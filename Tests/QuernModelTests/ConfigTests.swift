// config.json as publishers write it, and as nobody should.
import QuernJSON
import QuernModel
import Testing

@Suite struct ConfigTests {
    private func config(_ changes: [String: JSONValue?] = [:]) throws -> ModelConfig {
        var object = JSONObject([
            .init(key: "model_type", value: "qwen2"), .init(key: "hidden_size", value: 896),
            .init(key: "intermediate_size", value: 4864), .init(key: "num_hidden_layers", value: 24),
            .init(key: "num_attention_heads", value: 14), .init(key: "num_key_value_heads", value: 2),
            .init(key: "vocab_size", value: 151_936), .init(key: "max_position_embeddings", value: 32768),
            .init(key: "rms_norm_eps", value: 1e-6), .init(key: "rope_theta", value: 1000000.0),
            .init(key: "tie_word_embeddings", value: true), .init(key: "eos_token_id", value: 151_645),
        ])
        for (key, value) in changes { object[key] = value ?? .null }
        return try ModelConfig(configJSON: .object(object))
    }

    /// The count that the publisher states for Qwen2.5-0.5B.
    @Test func countsParameters() throws { #expect(try config().parameterCount == 494_032_768) }

    @Test func survivesItsOwnText() throws {
        let scalings: [JSONValue] = [
            .null, ["rope_type": "linear", "factor": 2.0],
            ["rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192],
            ["type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768],
        ]
        for name in ArchitectureName.allCases {
            for scaling in scalings {
                let original = try config(
                    Self.mixedFields.merging(
                        ["model_type": .string(name.rawValue), "rope_scaling": scaling, "head_dim": 64], uniquingKeysWith: { $1 }))
                #expect(original.layerKinds.count == 24)
                #expect(try ModelConfig(configJSON: original.serialized()) == original)
            }
        }
    }

    /// What mixtures and hybrids need besides; other models do not look at it.
    private static let mixedFields: [String: JSONValue?] = [
        "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 64, "shared_expert_intermediate_size": 96,
        "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16, "linear_value_head_dim": 32,
        "linear_conv_kernel_dim": 4, "sliding_window": 128, "use_sliding_window": true, "max_window_layers": 20,
    ]

    @Test func layerKinds() throws {
        func kinds(_ name: String, _ changes: [String: JSONValue?] = [:]) throws -> [LayerKind] {
            let fields = Self.mixedFields.merging(changes, uniquingKeysWith: { $1 })
            return try config(fields.merging(["model_type": .string(name), "head_dim": 64], uniquingKeysWith: { $1 })).layerKinds
        }
        #expect(try kinds("qwen2") == Array(repeating: .full, count: 20) + Array(repeating: .sliding, count: 4))
        #expect(try kinds("qwen2", ["use_sliding_window": false]) == Array(repeating: .full, count: 24))
        #expect(try kinds("qwen3_next").filter { $0 == .full }.count == 6)
        #expect(try kinds("qwen3_5_text", ["full_attention_interval": 2])[..<4] == [.linear, .full, .linear, .full])
        #expect(try kinds("mistral", ["use_sliding_window": nil]) == Array(repeating: .sliding, count: 24))
        #expect(try kinds("llama", ["use_sliding_window": nil]) == Array(repeating: .full, count: 24))
        for bad: JSONValue in [["full_attention"], .array(Array(repeating: "linear_attention", count: 24)), 7] {
            #expect { try config(["layer_types": bad]) } throws: { ($0 as? ConfigError)?.pointer == "/layer_types" }
        }
    }

    /// The text part of a composite checkpoint, with what is said beside it.
    @Test func compositeConfigurations() throws {
        let text = try #require(
            try config(Self.mixedFields.merging(["model_type": "qwen3_5_text", "head_dim": 64], uniquingKeysWith: { $1 }))
                .serialized().objectValue)
        let whole: JSONValue = [
            "model_type": "qwen3_5", "text_config": .object(text), "vision_config": ["depth": 3], "tie_word_embeddings": false,
        ]
        let found = try ModelConfig(configJSON: whole)
        #expect(found.architecture == .qwen35)
        #expect(!found.tiesEmbeddings)
        #expect(found.layerKinds.contains(.linear))
        var bad = text
        bad["hidden_size"] = -1
        #expect { try ModelConfig(configJSON: ["model_type": "qwen3_5", "text_config": .object(bad)]) } throws: {
            ($0 as? ConfigError)?.pointer == "/text_config/hidden_size"
        }
    }

    @Test(arguments: [
        ("num_experts", 0), ("num_experts", 5000), ("num_experts_per_tok", 9), ("moe_intermediate_size", 40),
        ("linear_num_key_heads", 3), ("linear_value_head_dim", 48), ("linear_key_head_dim", 12), ("linear_conv_kernel_dim", 9),
        ("attention_bias", true), ("partial_rotary_factor", 0.001), ("norm_topk_prob", 1),
    ] as [(String, JSONValue)])
    func namesTheFieldOfMixedModels(_ key: String, _ value: JSONValue) {
        let fields = Self.mixedFields.merging(["model_type": "qwen3_next", "head_dim": 64], uniquingKeysWith: { $1 })
        #expect { try config(fields.merging([key: value], uniquingKeysWith: { $1 })) } throws: {
            ($0 as? ConfigError)?.pointer == "/\(key)"
        }
    }

    @Test(arguments: [
        ("num_hidden_layers", .int(1_000_000_000)), ("num_hidden_layers", 0), ("hidden_size", -1), ("hidden_size", 896.0),
        ("vocab_size", "12"), ("vocab_size", nil), ("num_key_value_heads", 3), ("num_attention_heads", 0), ("head_dim", 7),
        ("head_dim", 512), ("rope_theta", 0), ("rope_theta", -1), ("rms_norm_eps", 0), ("hidden_act", "gelu"),
        ("use_sliding_window", "yes"), ("tie_word_embeddings", "yes"), ("eos_token_id", -1), ("eos_token_id", ["a"]),
        ("eos_token_id", 4_294_967_296), ("model_type", "mamba"), ("max_position_embeddings", .int(.max)),
        ("partial_rotary_factor", 0.5),
    ] as [(String, JSONValue)])
    func namesTheField(_ key: String, _ value: JSONValue) {
        #expect { try config([key: value]) } throws: { error in
            (error as? ConfigError)?.pointer.hasPrefix("/\(key)") == true
        }
    }

    @Test func rope() throws {
        for bad: JSONValue in [["rope_type": "longrope"], ["rope_type": "linear"], ["rope_type": "yarn", "factor": -1.0], 5] {
            #expect { try config(["rope_scaling": bad]) } throws: { ($0 as? ConfigError)?.pointer.hasPrefix("/rope_scaling") == true }
        }
        // transformers 5 keeps both settings in one object.
        let newer = try config(["rope_theta": nil, "rope_parameters": ["rope_type": "default", "rope_theta": 5000.0]])
        #expect(newer.ropeTheta == 5000)
        #expect(newer.ropeScaling == .none)
    }

    @Test func generationConfigDecidesAboutTheEnd() throws {
        let json = try config().serialized()
        let config = try ModelConfig(configJSON: json, generationConfigJSON: ["eos_token_id": [151_645, 151_643]])
        #expect(config.eosTokenIDs == [151_645, 151_643])
        let defaults = try GenerationDefaults(["temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.1])
        #expect(defaults.topK == 20)
        #expect(try GenerationDefaults(["do_sample": false, "temperature": 0.7]).temperature == 0)
        #expect(throws: ConfigError.self) { try GenerationDefaults(["temperature": "hot"]) }
        #expect(throws: ConfigError.self) { try GenerationDefaults([1]) }
    }

    @Test func expectedTensorsFollowTheArchitecture() throws {
        func names(_ type: String, _ changes: [String: JSONValue?] = [:]) throws -> Set<String> {
            Set(try config(changes.merging(["model_type": .string(type)]) { $1 }).expectedTensors.map(\.name))
        }
        let layer = "model.layers.0.self_attn."
        #expect(try names("qwen2").contains(layer + "q_proj.bias"))
        #expect(try !names("llama").contains(layer + "q_proj.bias"))
        #expect(try names("qwen3", ["head_dim": 128]).contains(layer + "q_norm.weight"))
        #expect(try !names("qwen2").contains("lm_head.weight"))
        #expect(try names("qwen2", ["tie_word_embeddings": false]).contains("lm_head.weight"))
        #expect(try names("llama", ["attention_bias": true]).contains(layer + "o_proj.bias"))
    }
}
