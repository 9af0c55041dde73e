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
    let gate: Floats        // [maxTokens, intermediateSize]
    let up: Floats          // [maxTokens, intermediateSize]
    let attentionScratch: Floats
    let logits: Floats      // [maxLogitRows, vocabularySize]
    let spareLogits: Floats // [vocabularySize]: for a sampler that must leave the row as it is
    private let arena: Arena

    init(
        config: ModelConfig, instructionSet: InstructionSet, threads: Int, maxTokens: Int, maxLogitRows: Int,
        gateInputBits: ActivationBits
    ) throws(SystemError) {
        kernels = Kernels(instructionSet)
        pool = try WorkerPool(threads: threads)
        self.maxTokens = maxTokens
        self.maxLogitRows = maxLogitRows
        arena = Arena(chunkByteCount: 16 << 20)
        let queryWidth = config.headCount * config.headDim
        let keyWidth = config.kvHeadCount * config.headDim
        activations = try Activations(
            tokens: maxTokens, columns: max(config.hiddenSize, config.intermediateSize, queryWidth), in: arena)
        gateInput = try Activations(tokens: maxTokens, columns: config.hiddenSize, bits: gateInputBits, in: arena)
        gatedActivations = try Activations(tokens: maxTokens, columns: config.intermediateSize, in: arena)
        hidden = try arena.floats(maxTokens * config.hiddenSize)
        normed = try arena.floats(maxTokens * config.hiddenSize)
        q = try arena.floats(maxTokens * queryWidth)
        k = try arena.floats(maxTokens * keyWidth)
        v = try arena.floats(maxTokens * keyWidth)
        attended = try arena.floats(maxTokens * queryWidth)
        gate = try arena.floats(maxTokens * config.intermediateSize)
        up = try arena.floats(maxTokens * config.intermediateSize)
        attentionScratch = try arena.floats(
            KVStorage.scratchCount(
                heads: config.headCount, kvHeads: config.kvHeadCount, headDim: config.headDim,
                threads: pool.threadCount))
        logits = try arena.floats(maxLogitRows * config.vocabularySize)
        spareLogits = try arena.floats(config.vocabularySize)
    }

    var scratchByteCount: Int { arena.byteCount }
}
