// The gated feed-forward block: down(silu(gate(x)) * up(x)).
//
// Invariant: reads `compute.normed`, or its quantised form where that exists already.
import QuernTensor

struct FeedForward {
    let gate: Linear    // [intermediateSize, hiddenSize]
    let up: Linear      // [intermediateSize, hiddenSize]
    let down: Linear    // [hiddenSize, intermediateSize]

    /// - Parameter output: [tokens, hiddenSize].
    func forward(tokens: Int, into output: Floats, accumulates: Bool, compute: Compute) {
        let hiddenSize = down.rows
        if case .int8(let matrix) = gate.weights {
            compute.quantize(compute.normed, stride: hiddenSize, tokens: tokens, for: matrix, into: compute.gateInput)
            return forwardQuantized(tokens: tokens, into: output, accumulates: accumulates, compute: compute)
        }
        let width = gate.rows
        compute.project(
            compute.normed, stride: hiddenSize, tokens: tokens, gate.into(compute.gate, stride: width),
            up.into(compute.up, stride: width))
        compute.kernels.swiglu(
            gate: compute.gate, up: compute.up, into: compute.gate, tokens: tokens, width: width, pool: compute.pool)
        compute.project(
            compute.gate, stride: width, tokens: tokens, down.into(output, stride: hiddenSize, accumulates: accumulates))
    }

    /// The same for int8 weights, with the input in `compute.gateInput`.
    func forwardQuantized(tokens: Int, into output: Floats, accumulates: Bool, compute: Compute) {
        guard case .int8(let gateMatrix) = gate.weights, case .int8(let upMatrix) = up.weights else {
            preconditionFailure("mixed precisions in one model")
        }
        compute.kernels.gated(
            compute.gateInput, tokens: tokens, gate: gateMatrix, gateBias: gate.bias, up: upMatrix, upBias: up.bias,
            into: compute.gatedActivations, pool: compute.pool)
        compute.multiply(
            compute.gatedActivations, tokens: tokens, down.into(output, stride: down.rows, accumulates: accumulates))
    }
}
