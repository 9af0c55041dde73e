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

    /// Text that is shown or interpreted but names nothing: invalid UTF-8 is replaced, with a note.
    func freeText(_ key: String) throws(CheckpointError) -> (text: String?, notes: [String]) {
        guard let bytes = try bytes(key) else { return (nil, []) }
        if let text = String(validating: bytes, as: UTF8.self) { return (text, []) }
        return (String(decoding: bytes, as: UTF8.self), ["\(key) is not valid UTF-8; the bad bytes were replaced"])
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
        if let value = try integer("\(name).rope.dimension_count", in: 1...ModelConfig.Limits.headDim),
            let width = keyLength ?? headDim(object), value != width
        {
            throw fail("\(name).rope.dimension_count", "is \(value), a head has \(width); partial rotation is not supported")
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
        for token in try endTokens(tokens) { ends.append(.int(Int64(token))) }
        object.append("eos_token_id", .array(ends))
        do throws(ConfigError) {
            return try ModelConfig(configJSON: .object(object))
        } catch {
            throw fail("\(name) metadata", error.description)
        }
    }

    /// One part of a model in several files.
    func refuseSplit() throws(CheckpointError) {
        let parts = try integer("split.count", in: 0...65_535) ?? 1
        let number = try integer("split.no", in: 0...65_535) ?? 0
        guard parts > 1 else { return }
        throw CheckpointError(
            .unsupported, file: path, field: "split.count",
            detail: "this is part \(number + 1) of \(parts); join the parts first, for example with `llama-gguf-split --merge`")
    }

    /// Spellings of control tokens that end a turn or a document in the supported families.
    private static let endSpellings: Set<[UInt8]> = Set(
        ["<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"].map { Array($0.utf8) })

    /// Tokens that end a completion. A converter keeps one of the publisher's list in `eos_token_id`; the others are
    /// control tokens known by their spelling.
    private func endTokens(_ allowed: ClosedRange<Int>) throws(CheckpointError) -> [Int] {
        var ends: [Int] = []
        for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"] {
            if let token = try integer(key, in: allowed), !ends.contains(token) { ends.append(token) }
        }
        let controlType: Int64 = 3
        guard let spellings = try strings("tokenizer.ggml.tokens"),
            let types = try integers("tokenizer.ggml.token_type", typeName: "INT32")
        else { return ends }
        for (token, (spelling, type)) in zip(spellings, types).enumerated()
        where type == controlType && allowed.contains(token) && Self.endSpellings.contains(spelling) && !ends.contains(token) {
            ends.append(token)
        }
        return ends
    }

    /// Sampling settings that newer converters store.
    func generationDefaults() throws(CheckpointError) -> GenerationDefaults {
        var object = JSONObject()
        for (key, name) in [("temp", "temperature"), ("top_p", "top_p"), ("min_p", "min_p"), ("penalty_repeat", "repetition_penalty")] {
            if let value = try number("general.sampling.\(key)", in: -1e6...1e6) { object.append(name, .double(value)) }
        }
        if let topK = try integer("general.sampling.top_k", in: 0...Int(Int32.max)) { object.append("top_k", .int(Int64(topK))) }
        do throws(ConfigError) {
            return try GenerationDefaults(.object(object))
        } catch {
            throw fail("general.sampling", error.description)
        }
    }

    /// The head dimension that follows from width and number of heads.
    private func headDim(_ object: JSONObject) -> Int? {
        guard let width = object["hidden_size"]?.intValue, let heads = object["num_attention_heads"]?.intValue else { return nil }
        return Int(width / heads)
    }

    private func ropeScaling(_ name: String, _ divisors: [Double]?) throws(CheckpointError) -> JSONValue? {
        if let divisors { return ["rope_type": "divisors", "divisors": .array(divisors.map { .double($0) })] }
        guard let type = try string("\(name).rope.scaling.type"), type != "none" else { return nil }
        guard ["linear", "yarn"].contains(type) else {
            throw CheckpointError(
                .unsupported, file: path, field: "\(name).rope.scaling.type",
                detail: "is \"\(printable(type.utf8))\"; supported: none, linear, yarn")
        }
        var object = JSONObject()
        object.append("rope_type", .string(type))
        if let factor = try number("\(name).rope.scaling.factor", in: 1e-6...1e6) { object.append("factor", .double(factor)) }
        if let original = try integer("\(name).rope.scaling.original_context_length", in: 1...ModelConfig.Limits.context) {
            object.append("original_max_position_embeddings", .int(Int64(original)))
        }
        return .object(object)
    }
}
