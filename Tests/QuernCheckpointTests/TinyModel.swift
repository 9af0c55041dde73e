// A model small enough to build in every test: its tensors in the original (Hugging Face) order, and its tokenizer.
import Foundation
import QuernCheckpoint
import QuernJSON
import QuernModel
import TestSupport

/// Reproducible numbers in -1..<1.
struct Noise {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func bits() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }

    mutating func float() -> Float { Float(Int64(bits() >> 40) - (1 << 23)) / Float(1 << 23) }
    mutating func below(_ limit: Int) -> Int { Int(bits() % UInt64(limit)) }
}

struct TinyModel {
    var config: ModelConfig
    /// Values by canonical name.
    var weights: [String: [Float]] = [:]

    static let tokenCount = 259
    static let vocabularySize = 272

    init(_ architecture: ArchitectureName = .llama, layers: Int = 1, tied: Bool = false, hiddenSize: Int = 64) {
        let base: JSONValue = [
            "model_type": .string(architecture.rawValue), "hidden_size": .int(Int64(hiddenSize)), "intermediate_size": 96,
            "num_hidden_layers": .int(Int64(layers)), "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
            "vocab_size": .int(Int64(Self.vocabularySize)), "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 5000.0,
            "tie_word_embeddings": .bool(tied), "bos_token_id": 256, "eos_token_id": [256, 257],
        ]
        guard var json = base.objectValue else { preconditionFailure("the tiny configuration is an object") }
        if architecture.hasExperts {
            for (key, value) in [
                ("num_experts", 4), ("num_experts_per_tok", 2), ("moe_intermediate_size", 32), ("shared_expert_intermediate_size", 48),
            ] { json.append(key, .int(Int64(value))) }
            json.append("norm_topk_prob", .bool(architecture != .qwen2MoE))
        }
        if architecture.isHybrid {
            for (key, value) in [
                ("linear_num_key_heads", 2), ("linear_num_value_heads", 4), ("linear_key_head_dim", 16),
                ("linear_value_head_dim", 32), ("linear_conv_kernel_dim", 4), ("full_attention_interval", 2),
            ] { json.append(key, .int(Int64(value))) }
            json.append("partial_rotary_factor", 0.5)
            json.append("linear_value_heads_tiled", .bool(architecture != .qwen3Next))
        }
        guard let config = try? ModelConfig(configJSON: .object(json)) else { preconditionFailure("the tiny configuration is valid") }
        self.config = config
        for (number, tensor) in config.expectedTensors.enumerated() {
            var noise = Noise(UInt64(number + 1))
            weights[tensor.name] = (0..<tensor.shape.reduce(1, *)).map { _ in noise.float() }
        }
    }

    func values(_ name: String) -> [Float] { weights[name] ?? [] }

    /// GPT-2's byte-to-character table, then three control tokens.
    static let spelledTokens: [[UInt8]] = {
        let printable = Array(UInt8(33)...126) + Array(161...172) + Array(174...255)
        var next: UInt32 = 256
        var list: [[UInt8]] = (0...255).map { byte in
            var code = UInt32(byte)
            if !printable.contains(UInt8(byte)) {
                code = next
                next += 1
            }
            return Array(String(Unicode.Scalar(code).map(Character.init) ?? "?").utf8)
        }
        list += ["<|endoftext|>", "<|im_end|>", "<|im_start|>"].map { Array($0.utf8) }
        return list
    }()
}

extension Checkpoint {
    /// All rows of a tensor.
    func floats(_ name: String) throws -> [Float] {
        guard let info = tensor(named: name) else {
            throw CheckpointError(.missing, file: path, field: name, detail: "no such tensor")
        }
        var values = [Float](repeating: .nan, count: info.elementCount)
        let result = values.withUnsafeMutableBufferPointer { buffer in
            Result { () throws(CheckpointError) in try readRows(of: name, rows: 0..<info.rows, into: buffer) }
        }
        try result.get()
        return values
    }
}

/// The error that opening `path` ends with; nil when it opens.
func openError(_ path: String) -> CheckpointError? {
    do throws(CheckpointError) {
        _ = try openCheckpoint(path: path)
        return nil
    } catch {
        return error
    }
}
