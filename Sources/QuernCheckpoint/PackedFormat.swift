// How a packed model divides its bits: columns that share a scale, and tensors that keep more.
import QuernTensor

public enum GroupSize: Sendable, Equatable {
    /// 32 for four bits; what lets integers of the source be kept as they are, where it has such; else 64.
    case automatic
    case columns32
    case columns64

    public func resolved(for checkpoint: any Checkpoint, bits: WeightBits) -> Int {
        switch self {
        case .columns32: return 32
        case .columns64: return 64
        case .automatic:
            guard bits > .four else { return 32 }
            return checkpoint.integerGroup ?? 64
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
