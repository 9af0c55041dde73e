// How a packed model divides its bits: columns that share a scale, and tensors that keep more.
import QuernTensor

public enum GroupSize: Sendable, Equatable {
    /// 32 for four bits; what packed integers of the source need to be taken over; 32 when most weights of the source are integers
    /// in blocks of 32 with one scale, which eight bits then hold as they are; else 64.
    case automatic
    case columns32
    case columns64

    public func resolved(for checkpoint: any Checkpoint, bits: WeightBits) -> Int {
        switch self {
        case .columns32: return 32
        case .columns64: return 64
        case .automatic:
            guard bits > .four else { return 32 }
            if let group = checkpoint.integerGroup { return group }
            let matrices = checkpoint.tensors.filter(\.isQuantizable)
            let inBlocks = matrices.filter { ["Q8_0", "Q5_0", "Q4_0"].contains($0.storage) }
            return 2 * inBlocks.reduce(0) { $0 + $1.elementCount } > matrices.reduce(0) { $0 + $1.elementCount } ? 32 : 64
        }
    }
}

extension TileShape {
    /// The layout of one matrix in a model packed to `group` and `bits`.
    ///
    /// The embedding and the language-model head keep at least six bits, and groups of 32: every token passes through them, and
    /// an error of the head is an error of the logits.
    public static func packed(named name: String, rows: Int, columns: Int, group: Int, bits: WeightBits) -> TileShape {
        let isVocabulary = Self.isVocabulary(name)
        return TileShape(
            rows: rows, columns: columns, group: isVocabulary ? 32 : group, bits: isVocabulary ? max(bits, .six) : bits)
    }

    /// The embedding or the language-model head.
    static func isVocabulary(_ name: String) -> Bool { name == "model.embed_tokens.weight" || name == "lm_head.weight" }
}
