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
    /// Those of them in the experts that one token chooses.
    let expertBytesPerToken: Int
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
        expertBytesPerToken = layers.reduce(0) { sum, layer in
            guard case .mixture(let mixture) = layer.channelMixer else { return sum }
            return sum + mixture.byteCountPerExpert * (config.experts?.expertsPerToken ?? 0)
        }
    }

    /// Computes the residual stream after the last layer of every token of the step, in `compute.hidden`.
    func forward(_ step: borrowing StepBatch, memory: SequenceMemory, compute: Compute) {
        embedding.lookUp(step, compute: compute)
        for layer in layers {
            compute.heartbeat.beat()
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
    }

    /// After `forward`: logits of the tokens `step.logitRows[rows]` land in `compute.logits[i * vocabularySize...]`.
    ///
    /// - Precondition: at most `compute.maxLogitRows` rows.
    func project(_ rows: Range<Int>, of step: borrowing StepBatch, compute: Compute) {
        for (row, wanted) in rows.enumerated() {
            normalizeFinal(Int(step.logitRows[wanted]), into: row, compute: compute)
        }
        compute.project(
            compute.normed, stride: config.hiddenSize, tokens: rows.count,
            head.into(compute.logits, stride: config.vocabularySize))
    }

    /// After `forward`: the final hidden state of a token of the step, valid until the next call.
    func finalState(of token: Int, compute: Compute) -> Floats {
        normalizeFinal(token, into: 0, compute: compute)
        return compute.normed.slice(from: 0, count: config.hiddenSize)
    }

    private func normalizeFinal(_ token: Int, into row: Int, compute: Compute) {
        let width = config.hiddenSize
        compute.kernels.rmsNorm(
            compute.hidden.slice(from: token * width, count: width), stride: width, weight: finalNorm,
            into: compute.normed.slice(from: row * width, count: width), stride: width, rows: 1, width: width,
            epsilon: shape.epsilon, pool: compute.pool)
    }

    private func normalize(_ x: Floats, _ weight: Floats, rows: Int, _ compute: Compute) {
        compute.kernels.rmsNorm(
            x, stride: config.hiddenSize, weight: weight, into: compute.normed, stride: config.hiddenSize,
            rows: rows, width: config.hiddenSize, epsilon: shape.epsilon, pool: compute.pool)
    }
}
