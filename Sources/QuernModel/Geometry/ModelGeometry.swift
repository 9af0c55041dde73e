// What a decoder is made of, as far as its size, traffic and arithmetic depend on it.
//
// Owns: one description for every architecture the planner knows, also those this build does not execute. Does not own:
// reading it (ModelGeometry+Config.swift), what follows from it (ModelArithmetic.swift), execution (ModelConfig).
// Invariant: every number lies within the limits of the reader, so products of them fit 64 bits.

public struct ModelGeometry: Sendable, Equatable {
    /// `model_type` of config.json, such as `qwen3_moe`.
    public let modelType: String
    public let hiddenSize: Int
    /// Rows of the embedding.
    public let vocabularySize: Int
    /// Positions the model was made for.
    public let contextLength: Int
    /// The embedding is also the language-model head.
    public let tiesEmbeddings: Bool
    public let layers: [LayerGeometry]

    public init(
        modelType: String, hiddenSize: Int, vocabularySize: Int, contextLength: Int, tiesEmbeddings: Bool, layers: [LayerGeometry]
    ) {
        self.modelType = modelType
        self.hiddenSize = hiddenSize
        self.vocabularySize = vocabularySize
        self.contextLength = contextLength
        self.tiesEmbeddings = tiesEmbeddings
        self.layers = layers
    }
}

/// A layer: something that mixes positions, then something that works on each position alone.
public struct LayerGeometry: Sendable, Equatable {
    public let mixer: Mixer
    public let feedForward: FeedForward

    public init(mixer: Mixer, feedForward: FeedForward) {
        self.mixer = mixer
        self.feedForward = feedForward
    }

    public enum Mixer: Sendable, Equatable {
        /// Softmax attention over all earlier positions; keeps keys and values.
        case attention(AttentionGeometry)
        /// Gated DeltaNet (arXiv 2412.06464) as Qwen3-Next uses it; keeps a state of fixed size.
        case deltaNet(DeltaNetGeometry)
    }

    public enum FeedForward: Sendable, Equatable {
        /// Gate, up and down projections of this width.
        case dense(width: Int, hasBias: Bool)
        case experts(ExpertGeometry)
    }
}

public struct AttentionGeometry: Sendable, Equatable {
    public let heads: Int
    public let kvHeads: Int
    public let headDim: Int
    /// The query projection also produces a gate for the output (Qwen3-Next, Qwen3.5).
    public let hasOutputGate: Bool
    /// Norms on each head's query and key (Qwen3).
    public let hasHeadNorms: Bool
    /// Biases on query, key and value.
    public let hasInputBias: Bool
    /// A bias on the output projection.
    public let hasOutputBias: Bool

    public init(
        heads: Int, kvHeads: Int, headDim: Int, hasOutputGate: Bool, hasHeadNorms: Bool, hasInputBias: Bool, hasOutputBias: Bool
    ) {
        self.heads = heads
        self.kvHeads = kvHeads
        self.headDim = headDim
        self.hasOutputGate = hasOutputGate
        self.hasHeadNorms = hasHeadNorms
        self.hasInputBias = hasInputBias
        self.hasOutputBias = hasOutputBias
    }

    /// Query heads that read the same keys.
    public var groupSize: Int { heads / kvHeads }
}

public struct DeltaNetGeometry: Sendable, Equatable {
    public let keyHeads: Int
    public let valueHeads: Int
    public let keyHeadDim: Int
    public let valueHeadDim: Int
    /// Taps of the depthwise convolution before the recurrence.
    public let kernelWidth: Int

    public init(keyHeads: Int, valueHeads: Int, keyHeadDim: Int, valueHeadDim: Int, kernelWidth: Int) {
        self.keyHeads = keyHeads
        self.valueHeads = valueHeads
        self.keyHeadDim = keyHeadDim
        self.valueHeadDim = valueHeadDim
        self.kernelWidth = kernelWidth
    }

    var keyWidth: Int { keyHeads * keyHeadDim }
    var valueWidth: Int { valueHeads * valueHeadDim }
    /// Channels of the convolution: queries, keys and values.
    var convolutionWidth: Int { 2 * keyWidth + valueWidth }
    /// Elements of the recurrent state of one sequence: a key x value matrix per value head.
    public var stateElements: Int { valueHeads * keyHeadDim * valueHeadDim }
    /// Elements the convolution remembers of one sequence.
    public var convolutionElements: Int { convolutionWidth * (kernelWidth - 1) }
}

public struct ExpertGeometry: Sendable, Equatable {
    public let count: Int
    /// Experts a token is sent to.
    public let activeCount: Int
    public let width: Int
    /// Width of the expert every token passes; 0 when there is none.
    public let sharedWidth: Int

    public init(count: Int, activeCount: Int, width: Int, sharedWidth: Int) {
        self.count = count
        self.activeCount = activeCount
        self.width = width
        self.sharedWidth = sharedWidth
    }
}
