// How likely a token was, and what else could have stood in its place.
//
// The log-probabilities are the model's own: of the raw logits, before penalties, biases, temperature and truncation.
// Computed only for requests that ask; a pass over the vocabulary and a short list.
import Foundation
import QuernTensor

/// Log-probabilities at one position, as natural logarithms.
public struct TokenLogprobs: Sendable, Equatable {
    public struct Candidate: Sendable, Equatable {
        public var token: TokenID
        public var logprob: Float
    }

    /// The token that stands there.
    public let token: TokenID
    public let logprob: Float
    /// The likeliest tokens, best first; ties by id.
    public let top: [Candidate]

    /// - Parameter top: number of likeliest tokens to list.
    /// - Returns: nil when the logits are not finite.
    package init?(_ token: TokenID, logits: Floats, top count: Int, kernels: Kernels) {
        guard let best = kernels.argmax(logits) else { return nil }
        let buffer = logits.buffer
        let highest = buffer[best]
        var mass = 0.0
        for logit in buffer { mass += Double(exp(logit - highest)) }
        let normalizer = highest + Float(log(mass))
        self.token = token
        logprob = buffer[Int(token)] - normalizer
        top = Self.largest(count, of: buffer).map { Candidate(token: TokenID($0), logprob: buffer[$0] - normalizer) }
    }

    /// Indices of the `count` largest, in descending order.
    private static func largest(_ count: Int, of values: UnsafeMutableBufferPointer<Float>) -> [Int] {
        var indices: [Int] = []
        guard count > 0 else { return indices }
        indices.reserveCapacity(count + 1)
        for index in 0..<values.count {
            if indices.count == count, values[index] <= values[indices[count - 1]] { continue }
            let place = indices.firstIndex { values[$0] < values[index] } ?? indices.count
            indices.insert(index, at: place)
            if indices.count > count { indices.removeLast() }
        }
        return indices
    }
}
