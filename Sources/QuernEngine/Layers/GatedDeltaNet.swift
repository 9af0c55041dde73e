// A Gated DeltaNet layer: linear attention over a recurrent state (arXiv 2412.06464).
//
// Owns: projections and what is derived from weights once. Does not own: the recurrence (CQuernKernels/deltanet.c), the states
// (RecurrentStorage). Invariant: adds its result to the residual stream in `compute.hidden`; reads `compute.normed`.
import QuernTensor

struct GatedDeltaNet {
    let qkv: Linear             // [2 * keyWidth + valueWidth, hiddenSize]
    let z: Linear               // [valueWidth, hiddenSize]
    let b: FloatMatrix          // [valueHeads, hiddenSize]
    let a: FloatMatrix          // [valueHeads, hiddenSize]
    let output: Linear          // [hiddenSize, valueWidth]
    let parameters: DeltaNetParameters
    /// Which layer of the recurrent storage is this one's.
    let stateLayer: Int

    func forward(step: borrowing StepBatch, states: borrowing RecurrentStorage, compute: Compute) {
        guard let buffers = compute.deltaNet else { preconditionFailure("no buffers for linear attention") }
        let tokens = step.count
        let width = output.rows
        compute.project(
            compute.normed, stride: width, tokens: tokens, qkv.into(buffers.qkv, stride: qkv.rows),
            z.into(buffers.z, stride: z.rows))
        compute.multiplySmall(b, tokens: tokens, into: buffers.b)
        compute.multiplySmall(a, tokens: tokens, into: buffers.a)
        compute.kernels.deltaNet(
            parameters, buffers: buffers, tokens: tokens, runs: step.runs, runCount: step.runCount, states: states,
            layer: stateLayer, pool: compute.pool)
        compute.project(
            buffers.out, stride: z.rows, tokens: tokens, output.into(compute.hidden, stride: width, accumulates: true))
    }
}
