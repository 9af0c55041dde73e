// The gated feed-forward block: down(silu(gate(x)) * up(x)).
//
// Invariant: adds its result to the residual stream in `compute.hidden`; reads `compute.normed`.
import QuernTensor

struct FeedForward {
    let gate: Linear    // [intermediateSize, hiddenSize]
    let up: Linear      // [intermediateSize, hiddenSize]
    let down: Linear    // [hiddenSize, intermediateSize]

    func forward(tokens: Int, compute: Compute) {
        let width = gate.rows
        let hiddenSize = down.rows
        compute.project(
            compute.normed, stride: hiddenSize, tokens: tokens, gate.into(compute.gate, stride: width),
            up.into(compute.up, stride: width))
        compute.kernels.swiglu(
            gate: compute.gate, up: compute.up, into: compute.gate, tokens: tokens, width: width, pool: compute.pool)
        compute.project(
            compute.gate, stride: width, tokens: tokens,
            down.into(compute.hidden, stride: hiddenSize, accumulates: true))
    }
}
