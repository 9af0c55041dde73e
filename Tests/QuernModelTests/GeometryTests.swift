// Sizes of published models from their configurations alone.
import QuernJSON
import QuernModel
import TestSupport
import Testing

@Suite struct GeometryTests {
    /// A configuration as publishers write it: integers and flags only.
    private static func config(_ type: String, _ integers: [String: Int], tied: Bool = false) -> JSONValue {
        var object = JSONObject()
        object.append("model_type", .string(type))
        for (key, value) in integers { object.append(key, .int(Int64(value))) }
        object.append("tie_word_embeddings", .bool(tied))
        return .object(object)
    }

    static let qwen3MoE = config("qwen3_moe", [
        "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128,
        "intermediate_size": 6144, "vocab_size": 151_936, "num_experts": 128, "num_experts_per_tok": 8,
        "moe_intermediate_size": 768, "max_position_embeddings": 40960,
    ])

    static let qwen35 = config("qwen3_5_text", [
        "hidden_size": 5120, "num_hidden_layers": 64, "num_attention_heads": 24, "num_key_value_heads": 4, "head_dim": 256,
        "intermediate_size": 17408, "vocab_size": 248_320, "linear_num_key_heads": 16, "linear_num_value_heads": 48,
        "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4, "full_attention_interval": 4,
    ])

    /// Totals as the model cards state them.
    @Test func countsParameters() throws {
        let dense = Self.config("qwen3", [
            "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
            "intermediate_size": 3072, "vocab_size": 151_936,
        ], tied: true)
        #expect(try ModelGeometry(configJSON: dense).parameterCount == 596_049_920)
        let experts = try ModelGeometry(configJSON: Self.qwen3MoE)
        #expect(experts.parameterCount == 30_532_122_624)
        let hybrid = try ModelGeometry(configJSON: Self.qwen35)
        #expect(hybrid.parameterCount == 26_895_998_464)
        #expect(hybrid.attentionLayers.count == 16)
        #expect(hybrid.deltaNetLayers.count == 48)
        #expect(hybrid.kvElementsPerToken == 32768)
        #expect(hybrid.recurrentElements == 37_748_736)
        #expect(hybrid.convolutionElements == 1_474_560)
    }

    @Test func anExecutableConfigurationCountsTheSame() throws {
        for type in ["llama", "qwen2", "qwen3"] {
            let json = Self.config(type, [
                "hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2,
                "head_dim": 64, "intermediate_size": 4864, "vocab_size": 151_936,
            ], tied: true)
            let config = try ModelConfig(configJSON: json)
            #expect(try ModelGeometry(configJSON: json) == ModelGeometry(config))
            #expect(ModelGeometry(config).parameterCount == config.parameterCount)
        }
    }

    @Test func aStepReadsTheExpertsItsTokensChose() throws {
        let geometry = try ModelGeometry(configJSON: Self.qwen3MoE)
        let all = Double(geometry.parameters(of: .experts))
        #expect(geometry.weightsRead(of: .experts, tokens: 1) == all * 8 / 128)
        let two = geometry.weightsRead(of: .experts, tokens: 2)
        #expect(two > all * 15 / 128 && two < all * 16 / 128)
        #expect(geometry.weightsRead(of: .experts, tokens: 4096) > all * 0.999)
        #expect(geometry.weightsRead(of: .embedding, tokens: 1) == 0)
    }

    @Test func multimodalConfigurationsHideTheDecoder() throws {
        var text = Self.qwen35.objectValue ?? JSONObject()
        text["tie_word_embeddings"] = nil
        let outer: JSONValue = [
            "model_type": "qwen3_5", "text_config": .object(text), "vision_config": ["depth": 27], "tie_word_embeddings": false,
        ]
        #expect(try ModelGeometry(configJSON: outer).parameterCount == 26_895_998_464)
        text["model_type"] = nil
        let unnamed: JSONValue = ["architectures": ["Qwen3_5ForConditionalGeneration"], "text_config": .object(text)]
        #expect(try ModelGeometry(configJSON: unnamed).parameterCount == 26_895_998_464)
    }

    @Test(arguments: [
        ("num_experts", 0), ("num_experts", .int(1 << 40)), ("num_experts_per_tok", 129), ("moe_intermediate_size", -1),
        ("num_key_value_heads", 5), ("model_type", "mamba"), ("head_dim", "128"), ("hidden_size", nil), ("vocab_size", 0),
    ] as [(String, JSONValue)])
    func namesTheField(_ key: String, _ value: JSONValue) {
        var object = Self.qwen3MoE.objectValue ?? JSONObject()
        object[key] = value
        #expect { try ModelGeometry(configJSON: .object(object)) } throws: { ($0 as? ConfigError)?.pointer == "/\(key)" }
    }

    /// Every configuration at hand against counts derived independently.
    @Test(.enabled(if: SharedData.has("devices/configs.json"), "needs devices/configs.json in QUERN_SHARED"))
    func agreesWithTheReference() throws {
        let reference = try JSONValue(parsing: SharedData.bytes("devices/configs.json"))
        var compared = 0
        for member in reference.objectValue?.members ?? [] {
            guard let expected = member.value["_params"], !member.key.hasPrefix("qwen4") else { continue }
            var config = member.value.objectValue ?? JSONObject()
            config["attention_bias"] = nil      // prose in this file
            let geometry = try ModelGeometry(configJSON: .object(config))
            #expect(Int64(geometry.parameterCount) == expected["total"]?.intValue, "\(member.key)")
            #expect(Int64(geometry.kvElementsPerToken) == expected["kv_elems_per_token"]?.intValue, "\(member.key)")
            #expect(Int64(geometry.recurrentElements) == expected["linear_state_elems_per_seq"]?.intValue, "\(member.key)")
            compared += 1
        }
        #expect(compared >= 27)
    }
}
