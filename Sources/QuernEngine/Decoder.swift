// The decoder-only transformer: embedding, layers, final norm, language-model head.
//
// Owns: weights and the order of the forward pass. Does not own: what a layer contains (Architectures/), the cache, the
// schedule. Invariants: a forward pass neither allocates, logs nor throws; the head runs only for rows that need logits.
import QuernModel
import QuernTensor

/// One transformer layer: two pre-norm residual blocks, of which the first lets tokens see each other.
struct DecoderLayer {
    let tokenNorm: Floats
    let tokenMixer: TokenMixer
    let channelNorm: Floats
    let channelMixer: ChannelMixer
}

enum TokenMixer {
    case attention(Attention)
    case deltaNet(GatedDeltaNet)
}

enum ChannelMixer {
    case dense(FeedForward)
    case mixture(MixtureOfExperts)
}

final class Decoder {
    let config: ModelConfig
    let embedding: Embedding
    let layers: [DecoderLayer]
    let finalNorm: Floats
    let head: Linear
    let shape: HeadShape
    /// Bytes of weights read by one decode step.
    let weightBytesPerStep: Int
    /// Multiply-accumulates with weights of one token that needs logits.
    let weightsPerStep: Int
    private let arena: Arena

    init(config: ModelConfig, loader: WeightLoader, contextLength: Int) throws {
        self.config = config
        arena = loader.arena
        shape = HeadShape(
            hiddenSize: config.hiddenSize, heads: config.headCount, kvHeads: config.kvHeadCount,
            headDim: config.headDim, epsilon: config.rmsNormEpsilon,
            rotary: try RotaryTable(config: config, positions: contextLength, in: loader.arena))
        embedding = Embedding(matrix: try loader.linear("model.embed_tokens"))
        let architecture = Architectures.named(config.architecture)
        layers = try (0..<config.layerCount).map { try architecture.layer(LayerPlace(index: $0, config: config), loader) }
        finalNorm = try loader.norm("model.norm.weight", config.architecture.isHybrid ? .zeroCentred : .factor)
        head = config.tiesEmbeddings ? embedding.matrix : try loader.linear("lm_head")
        try loader.finish()
        weightsPerStep = loader.loadedWeightCount - (config.tiesEmbeddings ? 0 : embedding.matrix.rows * embedding.matrix.columns)
        weightBytesPerStep = loader.loadedByteCount - (config.tiesEmbeddings ? 0 : embedding.matrix.byteCount)
    }

    /// Computes the step; logits of row i of `step.logitRows` land in `compute.logits[i * vocabularySize...]`.
    func forward(_ step: borrowing StepBatch, memory: SequenceMemory, compute: Compute) {
        let hiddenSize = config.hiddenSize
        embedding.lookUp(step, compute: compute)
        for layer in layers {
            normalize(compute.hidden, layer.tokenNorm, rows: step.count, compute)
            switch layer.tokenMixer {
            case .attention(let attention): attention.forward(shape: shape, step: step, cache: memory.cache, compute: compute)
            case .deltaNet(let deltaNet): deltaNet.forward(step: step, states: memory.states, compute: compute)
            }
            normalize(compute.hidden, layer.channelNorm, rows: step.count, compute)
            switch layer.channelMixer {
            case .dense(let block): block.forward(tokens: step.count, into: compute.hidden, accumulates: true, compute: compute)
            case .mixture(let mixture): mixture.forward(tokens: step.count, compute: compute)
            }
        }
        guard step.logitCount > 0 else { return }
        for row in 0..<step.logitCount {
            let source = compute.hidden.slice(from: Int(step.logitRows[row]) * hiddenSize, count: hiddenSize)
            compute.kernels.rmsNorm(
                source, stride: hiddenSize, weight: finalNorm,
                into: compute.normed.slice(from: row * hiddenSize, count: hiddenSize), stride: hiddenSize, rows: 1,
                width: hiddenSize, epsilon: shape.epsilon, pool: compute.pool)
        }
        compute.project(
            compute.normed, stride: hiddenSize, tokens: step.logitCount,
            head.into(compute.logits, stride: config.vocabularySize))
    }

    private func normalize(_ x: Floats, _ weight: Floats, rows: Int, _ compute: Compute) {
        compute.kernels.rmsNorm(
            x, stride: config.hiddenSize, weight: weight, into: compute.normed, stride: config.hiddenSize,
            rows: rows, width: config.hiddenSize, epsilon: shape.epsilon, pool: compute.pool)
    }
}
