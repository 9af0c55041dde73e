// Where the rows of each canonical tensor lie among the tensors that a publisher stored.
//
// Owns: the layouts in which publishers stack, fuse and interleave (see ExpectedTensors). Does not own: bytes, formats. Invariant:
// a tensor's pieces have together its rows, in its order, and every stored tensor has the shape that its pieces imply.
import QuernModel

/// Consecutive rows of a stored tensor.
struct RowPiece: Sendable, Equatable {
    let stored: String
    let rows: Range<Int>
}

struct TensorSources: Sendable {
    private let assembled: [String: [RowPiece]]

    /// - Parameter stored: shapes by name, with Hugging Face's names for parts of a fused tensor.
    init(config: ModelConfig, stored: [String: [Int]], file: String) throws(CheckpointError) {
        var assembled: [String: [RowPiece]] = [:]
        for tensor in config.expectedTensors {
            guard let layout = Self.layout(of: tensor, config, stored) else { continue }
            for (name, rows) in layout.shapes {
                // A missing part is reported with all other missing tensors.
                guard let shape = stored[name], let columns = tensor.shape.last, shape != [rows, columns] else { continue }
                throw CheckpointError(
                    .inconsistent, file: file, field: "tensor \"\(printable(name.utf8))\"",
                    detail: "shape \(shape), expected \([rows, columns])")
            }
            guard layout.shapes.allSatisfy({ stored[$0.name] != nil }) else { continue }
            assembled[tensor.name] = layout.pieces
        }
        self.assembled = assembled
    }

    /// Pieces of a tensor that is stored otherwise than it is used; nil for the others.
    subscript(name: String) -> [RowPiece]? { assembled[name] }

    /// Where rows `rows` of a tensor lie: runs of rows of stored tensors, and at which of the wanted rows each begins.
    func parts(of name: String, rows: Range<Int>) -> [(stored: String, rows: Range<Int>, offset: Int)] {
        guard let pieces = assembled[name] else { return [(name, rows, 0)] }
        var parts: [(stored: String, rows: Range<Int>, offset: Int)] = []
        var start = 0       // of the piece, in rows of the tensor
        for piece in pieces {
            let wanted = rows.clamped(to: start..<(start + piece.rows.count))
            if !wanted.isEmpty {
                let first = piece.rows.lowerBound + wanted.lowerBound - start
                parts.append((piece.stored, first..<(first + wanted.count), wanted.lowerBound - rows.lowerBound))
            }
            start += piece.rows.count
        }
        return parts
    }

    /// What a file has, with the tensors that are assembled in place of their parts.
    func assembling(_ stored: [TensorInfo]) -> [TensorInfo] {
        let parts = Set(assembled.values.joined().map(\.stored))
        let byName = Dictionary(stored.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let wholes = assembled.sorted { $0.key < $1.key }.compactMap { name, pieces -> TensorInfo? in
            guard let first = pieces.first.flatMap({ byName[$0.stored] }) else { return nil }
            let rows = pieces.reduce(0) { $0 + $1.rows.count }
            return TensorInfo(
                name: name, shape: [rows, first.columns], storage: first.storage,
                byteCount: rows * (first.byteCount / max(1, first.rows)), fileOffset: first.fileOffset)
        }
        return stored.filter { !parts.contains($0.name) } + wholes
    }

    private struct Layout {
        var pieces: [RowPiece]
        /// Stored tensors and the rows they must have.
        var shapes: [(name: String, rows: Int)]

        /// One tensor whose rows repeat a pattern `count` times, of which the piece takes `part`.
        static func repeated(_ name: String, count: Int, period: Int, parts: [Range<Int>]) -> Layout {
            let pieces = parts.flatMap { part in
                (0..<count).map { RowPiece(stored: name, rows: ($0 * period + part.lowerBound)..<($0 * period + part.upperBound)) }
            }
            return Layout(pieces: pieces, shapes: [(name, count * period)])
        }
    }

    private static func layout(of tensor: ExpectedTensor, _ config: ModelConfig, _ stored: [String: [Int]]) -> Layout? {
        let parts = tensor.name.split(separator: ".").map(String.init)
        guard parts.count >= 5, parts[0] == "model", parts[1] == "layers", parts.last == "weight" else { return nil }
        let prefix = parts[..<4].joined(separator: ".") + "."
        switch (parts[3], parts[4]) {
        case ("self_attn", "q_proj"), ("self_attn", "gate_proj"):
            guard config.architecture.isHybrid else { return nil }
            let start = parts[4] == "q_proj" ? 0 : config.headDim     // a head's query, then its output gate
            return .repeated(
                prefix + "q_proj.weight", count: config.headCount, period: 2 * config.headDim,
                parts: [start..<(start + config.headDim)])
        case ("linear_attn", let part):
            guard let shape = config.linearAttention, stored[tensor.name] == nil else { return nil }
            return linearAttention(part, prefix, shape)
        case ("mlp", "experts"):
            guard let experts = config.experts, stored[tensor.name] == nil else { return nil }
            return expertLayout(parts[5], prefix + "experts.", experts, config, stored)
        default:
            return nil
        }
    }

    /// Qwen3-Next keeps what belongs to a key head together: query, key, values and output gates; write and forget gates.
    private static func linearAttention(_ part: String, _ prefix: String, _ shape: LinearAttentionShape) -> Layout? {
        let (key, share) = (shape.keyHeadDim, shape.valueHeads / shape.keyHeads)
        let value = share * shape.valueHeadDim
        let qkvz = 2 * key + 2 * value
        func fused(_ name: String, _ period: Int, _ parts: [Range<Int>]) -> Layout {
            .repeated(prefix + name + ".weight", count: shape.keyHeads, period: period, parts: parts)
        }
        switch part {
        case "in_proj_qkv": return fused("in_proj_qkvz", qkvz, [0..<key, key..<(2 * key), (2 * key)..<(2 * key + value)])
        case "in_proj_z": return fused("in_proj_qkvz", qkvz, [(2 * key + value)..<qkvz])
        case "in_proj_b": return fused("in_proj_ba", 2 * share, [0..<share])
        case "in_proj_a": return fused("in_proj_ba", 2 * share, [share..<(2 * share)])
        default: return nil
        }
    }

    /// Experts one by one, or stacked with gate above up (Qwen3.5).
    private static func expertLayout(
        _ part: String, _ prefix: String, _ experts: MixtureShape, _ config: ModelConfig, _ stored: [String: [Int]]
    ) -> Layout? {
        let rows = part == "down_proj" ? config.hiddenSize : experts.expertSize
        if part == "down_proj", stored[prefix + part] != nil {
            return .repeated(prefix + part, count: experts.expertCount, period: rows, parts: [0..<rows])
        }
        if part != "down_proj", stored[prefix + "gate_up_proj"] != nil {
            let start = part == "gate_proj" ? 0 : rows
            return .repeated(
                prefix + "gate_up_proj", count: experts.expertCount, period: 2 * rows, parts: [start..<(start + rows)])
        }
        let names = (0..<experts.expertCount).map { "\(prefix)\($0).\(part).weight" }
        guard names.contains(where: { stored[$0] != nil }) else { return nil }
        return Layout(pieces: names.map { RowPiece(stored: $0, rows: 0..<rows) }, shapes: names.map { ($0, rows) })
    }
}
