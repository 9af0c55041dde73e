// How many columns share a scale in a packed model.

public enum GroupSize: Sendable, Equatable {
    /// 32 when every matrix of the source is Q8_0, which is then copied exactly; else 64.
    case automatic
    case columns32
    case columns64

    public func resolved(for checkpoint: any Checkpoint) -> Int {
        switch self {
        case .columns32: return 32
        case .columns64: return 64
        case .automatic:
            let matrices = checkpoint.tensors.filter { $0.shape.count == 2 }
            return !matrices.isEmpty && matrices.allSatisfy { $0.storage == "Q8_0" } ? 32 : 64
        }
    }
}
