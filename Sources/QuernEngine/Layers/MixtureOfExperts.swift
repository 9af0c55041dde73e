// A mixture of experts: every token passes through the few experts its router chooses, and through one that all share.
//
// Owns: the order of routing, experts, shared expert and weighted sum. Does not own: the bucketing (CQuernKernels/experts.c).
// Invariants: adds its result to the residual stream in `compute.hidden`; reads `compute.normed`; the router works in floats,
// so that quantising never changes a choice by itself.
import QuernTensor

struct MixtureOfExperts {
    enum Weights {
        case int8(QuantizedExperts)
        case float32(gate: FloatMatrix, up: FloatMatrix, down: FloatMatrix)     // stacked like the quantised ones
    }

    let router: FloatMatrix         // [expertCount, hiddenSize]
    let normalizesWeights: Bool
    let experts: Weights
    let shared: SharedExpert?

    struct SharedExpert {
        let block: FeedForward
        let gate: FloatMatrix       // [1, hiddenSize]
    }

    func forward(tokens: Int, compute: Compute) {
        guard let buffers = compute.experts else { preconditionFailure("no buffers for experts") }
        let width = router.columns
        compute.multiplySmall(router, tokens: tokens, into: buffers.logits)
        compute.kernels.route(buffers.logits, tokens: tokens, normalizes: normalizesWeights, into: buffers.routing)
        compute.expertBytes &+= buffers.routing.chosenCount * byteCountPerExpert
        switch experts {
        case .int8(let matrices):
            compute.quantize(compute.normed, stride: width, tokens: tokens, for: matrices.input, into: compute.gateInput)
            compute.kernels.experts(
                compute.gateInput, tokens: tokens, routing: buffers.routing, matrices, gathered: buffers.gathered,
                inner: buffers.inner, into: buffers.results, pool: compute.pool)
            shared?.block.forwardQuantized(tokens: tokens, into: buffers.shared, accumulates: false, compute: compute)
        case .float32(let gate, let up, let down):
            forwardInFloat(gate, up, down, buffers, compute)
            shared?.block.forward(tokens: tokens, into: buffers.shared, accumulates: false, compute: compute)
        }
        if let shared { compute.multiplySmall(shared.gate, tokens: tokens, into: buffers.sharedGate) }
        compute.kernels.combine(
            buffers.results, routing: buffers.routing, shared: shared.map { _ in (buffers.shared, buffers.sharedGate) },
            into: compute.hidden, tokens: tokens, width: width, pool: compute.pool)
    }

    /// Bytes that an expert which some token chose has to be read for.
    var byteCountPerExpert: Int {
        switch experts {
        case .int8(let matrices): matrices.byteCountPerExpert
        case .float32(let gate, _, let down): 3 * gate.columns * down.columns * 4
        }
    }

    private func forwardInFloat(
        _ gate: FloatMatrix, _ up: FloatMatrix, _ down: FloatMatrix, _ buffers: ExpertBuffers, _ compute: Compute
    ) {
        let (width, size) = (gate.columns, down.columns)
        guard let floats = buffers.floats else { preconditionFailure("no float buffers for experts") }
        for expert in 0..<buffers.routing.experts {
            let pairs = buffers.routing.pairs(of: expert)
            guard !pairs.isEmpty else { continue }
            for (row, pair) in pairs.enumerated() {
                let token = buffers.routing.token(of: pair)
                floats.input.slice(from: row * width, count: width).copy(compute.normed.slice(from: token * width, count: width))
            }
            let rows = (expert * size)..<((expert + 1) * size)
            for (matrix, out) in [(gate, floats.gate), (up, floats.up)] {
                BLAS.multiply(
                    floats.input, stride: width, rows: pairs.count, by: matrix.rows(rows), into: out, stride: size,
                    accumulates: false)
            }
            compute.kernels.swiglu(
                gate: floats.gate, up: floats.up, into: floats.gate, tokens: pairs.count, width: size, pool: compute.pool)
            BLAS.multiply(
                floats.gate, stride: size, rows: pairs.count, by: down.rows((expert * width)..<((expert + 1) * width)),
                into: buffers.results.slice(from: pairs.lowerBound * width, count: pairs.count * width), stride: width,
                accumulates: false)
        }
    }
}

/// Scratch of the mixtures of a model, sized for a step of `tokens`.
struct ExpertBuffers {
    let routing: Routing
    let logits: Floats          // [tokens, expertCount]
    let gathered: Activations   // [pairs, hiddenSize]
    let inner: Activations      // [pairs, expertSize]
    let results: Floats         // [pairs, hiddenSize]
    let shared: Floats          // [tokens, hiddenSize]
    let sharedGate: Floats      // [tokens]
    /// Rows of one expert, for the float path.
    let floats: (input: Floats, gate: Floats, up: Floats)?
}
