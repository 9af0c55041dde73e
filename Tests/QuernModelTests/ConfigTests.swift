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
                let original = try config(["model_type": .string(name.rawValue), "rope_scaling": scaling, "head_dim": 64])
                #expect(try ModelConfig(configJSON: original.serialized()) == original)
            }
        }
    }

    @Test(arguments: [
        ("num_hidden_layers", .int(1_000_000_000)), ("num_hidden_layers", 0), ("hidden_size", -1), ("hidden_size", 896.0),
        ("vocab_size", "12"), ("vocab_size", nil), ("num_key_value_heads", 3), ("num_attention_heads", 0), ("head_dim", 7),
        ("head_dim", 512), ("rope_theta", 0), ("rope_theta", -1), ("rms_norm_eps", 0), ("hidden_act", "gelu"),
        ("use_sliding_window", true), ("tie_word_embeddings", "yes"), ("eos_token_id", -1), ("eos_token_id", ["a"]),
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
