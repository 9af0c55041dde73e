// The facade over the Gated DeltaNet kernel: shapes checked, pointers hidden.
import CQuernKernels

/// What one Gated DeltaNet layer computes with besides its projections.
public struct DeltaNetParameters: Sendable {
    public var keyHeads: Int
    public var valueHeads: Int
    public var keyHeadDim: Int
    public var valueHeadDim: Int
    public var convolutionSize: Int
    /// Value head v reads key head v % keyHeads, else v / (valueHeads / keyHeads).
    public var tilesValueHeads: Bool
    public var epsilon: Float
    /// [convolutionSize, inputWidth], oldest input first.
    public var convolution: Floats
    /// [valueHeads], negative: how fast a head forgets.
    public var rates: Floats
    /// [valueHeads]
    public var timeBias: Floats
    /// [valueHeadDim]
    public var norm: Floats

    public init(
        keyHeads: Int, valueHeads: Int, keyHeadDim: Int, valueHeadDim: Int, convolutionSize: Int, tilesValueHeads: Bool,
        epsilon: Float, convolution: Floats, rates: Floats, timeBias: Floats, norm: Floats
    ) {
        precondition(keyHeadDim % 8 == 0 && valueHeadDim % 32 == 0 && (2...8).contains(convolutionSize))
        precondition(keyHeads > 0 && valueHeads % keyHeads == 0)
        self.keyHeads = keyHeads
        self.valueHeads = valueHeads
        self.keyHeadDim = keyHeadDim
        self.valueHeadDim = valueHeadDim
        self.convolutionSize = convolutionSize
        self.tilesValueHeads = tilesValueHeads
        self.epsilon = epsilon
        self.convolution = convolution
        self.rates = rates
        self.timeBias = timeBias
        self.norm = norm
        precondition(convolution.count == convolutionSize * inputWidth && norm.count == valueHeadDim)
        precondition(rates.count == valueHeads && timeBias.count == valueHeads)
    }

    public var valueWidth: Int { valueHeads * valueHeadDim }
    public var inputWidth: Int { 2 * keyHeads * keyHeadDim + valueWidth }

    var handle: qk_deltanet {
        qk_deltanet(
            key_heads: Int32(keyHeads), value_heads: Int32(valueHeads), key_dim: Int32(keyHeadDim), value_dim: Int32(valueHeadDim),
            convolution: Int32(convolutionSize), tiled: tilesValueHeads ? 1 : 0, epsilon: epsilon, weights: convolution.base,
            rates: rates.base, dt_bias: timeBias.base, norm: norm.base)
    }
}

/// Projected inputs, scratch and result of a layer, [tokens, width] each.
public struct DeltaNetBuffers: Sendable {
    public let qkv, mixed: Floats       // width: inputWidth
    public let z, out: Floats           // width: valueWidth
    public let b, a: Floats             // width: valueHeads
    public let gates: Floats            // width: 2 * valueHeads
    let tokens: Int

    public init(tokens: Int, inputWidth: Int, valueWidth: Int, valueHeads: Int, in arena: Arena) throws(SystemError) {
        self.tokens = tokens
        qkv = try arena.floats(tokens * inputWidth)
        mixed = try arena.floats(tokens * inputWidth)
        z = try arena.floats(tokens * valueWidth)
        out = try arena.floats(tokens * valueWidth)
        b = try arena.floats(tokens * valueHeads)
        a = try arena.floats(tokens * valueHeads)
        gates = try arena.floats(tokens * 2 * valueHeads)
    }
}

extension Kernels {
    /// Everything of a layer between its projections; moves the states of the step's sequences on (see `qk_deltanet_forward`).
    public func deltaNet(
        _ parameters: DeltaNetParameters, buffers: DeltaNetBuffers, tokens: Int, runs: SequenceRuns, runCount: Int,
        states: borrowing RecurrentStorage, layer: Int, pool: borrowing WorkerPool
    ) {
        var handle = parameters.handle
        precondition(tokens > 0 && tokens <= buffers.tokens && runCount > 0 && runCount <= runs.capacity)
        precondition(buffers.qkv.count >= tokens * parameters.inputWidth && buffers.z.count >= tokens * parameters.valueWidth)
        precondition(states.stateCount >= qk_deltanet_state_floats(&handle))
        var next = 0
        for index in 0..<runCount {
            precondition(Int(runs.runs[index].first) == next)
            next += Int(runs.runs[index].count)
            runs.runs[index].state = states.state(layer: layer, slot: Int(runs.slots[index]))
        }
        precondition(next == tokens)
        qk_deltanet_forward(
            instructionSet.ops, pool.handle, &handle, runs.runs, Int32(runCount),
            qk_deltanet_step(
                qkv: buffers.qkv.base, z: buffers.z.base, b: buffers.b.base, a: buffers.a.base, mixed: buffers.mixed.base,
                gates: buffers.gates.base, out: buffers.out.base))
    }
}
