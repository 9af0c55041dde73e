// Everything a forward pass computes with: kernels, threads and activation buffers, sized once.
//
// Owns: scratch memory. Does not own: weights, caches. Three lifetimes stay apart: configuration and weights are
// immutable, this is overwritten by every step, the KV cache lives as long as its sequences.
// Invariant: nothing here allocates after `init`.
import QuernModel
import QuernTensor

final class Compute {
    let kernels: Kernels
    let pool: WorkerPool
    let heartbeat: Heartbeat
    let maxTokens: Int
    let maxLogitRows: Int
    let activations: Activations
    let gateInput: Activations          // input of the gate and up projections
    let gatedActivations: Activations   // input of the down projection
    let hidden: Floats      // [maxTokens, hiddenSize]: the residual stream
    let normed: Floats      // [maxTokens, hiddenSize]
    let q: Floats           // [maxTokens, headCount * headDim]
    let k: Floats           // [maxTokens, kvHeadCount * headDim]
    let v: Floats           // [maxTokens, kvHeadCount * headDim]
    let attended: Floats    // [maxTokens, headCount * headDim]
    let attentionGate: Floats   // the same, for models that gate what they attended to
    let gate: Floats        // [maxTokens, intermediateSize]
    let up: Floats          // [maxTokens, intermediateSize]
    let attentionScratch: Floats
    let deltaNet: DeltaNetBuffers?
    let experts: ExpertBuffers?
    let logits: Floats      // [maxLogitRows, vocabularySize]
    let spareLogits: Floats // [vocabularySize]: for a sampler that must leave the row as it is
    /// Bytes of routed experts read since the start.
    var expertBytes = 0
    private let arena: Arena

    init(
        config: ModelConfig, instructionSet: InstructionSet, threads: Int, maxTokens: Int, maxLogitRows: Int,
        precision: Precision, heartbeat: Heartbeat
    ) throws(SystemError) {
        kernels = Kernels(instructionSet)
        self.heartbeat = heartbeat
        pool = try WorkerPool(threads: threads)
        self.maxTokens = maxTokens
        self.maxLogitRows = maxLogitRows
        let arena = Arena(chunkByteCount: 16 << 20)
        self.arena = arena
        let queryWidth = config.headCount * config.headDim
        let keyWidth = config.kvHeadCount * config.headDim
        let innerWidth = max(config.intermediateSize, config.experts?.sharedSize ?? 0, 1)
        activations = try Activations(
            tokens: maxTokens, columns: max(config.hiddenSize, queryWidth, config.linearAttention?.valueWidth ?? 0), in: arena)
        gateInput = try Activations(
            tokens: maxTokens, columns: config.hiddenSize, bits: precision.gateInputBits, in: arena)
        gatedActivations = try Activations(tokens: maxTokens, columns: innerWidth, in: arena)
        hidden = try arena.floats(maxTokens * config.hiddenSize)
        normed = try arena.floats(maxTokens * config.hiddenSize)
        q = try arena.floats(maxTokens * queryWidth)
        k = try arena.floats(maxTokens * keyWidth)
        v = try arena.floats(maxTokens * keyWidth)
        attended = try arena.floats(maxTokens * queryWidth)
        attentionGate = try arena.floats(config.architecture.isHybrid ? maxTokens * queryWidth : 0)
        gate = try arena.floats(maxTokens * innerWidth)
        up = try arena.floats(maxTokens * innerWidth)
        deltaNet = try config.linearAttention.map { shape throws(SystemError) in
            try DeltaNetBuffers(
                tokens: maxTokens, inputWidth: shape.convolutionWidth, valueWidth: shape.valueWidth, valueHeads: shape.valueHeads,
                in: arena)
        }
        experts = try config.experts.map { shape throws(SystemError) in
            try Self.expertBuffers(shape, config, tokens: maxTokens, precision: precision, in: arena)
        }
        attentionScratch = try arena.floats(
            KVStorage.scratchCount(
                heads: config.headCount, kvHeads: config.kvHeadCount, headDim: config.headDim,
                threads: pool.threadCount))
        logits = try arena.floats(maxLogitRows * config.vocabularySize)
        spareLogits = try arena.floats(config.vocabularySize)
    }

    var scratchByteCount: Int { arena.byteCount }

    private static func expertBuffers(
        _ shape: MixtureShape, _ config: ModelConfig, tokens: Int, precision: Precision, in arena: Arena
    ) throws(SystemError) -> ExpertBuffers {
        let pairs = tokens * shape.expertsPerToken
        let hiddenSize = config.hiddenSize
        return ExpertBuffers(
            routing: try Routing(tokens: tokens, experts: shape.expertCount, perToken: shape.expertsPerToken, in: arena),
            logits: try arena.floats(tokens * shape.expertCount),
            gathered: try Activations(tokens: pairs, columns: hiddenSize, bits: precision.gateInputBits, in: arena),
            inner: try Activations(tokens: pairs, columns: shape.expertSize, in: arena),
            results: try arena.floats(pairs * hiddenSize), shared: try arena.floats(tokens * hiddenSize),
            sharedGate: try arena.floats(tokens),
            floats: precision != .float32 ? nil : (
                try arena.floats(tokens * hiddenSize), try arena.floats(tokens * shape.expertSize),
                try arena.floats(tokens * shape.expertSize)))
    }
}
