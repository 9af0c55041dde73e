// Grouped-query self-attention over the paged KV cache.
//
// Owns: projections, optional per-head norms (Qwen3), rotary embedding, cache write, attention, optional output gate
// (Qwen3-Next), output projection.
// Invariant: adds its result to the residual stream in `compute.hidden`; reads `compute.normed`.
import QuernTensor

struct Attention {
    let query: Linear           // [headCount * headDim, hiddenSize]
    let key: Linear             // [kvHeadCount * headDim, hiddenSize]
    let value: Linear           // [kvHeadCount * headDim, hiddenSize]
    let output: Linear          // [hiddenSize, headCount * headDim]
    let queryNorm: Floats?      // [headDim], Qwen3
    let keyNorm: Floats?        // [headDim], Qwen3
    let gate: Linear?           // [headCount * headDim, hiddenSize], Qwen3-Next
    /// Last positions that a token sees; nil for all.
    let window: Int?
    /// Which layer of the KV cache is this one's.
    let cacheLayer: Int

    func forward(shape: HeadShape, step: borrowing StepBatch, cache: borrowing KVStorage, compute: Compute) {
        let tokens = step.count
        let queryWidth = shape.heads * shape.headDim
        let keyWidth = shape.kvHeads * shape.headDim
        compute.project(
            compute.normed, stride: shape.hiddenSize, tokens: tokens,
            query.into(compute.q, stride: queryWidth), key.into(compute.k, stride: keyWidth),
            value.into(compute.v, stride: keyWidth), gate?.into(compute.attentionGate, stride: queryWidth))
        normalizeHeads(compute.q, weight: queryNorm, heads: tokens * shape.heads, shape, compute)
        normalizeHeads(compute.k, weight: keyNorm, heads: tokens * shape.kvHeads, shape, compute)
        compute.kernels.rope(
            compute.q, stride: queryWidth, table: shape.rotary, positions: step.positions, tokens: tokens,
            heads: shape.heads, headDim: shape.headDim, pool: compute.pool)
        compute.kernels.rope(
            compute.k, stride: keyWidth, table: shape.rotary, positions: step.positions, tokens: tokens,
            heads: shape.kvHeads, headDim: shape.headDim, pool: compute.pool)
        cache.store(
            k: compute.k, v: compute.v, stride: keyWidth, tokens: step.references, count: tokens, layer: cacheLayer,
            kernels: compute.kernels, pool: compute.pool)
        cache.attend(
            q: compute.q, into: compute.attended, stride: queryWidth, tokens: step.references, count: tokens,
            heads: shape.heads, scale: shape.scale, layer: cacheLayer, window: window, scratch: compute.attentionScratch,
            kernels: compute.kernels, pool: compute.pool)
        if gate != nil {
            compute.kernels.gate(
                compute.attended, by: compute.attentionGate, count: tokens * queryWidth, pool: compute.pool)
        }
        compute.project(
            compute.attended, stride: queryWidth, tokens: tokens,
            output.into(compute.hidden, stride: shape.hiddenSize, accumulates: true))
    }

    private func normalizeHeads(
        _ x: Floats, weight: Floats?, heads: Int, _ shape: HeadShape, _ compute: Compute
    ) {
        guard let weight else { return }
        compute.kernels.rmsNorm(
            x, stride: shape.headDim, weight: weight, into: x, stride: shape.headDim, rows: heads,
            width: shape.headDim, epsilon: shape.epsilon, pool: compute.pool)
    }
}

/// What attention needs to know about the model, shared by all layers.
struct HeadShape {
    let hiddenSize: Int
    let heads: Int
    let kvHeads: Int
    let headDim: Int
    let epsilon: Float
    let rotary: RotaryTable

    /// 1 / sqrt(headDim), applied to q k^T.
    var scale: Float { 1 / Float(headDim).squareRoot() }
}
