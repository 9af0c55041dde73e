// A projection y = W x + b in whichever precision the model was loaded with.
//
// Owns: the choice between the int8 kernels and BLAS. Does not own: activations (the run state) or threads.
// Invariant: all projections of one call read the same input, so it is quantised once.
import QuernTensor

/// Weights of one projection, with an optional bias of `rows` floats.
struct Linear {
    enum Weights {
        case int8(QuantizedMatrix)
        case float32(FloatMatrix)
    }

    let weights: Weights
    let bias: Floats?

    var rows: Int {
        switch weights {
        case .int8(let matrix): matrix.shape.rows
        case .float32(let matrix): matrix.rows
        }
    }

    var columns: Int {
        switch weights {
        case .int8(let matrix): matrix.shape.columns
        case .float32(let matrix): matrix.columns
        }
    }

    /// Bytes one product reads.
    var byteCount: Int {
        switch weights {
        case .int8(let matrix): matrix.byteCount
        case .float32(let matrix): matrix.rows * matrix.columns * 4
        }
    }

    /// This projection written to `output` ([tokens, stride]).
    func into(_ output: Floats, stride: Int, accumulates: Bool = false) -> Output {
        Output(linear: self, output: output, stride: stride, accumulates: accumulates)
    }

    struct Output {
        let linear: Linear
        let output: Floats
        let stride: Int
        let accumulates: Bool
    }
}

extension Compute {
    /// Applies up to four projections to `x` ([tokens, stride], the first `columns` floats of each row).
    func project(
        _ x: Floats, stride: Int, tokens: Int, _ first: Linear.Output, _ second: Linear.Output? = nil,
        _ third: Linear.Output? = nil, _ fourth: Linear.Output? = nil
    ) {
        switch first.linear.weights {
        case .int8(let matrix):
            quantize(x, stride: stride, tokens: tokens, for: matrix, into: activations)
            multiply(activations, tokens: tokens, first, second, third, fourth)
        case .float32:
            first.multiplyInFloat(x, stride: stride, tokens: tokens)
            second?.multiplyInFloat(x, stride: stride, tokens: tokens)
            third?.multiplyInFloat(x, stride: stride, tokens: tokens)
            fourth?.multiplyInFloat(x, stride: stride, tokens: tokens)
        }
    }
}

extension Compute {
    /// Quantises `x` as `matrix` wants its input.
    func quantize(_ x: Floats, stride: Int, tokens: Int, for matrix: QuantizedMatrix, into out: Activations) {
        kernels.quantize(
            x, stride: stride, tokens: tokens, columns: matrix.shape.columns, group: matrix.shape.group, into: out, pool: pool)
    }

    /// Applies up to four int8 projections to quantised input.
    func multiply(
        _ x: Activations, tokens: Int, _ first: Linear.Output, _ second: Linear.Output? = nil, _ third: Linear.Output? = nil,
        _ fourth: Linear.Output? = nil
    ) {
        kernels.multiply(
            x, tokens: tokens, first.int8Projection, second?.int8Projection, third?.int8Projection, fourth?.int8Projection,
            pool: pool)
    }
}

extension Compute {
    /// The product of `normed` with a matrix that stays in floats, [tokens, matrix.rows].
    func multiplySmall(_ matrix: FloatMatrix, tokens: Int, into out: Floats) {
        kernels.multiply(normed, stride: matrix.columns, tokens: tokens, by: matrix, into: out, stride: matrix.rows, pool: pool)
    }
}

extension Linear.Output {
    fileprivate var int8Projection: Projection {
        guard case .int8(let matrix) = linear.weights else { preconditionFailure("mixed precisions in one model") }
        return Projection(matrix, into: output, stride: stride, bias: linear.bias, accumulates: accumulates)
    }

    fileprivate func multiplyInFloat(_ x: Floats, stride inputStride: Int, tokens: Int) {
        guard case .float32(let matrix) = linear.weights else { preconditionFailure("mixed precisions in one model") }
        BLAS.multiply(
            x, stride: inputStride, rows: tokens, by: matrix, into: output, stride: stride, accumulates: accumulates)
        guard let bias = linear.bias else { return }
        for token in 0..<tokens {
            let row = output.slice(from: token * stride, count: matrix.rows).buffer
            for index in 0..<matrix.rows { row[index] += bias[index] }
        }
    }
}
