// The weights of a safetensors model by name, whatever they are made of.
//
// Owns: which tensors together are one weight (values and block scales, packed integers and their zeros), and which methods of
// quantisation are understood. Does not own: the layouts (Float8Matrix, PackedMatrix). Invariant: names are canonical but for
// parts of fused tensors, which TensorSources resolves.
import QuernJSON
import QuernTensor

struct StoredMatrices: Sendable {
    private(set) var matrices: [String: StoredMatrix] = [:]
    /// Tensors of types that are no weights by themselves, under canonical names.
    private(set) var others: [String: FileTensor] = [:]

    /// - Parameter quantization: `quantization_config` of config.json.
    init(_ tensors: [FileTensor], quantization: JSONValue?, configPath: String) throws(CheckpointError) {
        let method = try QuantizationMethod(quantization, path: configPath)
        var byName: [String: FileTensor] = [:]
        for tensor in tensors { byName[Self.canonical(tensor.tensor.name)] = tensor }
        var parts: Set<String> = []     // of a weight that has another name
        for (name, tensor) in byName {
            if name.hasSuffix(".qweight"), case .packed(let packing, let groupSize) = method {
                let base = String(name.dropLast("qweight".count))
                guard let zeros = byName[base + "qzeros"], let scales = byName[base + "scales"] else {
                    throw CheckpointError(
                        .inconsistent, file: tensor.file.path, field: tensor.field, detail: "comes without its qzeros and scales")
                }
                matrices[base + "weight"] = .packed(
                    try PackedMatrix(
                        packing, integers: tensor, zeros: zeros, scales: scales, groups: byName[base + "g_idx"],
                        groupSize: groupSize))
                parts.formUnion(["qweight", "qzeros", "scales", "g_idx"].map { base + $0 })
            } else if tensor.tensor.type == .f8, let scales = byName[name + "_scale_inv"], case .float8(let block) = method {
                matrices[name] = .float8(try Float8Matrix(values: tensor, scales: scales, block: block))
                parts.insert(name + "_scale_inv")
            }
        }
        for (name, tensor) in byName where matrices[name] == nil && !parts.contains(name) {
            if let type = tensor.tensor.type.storage {
                matrices[name] = .plain(tensor, type)
            } else {
                others[name] = tensor
            }
        }
    }

    /// The text model of a composite checkpoint under the names it has alone.
    private static func canonical(_ name: String) -> String {
        let prefix = "model.language_model."
        return name.hasPrefix(prefix) ? "model." + name.dropFirst(prefix.count) : name
    }
}

/// How a publisher quantised a checkpoint.
enum QuantizationMethod {
    case none
    case float8(block: (rows: Int, columns: Int))
    case packed(PackedMatrix.Method, groupSize: Int)

    init(_ config: JSONValue?, path: String) throws(CheckpointError) {
        guard let config, !config.isNull else {
            self = .none
            return
        }
        func fail(_ key: String, _ detail: String) -> CheckpointError {
            CheckpointError(.unsupported, file: path, field: "/quantization_config/\(key)", detail: detail)
        }
        func shown(_ key: String) -> String { config[key].map { printable($0.serialized().utf8) } ?? "missing" }
        let bits = config["bits"]?.intValue ?? config["w_bit"]?.intValue ?? 0
        let size = (config["group_size"] ?? config["q_group_size"])?.intValue.flatMap { Int(exactly: $0) } ?? 128
        guard (-1...(1 << 20)).contains(size) else { throw fail("group_size", "is \(size)") }
        switch config["quant_method"]?.stringValue {
        case "fp8":
            let list = config["weight_block_size"]?.arrayValue?.compactMap { $0.intValue.flatMap { Int(exactly: $0) } } ?? []
            guard list.count == 2, list.allSatisfy({ (1...(1 << 20)).contains($0) }) else {
                throw fail("weight_block_size", "is \(shown("weight_block_size")); supported are blocks, such as [128, 128]")
            }
            self = .float8(block: (list[0], list[1]))
        case "gptq":
            guard bits == 4 || bits == 8 else { throw fail("bits", "is \(shown("bits")); supported: 4, 8") }
            let isSecond = config["checkpoint_format"]?.stringValue == "gptq_v2"
            self = .packed(.gptq(bits: Int(bits), zeroOffset: isSecond ? 0 : 1), groupSize: size)
        case "awq":
            guard bits == 4 else { throw fail("bits", "is \(shown("bits")); supported: 4") }
            let version = config["version"]?.stringValue ?? "gemm"
            guard version.lowercased() == "gemm" else { throw fail("version", "is \(shown("version")); supported: gemm") }
            self = .packed(.awq, groupSize: size)
        default: throw fail("quant_method", "is \(shown("quant_method")); supported: fp8, gptq, awq")
        }
    }
}
