// The gated feed-forward block: down(silu(gate(x)) * up(x)).
//
// Invariant: adds its result to the residual stream in `compute.hidden`; reads `compute.normed`.
import QuernTensor

struct FeedForward {
    let gate: Linear    // [intermediateSize, hiddenSize]
    let up: Linear      // [intermediateSize, hiddenSize]
    let down: Linear    // [hiddenSize, intermediateSize]

    func forward(tokens: Int, compute: Compute) {
        let hiddenSize = down.rows
        let output = down.into(compute.hidden, stride: hiddenSize, accumulates: true)
        if case .int8(let gateMatrix) = gate.weights, case .int8(let upMatrix) = up.weights {
            compute.quantize(compute.normed, stride: hiddenSize, tokens: tokens, for: gateMatrix, into: compute.gateInput)
            compute.kernels.gated(
                compute.gateInput, tokens: tokens, gate: gateMatrix, gateBias: gate.bias, up: upMatrix, upBias: up.bias,
                into: compute.gatedActivations, pool: compute.pool)
            compute.multiply(compute.gatedActivations, tokens: tokens, output)
        } else {
            let width = gate.rows
            compute.project(
                compute.normed, stride: hiddenSize, tokens: tokens, gate.into(compute.gate, stride: width),
                up.into(compute.up, stride: width))
            compute.kernels.swiglu(
                gate: compute.gate, up: compute.up, into: compute.gate, tokens: tokens, width: width, pool: compute.pool)
            compute.project(compute.gate, stride: width, tokens: tokens, output)
        }
    }
}
