// One vector for a whole text: the final hidden states of its tokens, pooled.
//
// Invariant: states are added in order of position, so that chunks of the prompt do not change the sum's bits.
import QuernTensor

/// Which tokens' states make the vector.
public enum Pooling: Sendable {
    /// The last token's, which has seen all others.
    case last
    /// The mean over all tokens.
    case mean
}

/// The vector of one sequence while its prompt is computed.
struct PooledState {
    let pooling: Pooling
    private(set) var values: [Float]
    /// Positions below are in `values` already.
    private(set) var count = 0

    init(_ pooling: Pooling, width: Int) {
        self.pooling = pooling
        values = Array(repeating: 0, count: width)
    }

    /// Whether the state of the token at `position` is needed, in a text of `length` tokens.
    func needs(_ position: Int, of length: Int) -> Bool {
        switch pooling {
        case .last: position == length - 1
        case .mean: position >= count
        }
    }

    /// Adds the state of the token at the next needed position.
    mutating func add(_ state: Floats) {
        let buffer = state.buffer
        for index in values.indices { values[index] += buffer[index] }
        count += 1
    }

    /// The pooled vector, of length one as clients of embeddings expect; all zeros stay zeros.
    func embedding() -> [Float] {
        let length = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        guard length > 0 else { return values }
        return values.map { Float(Double($0) / length) }
    }
}
