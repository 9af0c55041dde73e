// How a packed model divides its bits: columns that share a scale, and tensors that keep more.
import QuernTensor

public enum GroupSize: Sendable, Equatable {
    /// 32 for four bits; what lets a source of integers be copied exactly (32 for Q8_0); else 64.
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

extension WeightBits {
    /// The embedding and the language-model head keep at least six bits: every token passes through them.
    public func forTensor(named name: String) -> WeightBits {
        name == "model.embed_tokens.weight" || name == "lm_head.weight" ? max(self, .six) : self
    }
}
