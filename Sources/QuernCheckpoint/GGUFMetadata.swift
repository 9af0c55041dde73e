// Typed access to GGUF metadata, and the configuration it amounts to.
//
// Invariant: a key of the wrong type is an error naming the key, never a default.
import QuernJSON
import QuernModel

struct GGUFMetadata {
    let file: GGUFFile
    let path: String

    func fail(_ key: String, _ detail: String) -> CheckpointError {
        CheckpointError(.malformed, file: path, field: key, detail: detail)
    }

    subscript(key: String) -> GGUFValue? { file.metadata[Array(key.utf8)] }

    func integer(_ key: String, in range: ClosedRange<Int>) throws(CheckpointError) -> Int? {
        let number: Int?
        switch self[key] {
        case nil: return nil
        case .unsigned(let value): number = Int(exactly: value)
        case .signed(let value): number = Int(exactly: value)
        case .some(let other): throw fail(key, "is \(other.typeName), expected an integer")
        }
        guard let number, range.contains(number) else {
            let shown = number.map { "\($0)" } ?? "beyond 63 bits"
            throw fail(key, "is \(shown), allowed is \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }

    func number(_ key: String, in range: ClosedRange<Double>) throws(CheckpointError) -> Double? {
        guard let value = self[key] else { return nil }
        guard case .float(let number) = value else { throw fail(key, "is \(value.typeName), expected a float") }
        guard range.contains(number) else {
            throw fail(key, "is \(number), allowed is \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }

    func bool(_ key: String) throws(CheckpointError) -> Bool? {
        guard let value = self[key] else { return nil }
        guard case .bool(let flag) = value else { throw fail(key, "is \(value.typeName), expected a bool") }
        return flag
    }

    func bytes(_ key: String) throws(CheckpointError) -> [UInt8]? {
        guard let value = self[key] else { return nil }
        guard case .string(let bytes) = value else { throw fail(key, "is \(value.typeName), expected a string") }
        return bytes
    }

    func string(_ key: String) throws(CheckpointError) -> String? {
        guard let bytes = try bytes(key) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw fail(key, "is not valid UTF-8") }
        return text
    }

    func strings(_ key: String) throws(CheckpointError) -> [[UInt8]]? {
        guard let value = self[key] else { return nil }
        guard case .strings(let list) = value else { throw fail(key, "is \(value.typeName), expected an array of STRING") }
        return list
    }

    func integers(_ key: String, typeName: String) throws(CheckpointError) -> [Int64]? {
        guard let value = self[key] else { return nil }
        guard case .integers(let list, let name) = value, name == typeName else {
            throw fail(key, "is \(value.typeName), expected an array of \(typeName)")
        }
        return list
    }

    /// - Parameters:
    ///   - vocabularySize: rows of the embedding tensor.
    ///   - tensorNames: canonical names, which decide about tied embeddings and biases.
    func config(vocabularySize: Int, tensorNames: Set<String>, divisors: [Double]?) throws(CheckpointError) -> ModelConfig {
        guard let name = try string("general.architecture") else { throw fail("general.architecture", "is missing") }
        guard let architecture = ArchitectureName(rawValue: name) else {
            let known = ArchitectureName.allCases.map(\.rawValue).joined(separator: ", ")
            throw CheckpointError(
                .unsupported, file: path, field: "general.architecture",
                detail: "is \"\(printable(name.utf8))\"; supported: \(known)")
        }
        func required(_ key: String, _ range: ClosedRange<Int>) throws(CheckpointError) -> JSONValue {
            guard let value = try integer("\(name).\(key)", in: range) else { throw fail("\(name).\(key)", "is missing") }
            return .int(Int64(value))
        }
        var object = JSONObject()
        object.append("model_type", .string(architecture.rawValue))
        object.append("hidden_size", try required("embedding_length", 1...ModelConfig.Limits.hiddenSize))
        object.append("intermediate_size", try required("feed_forward_length", 1...ModelConfig.Limits.intermediateSize))
        object.append("num_hidden_layers", try required("block_count", 1...ModelConfig.Limits.layers))
        object.append("num_attention_heads", try required("attention.head_count", 1...ModelConfig.Limits.heads))
        if let heads = try integer("\(name).attention.head_count_kv", in: 1...ModelConfig.Limits.heads) {
            object.append("num_key_value_heads", .int(Int64(heads)))
        }
        let keyLength = try integer("\(name).attention.key_length", in: 1...ModelConfig.Limits.headDim)
        if let keyLength { object.append("head_dim", .int(Int64(keyLength))) }
        if let value = try integer("\(name).attention.value_length", in: 1...ModelConfig.Limits.headDim), value != keyLength {
            throw fail("\(name).attention.value_length", "is \(value), which differs from the key length")
        }
        object.append("vocab_size", .int(Int64(vocabularySize)))
        object.append("max_position_embeddings", try required("context_length", 1...ModelConfig.Limits.context))
        object.append(
            "rms_norm_eps", .double(try number("\(name).attention.layer_norm_rms_epsilon", in: 1e-12...1) ?? 1e-6))
        object.append("rope_theta", .double(try number("\(name).rope.freq_base", in: 1...1e12) ?? 10000))
        if let scaling = try ropeScaling(name, divisors) { object.append("rope_scaling", scaling) }
        object.append("tie_word_embeddings", .bool(!tensorNames.contains("lm_head.weight")))
        object.append("attention_bias", .bool(tensorNames.contains("model.layers.0.self_attn.q_proj.bias")))
        let tokens: ClosedRange<Int> = 0...(vocabularySize - 1)
        if let bos = try integer("tokenizer.ggml.bos_token_id", in: tokens) { object.append("bos_token_id", .int(Int64(bos))) }
        var ends: [JSONValue] = []
        for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"] {
            if let token = try integer(key, in: tokens) { ends.append(.int(Int64(token))) }
        }
        object.append("eos_token_id", .array(ends))
        do throws(ConfigError) {
            return try ModelConfig(configJSON: .object(object))
        } catch {
            throw fail("\(name) metadata", error.description)
        }
    }

    private func ropeScaling(_ name: String, _ divisors: [Double]?) throws(CheckpointError) -> JSONValue? {
        if let divisors { return ["rope_type": "divisors", "divisors": .array(divisors.map { .double($0) })] }
        guard let type = try string("\(name).rope.scaling.type"), type != "none" else { return nil }
        var object = JSONObject()
        object.append("rope_type", .string(type))
        if let factor = try number("\(name).rope.scaling.factor", in: 1e-6...1e6) { object.append("factor", .double(factor)) }
        if let original = try integer("\(name).rope.scaling.original_context_length", in: 1...ModelConfig.Limits.context) {
            object.append("original_max_position_embeddings", .int(Int64(original)))
        }
        return .object(object)
    }
}
