// The facade over the kernels of mixtures of experts, and of the small float matrices that choose and gate.
import CQuernKernels

/// Which experts the tokens of a step pass through; a pair is a token with one of its experts, pairs are sorted by expert.
public struct Routing: @unchecked Sendable {
    let handle: qk_routing
    let tokens: Int

    public init(tokens: Int, experts: Int, perToken: Int, in arena: Arena) throws(SystemError) {
        precondition(experts > 0 && experts <= 4096 && perToken > 0 && perToken <= experts)
        self.tokens = tokens
        let pairs = tokens * perToken
        handle = qk_routing(
            experts: Int32(experts), per_token: Int32(perToken), expert: try arena.integers(pairs).base,
            weight: try arena.floats(pairs).base, pair: try arena.integers(pairs).base, token: try arena.integers(pairs).base,
            first: try arena.integers(experts + 1).base)
    }

    public var experts: Int { Int(handle.experts) }
    public var perToken: Int { Int(handle.per_token) }

    /// The pairs of an expert.
    public func pairs(of expert: Int) -> Range<Int> {
        precondition(expert >= 0 && expert < experts)
        return Int(handle.first[expert])..<Int(handle.first[expert + 1])
    }

    /// Experts that at least one token chose.
    public var chosenCount: Int { (0..<experts).count { handle.first[$0] < handle.first[$0 + 1] } }

    /// The token of a pair.
    public func token(of pair: Int) -> Int {
        precondition(pair >= 0 && pair < tokens * perToken)
        return Int(handle.token[pair])
    }
}

/// The experts of a layer, stacked: gate and up [experts * size, hidden], down [experts * hidden, size].
public struct QuantizedExperts: Sendable {
    let gate, up, down: QuantizedMatrix
    let count: Int

    public init(gate: QuantizedMatrix, up: QuantizedMatrix, down: QuantizedMatrix, count: Int) {
        precondition(gate.shape.rows == up.shape.rows && gate.shape.columns == up.shape.columns)
        precondition(gate.shape.group == up.shape.group && gate.shape.rows == count * down.shape.columns)
        precondition(down.shape.rows == count * gate.shape.columns && gate.shape.group == down.shape.group)
        precondition(down.shape.columns % TileShape.tileRows == 0 && gate.shape.columns % TileShape.tileRows == 0)
        self.gate = gate
        self.up = up
        self.down = down
        self.count = count
    }

    /// Bytes of one expert.
    public var byteCountPerExpert: Int { gate.byteCount / count + up.byteCount / count + down.byteCount / count }
    /// Columns of gate, rows of one expert in down.
    public var hiddenSize: Int { gate.shape.columns }
    /// How gate wants its input.
    public var input: QuantizedMatrix { gate }
}

extension Kernels {
    /// y = x W^T in floats, the same bits whatever the batch: for matrices too small to be worth quantising.
    public func multiply(
        _ x: Floats, stride: Int, tokens: Int, by weights: FloatMatrix, into y: Floats, stride outStride: Int,
        pool: borrowing WorkerPool
    ) {
        precondition(tokens > 0 && x.count >= (tokens - 1) * stride + weights.columns)
        precondition(outStride >= weights.rows && y.count >= (tokens - 1) * outStride + weights.rows)
        qk_float_matmul(
            instructionSet.ops, pool.handle, x.base, Int64(stride), Int64(tokens), weights.values.base, Int64(weights.rows),
            Int64(weights.columns), y.base, Int64(outStride))
    }

    /// Chooses the experts of every token from logits [tokens, experts].
    public func route(_ logits: Floats, tokens: Int, normalizes: Bool, into routing: Routing) {
        precondition(tokens > 0 && tokens <= routing.tokens && logits.count >= tokens * routing.experts)
        qk_route(instructionSet.ops, logits.base, Int64(tokens), normalizes ? 1 : 0, routing.handle)
    }

    /// out[pair] = the pair's expert of its token (see `qk_q8_experts_forward`).
    ///
    /// - Parameters:
    ///   - gathered: scratch of as many rows as pairs, with the bits of `x`.
    ///   - inner: the same, 16 bits, of the experts' intermediate size.
    ///   - out: [pairs, hiddenSize].
    public func experts(
        _ x: Activations, tokens: Int, routing: Routing, _ experts: QuantizedExperts, gathered: Activations, inner: Activations,
        into out: Floats, pool: borrowing WorkerPool
    ) {
        let pairs = tokens * routing.perToken
        precondition(tokens > 0 && tokens <= min(x.capacity, routing.tokens) && routing.experts == experts.count)
        precondition(pairs <= min(gathered.capacity, inner.capacity) && gathered.bits == x.bits && inner.bits == .sixteen)
        precondition(experts.gate.shape.paddedColumns <= min(x.columns, gathered.columns))
        precondition(experts.down.shape.paddedColumns <= inner.columns && out.count >= pairs * experts.hiddenSize)
        var handle = qk_q8_experts(
            gate: experts.gate.handle, up: experts.up.handle, down: experts.down.handle, hidden: Int64(experts.hiddenSize),
            size: Int64(experts.down.shape.columns))
        qk_q8_experts_forward(
            instructionSet.ops, pool.handle, x.handle, Int64(tokens), routing.handle, &handle, gathered.handle, inner.handle, out.base)
    }

    /// y [tokens, width] += the weighted sum of each token's pairs, and `shared` [tokens, width] times sigmoid(`gate` [tokens]).
    public func combine(
        _ pairs: Floats, routing: Routing, shared: (values: Floats, gate: Floats)?, into y: Floats, tokens: Int, width: Int,
        pool: borrowing WorkerPool
    ) {
        precondition(tokens > 0 && tokens <= routing.tokens && y.count >= tokens * width)
        precondition(pairs.count >= tokens * routing.perToken * width)
        if let shared { precondition(shared.values.count >= tokens * width && shared.gate.count >= tokens) }
        qk_combine_experts(
            instructionSet.ops, pool.handle, pairs.base, routing.handle, shared?.values.base, shared?.gate.base, y.base,
            Int64(tokens), Int64(width))
    }

    /// x *= sigmoid(gate) over `count` floats.
    public func gate(_ x: Floats, by gate: Floats, count: Int, pool: borrowing WorkerPool) {
        precondition(count >= 0 && min(x.count, gate.count) >= count)
        qk_gate(instructionSet.ops, pool.handle, x.base, gate.base, Int64(count))
    }
}
