// The facade over the C kernels: every shape is checked here once, so that nothing above handles a pointer.
//
// Owns: preconditions and conversion to C structs. Does not own: memory, threads, the order of layers.
// Invariant: no call allocates or throws.
import CQuernKernels

/// One output of a matrix product: which weights, where the result goes, and how.
public struct Projection {
    public var weights: QuantizedMatrix
    public var output: Floats
    public var outputStride: Int
    public var bias: Floats?
    public var accumulates: Bool

    /// - Parameters:
    ///   - output: [tokens, outputStride] of which the first `weights.rows` of each row are written.
    ///   - bias: [rows], added after the product.
    ///   - accumulates: add to the output instead of replacing it (residual stream).
    public init(
        _ weights: QuantizedMatrix, into output: Floats, stride outputStride: Int, bias: Floats? = nil,
        accumulates: Bool = false
    ) {
        self.weights = weights
        self.output = output
        self.outputStride = outputStride
        self.bias = bias
        self.accumulates = accumulates
    }

    func job(tokens: Int) -> qk_matmul_job {
        precondition(outputStride >= weights.shape.rows)
        precondition(output.count >= (tokens - 1) * outputStride + weights.shape.rows)
        if let bias { precondition(bias.count >= weights.shape.rows) }
        return qk_matmul_job(
            weights: weights.handle, y: output.base, ldy: Int64(outputStride), bias: bias?.base,
            accumulate: accumulates ? 1 : 0)
    }
}

/// The kernels of one instruction set.
public struct Kernels: Sendable {
    public let instructionSet: InstructionSet
    private var ops: OpaquePointer { instructionSet.ops }

    public init(_ instructionSet: InstructionSet) { self.instructionSet = instructionSet }

    /// Quantises `tokens` rows of `x` ([tokens, stride], the first `columns` of each) to groups of integers.
    public func quantize(
        _ x: Floats, stride: Int, tokens: Int, columns: Int, group: Int, into out: Activations,
        pool: borrowing WorkerPool
    ) {
        let padded = (columns + group - 1) / group * group
        precondition(tokens > 0 && tokens <= out.capacity && padded <= out.columns)
        precondition(x.count >= (tokens - 1) * stride + columns)
        qk_quantize_rows(
            ops, pool.handle, x.base, Int64(stride), Int64(tokens), Int64(columns), Int64(padded), Int32(group),
            out.handle)
    }

    /// Up to four products of the same activations in one parallel region.
    public func multiply(
        _ x: Activations, tokens: Int, _ first: Projection, _ second: Projection? = nil, _ third: Projection? = nil,
        _ fourth: Projection? = nil, pool: borrowing WorkerPool
    ) {
        precondition(tokens > 0 && tokens <= x.capacity && first.weights.shape.paddedColumns <= x.columns)
        let shape = first.weights.shape
        withUnsafeTemporaryAllocation(of: qk_matmul_job.self, capacity: 4) { jobs in
            var count = 0
            func add(_ projection: Projection) {
                let other = projection.weights.shape
                precondition(other.group == shape.group && other.paddedColumns == shape.paddedColumns)
                jobs.initializeElement(at: count, to: projection.job(tokens: tokens))
                count += 1
            }
            add(first)
            if let second { add(second) }
            if let third { add(third) }
            if let fourth { add(fourth) }
            qk_q8_matmul(ops, pool.handle, x.handle, Int64(tokens), jobs.baseAddress, Int32(count))
        }
    }

    /// silu(gate x) * (up x), quantised for the product that follows. Outputs of the projections are not written.
    public func gated(
        _ x: Activations, tokens: Int, gate: QuantizedMatrix, gateBias: Floats?, up: QuantizedMatrix, upBias: Floats?,
        into out: Activations, pool: borrowing WorkerPool
    ) {
        let shape = gate.shape
        precondition(tokens > 0 && tokens <= min(x.capacity, out.capacity) && shape.paddedColumns <= x.columns)
        precondition(out.bits == .sixteen, "the fused quantiser writes 16 bits")
        precondition(up.shape == shape && (shape.rows + shape.group - 1) / shape.group * shape.group <= out.columns)
        precondition((gateBias?.count ?? shape.rows) >= shape.rows && (upBias?.count ?? shape.rows) >= shape.rows)
        var gateJob = qk_matmul_job(weights: gate.handle, y: nil, ldy: 0, bias: gateBias?.base, accumulate: 0)
        var upJob = qk_matmul_job(weights: up.handle, y: nil, ldy: 0, bias: upBias?.base, accumulate: 0)
        qk_q8_gated(ops, pool.handle, x.handle, Int64(tokens), &gateJob, &upJob, out.handle)
    }

    /// One group of weights as integers with a half-precision scale (see `qk_quantize_weights`).
    ///
    /// - Returns: the scale's bits, and how well the integers fit; sums are not finite when a weight is not or does not fit.
    public func quantizeWeights(
        _ weights: UnsafePointer<Float>, group: Int, bits: WeightBits, into values: UnsafeMutablePointer<Int8>
    ) -> (scale: UInt16, squaredError: Float, squaredWeights: Float, largestError: Float) {
        precondition(group % 16 == 0 && group > 0 && group <= 64)
        var scale: UInt16 = 0
        let fit = qk_quantize_weights(ops, weights, Int32(group), bits.rawValue, values, &scale)
        return (scale, fit.squared_error, fit.squared_weights, fit.largest_error)
    }

    /// Packs chunks of 64 integers to fewer bits (see `qk_q8_matrix`).
    public static func packChunks(_ values: UnsafePointer<Int8>, chunks: Int, bits: WeightBits, into out: UnsafeMutablePointer<UInt8>) {
        precondition(bits < .eight && chunks % (bits == .four ? 2 : 4) == 0)
        qk_pack_chunks(values, Int64(chunks), bits.rawValue, out)
    }

    /// One dequantised row of `matrix`: an embedding lookup.
    public func row(_ index: Int, of matrix: QuantizedMatrix, into out: Floats) {
        precondition(index >= 0 && index < matrix.shape.rows && out.count >= matrix.shape.columns)
        var handle = matrix.handle
        qk_q8_row(ops, &handle, Int64(index), Int64(matrix.shape.columns), out.base)
    }

    /// Root-mean-square normalisation of `rows` rows of `width`, in place allowed.
    public func rmsNorm(
        _ x: Floats, stride: Int, weight: Floats, into y: Floats, stride outStride: Int, rows: Int, width: Int,
        epsilon: Float, pool: borrowing WorkerPool
    ) {
        precondition(rows > 0 && weight.count >= width)
        precondition(x.count >= (rows - 1) * stride + width && y.count >= (rows - 1) * outStride + width)
        qk_rmsnorm(
            ops, pool.handle, x.base, Int64(stride), weight.base, y.base, Int64(outStride), Int64(rows),
            Int64(width), epsilon)
    }

    /// Rotary embedding in place over `x` [tokens, heads, headDim], of which the table's dimensions are rotated.
    public func rope(
        _ x: Floats, stride: Int, table: RotaryTable, positions: Int32s, tokens: Int, heads: Int, headDim: Int,
        pool: borrowing WorkerPool
    ) {
        precondition(positions.count >= tokens && x.count >= (tokens - 1) * stride + heads * headDim && table.dimensions <= headDim)
        for index in 0..<tokens { precondition(positions[index] >= 0 && positions[index] < table.positions) }
        qk_rope(
            ops, pool.handle, x.base, Int64(stride), table.cosine.base, table.sine.base, positions.base,
            Int64(tokens), Int32(heads), Int32(headDim), Int32(table.dimensions))
    }

    /// out = silu(gate) * up over [tokens, width].
    public func swiglu(
        gate: Floats, up: Floats, into out: Floats, tokens: Int, width: Int, pool: borrowing WorkerPool
    ) {
        precondition(min(gate.count, up.count, out.count) >= tokens * width)
        qk_swiglu(ops, pool.handle, gate.base, up.base, out.base, Int64(width), Int64(tokens), Int64(width))
    }

    /// Index of the largest logit; nil when any is not a finite number.
    public func argmax(_ x: Floats) -> Int? {
        let index = qk_argmax(ops, x.base, Int64(x.count))
        return index < 0 ? nil : Int(index)
    }

    /// Index of the first value from `start` on that is at least `floor`; the count of `x` when none is.
    ///
    /// - Precondition: `start` is not negative.
    public func firstIndex(in x: Floats, from start: Int, atLeast floor: Float) -> Int {
        Int(qk_first_at_least(ops, x.base, Int64(start), Int64(x.count), floor))
    }
}

/// Cosines and sines of the rotary embedding: [positions, dimensions / 2] each.
public struct RotaryTable: Sendable {
    public let positions: Int
    /// Leading dimensions of a head that are rotated.
    public let dimensions: Int
    public let cosine: Floats
    public let sine: Floats

    public init(positions: Int, dimensions: Int, in arena: Arena) throws(SystemError) {
        precondition(positions > 0 && dimensions > 0 && dimensions % 2 == 0)
        self.positions = positions
        self.dimensions = dimensions
        cosine = try arena.floats(positions * dimensions / 2)
        sine = try arena.floats(positions * dimensions / 2)
    }
}
