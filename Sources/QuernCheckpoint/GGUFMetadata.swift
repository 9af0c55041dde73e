// Typed access to GGUF metadata.
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
    func endTokens(_ allowed: ClosedRange<Int>) throws(CheckpointError) -> [Int] {
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

    func ropeScaling(_ name: String, _ divisors: [Double]?) throws(CheckpointError) -> JSONValue? {
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
