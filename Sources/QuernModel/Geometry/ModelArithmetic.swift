// What follows from a model's geometry: parameters by tensor class, multiplications of a token, memory of a sequence.
//
// Owns: counting. Does not own: bytes per weight (TensorFormat) or time (the planner). Invariant: counts are exact and
// agree with the checkpoints' own; a model with experts is counted whole, and what a batch touches is asked separately.
import Foundation

/// Weights that are stored and used alike.
public enum TensorClass: String, Sendable, CaseIterable {
    /// The input table, of which a step reads single rows.
    case embedding
    /// The language-model head; the embedding itself in tied models, which store it once.
    case head
    /// Projections of softmax attention.
    case attention
    /// Projections of recurrent layers.
    case deltaNet
    /// Gate, up and down projections that every token passes, shared experts among them.
    case feedForward
    /// Routed experts.
    case experts
    /// Router, norms, biases, convolutions: small, kept in full precision.
    case vectors
}

extension ModelGeometry {
    /// Weights of the checkpoint by class; a tied embedding counts under `head` alone.
    public func parameters(of tensors: TensorClass) -> Int {
        let table = vocabularySize * hiddenSize
        switch tensors {
        case .embedding: return tiesEmbeddings ? 0 : table
        case .head: return table
        case .vectors: return layers.reduce(hiddenSize) { $0 + $1.vectors(hiddenSize) }
        case .attention, .deltaNet: return layers.reduce(0) { $0 + $1.mixerMatrices(tensors, hiddenSize) }
        case .feedForward: return layers.reduce(0) { $0 + $1.denseMatrices(hiddenSize) }
        case .experts: return expertLayers.reduce(0) { $0 + $1.count * 3 * hiddenSize * $1.width }
        }
    }

    public var parameterCount: Int { TensorClass.allCases.reduce(0) { $0 + parameters(of: $1) } }

    /// Weights of a class that a step over `tokens` tokens reads: of the experts, those that at least one token chose.
    ///
    /// Routing is taken as even and independent, so E experts of which each token takes k are expected to be hit
    /// E (1 - (1 - k/E)^tokens) times.
    public func weightsRead(of tensors: TensorClass, tokens: Int) -> Double {
        guard tensors == .experts else { return tensors == .embedding ? 0 : Double(parameters(of: tensors)) }
        return expertLayers.reduce(0) { sum, experts in
            sum + experts.expectedDistinct(tokens: tokens) * Double(3 * hiddenSize * experts.width)
        }
    }

    /// Weights of a class that one token is multiplied with.
    public func weightsUsed(of tensors: TensorClass) -> Double { weightsRead(of: tensors, tokens: 1) }

    /// Operations of one token with all weights it meets, a multiplication and an addition each.
    public var operationsPerToken: Double {
        TensorClass.allCases.reduce(0) { $0 + ($1 == .embedding ? 0 : 2 * weightsUsed(of: $1)) }
    }

    /// Elements of keys and values that a position leaves in the cache.
    public var kvElementsPerToken: Int {
        attentionLayers.reduce(0) { $0 + 2 * $1.kvHeads * $1.headDim }
    }

    /// Elements of recurrent state of one sequence, kept in f32, whatever its length.
    public var recurrentElements: Int { deltaNetLayers.reduce(0) { $0 + $1.stateElements } }

    /// Elements the convolutions remember of one sequence, kept like activations.
    public var convolutionElements: Int { deltaNetLayers.reduce(0) { $0 + $1.convolutionElements } }

    /// Floating-point operations of softmax attention between one query position and one key position, all layers:
    /// a multiplication and an addition for the score and for the value.
    public var attentionOperationsPerPair: Double {
        attentionLayers.reduce(0) { $0 + 4 * Double($1.heads * $1.headDim) }
    }

    /// Operations of the recurrence for one token: decay, read, rank-one update and query of every state element.
    public var recurrenceOperationsPerToken: Double { 7 * Double(recurrentElements) }

    /// Elements that a token's activations have between the products of all layers: what norms, rotations, gates and
    /// quantisers walk over.
    public var activationElementsPerToken: Int { layers.reduce(0) { $0 + $1.activationElements(hiddenSize) } }

    public var attentionLayers: [AttentionGeometry] {
        layers.compactMap { if case .attention(let attention) = $0.mixer { attention } else { nil } }
    }

    public var deltaNetLayers: [DeltaNetGeometry] {
        layers.compactMap { if case .deltaNet(let net) = $0.mixer { net } else { nil } }
    }

    public var expertLayers: [ExpertGeometry] {
        layers.compactMap { if case .experts(let experts) = $0.feedForward { experts } else { nil } }
    }
}

extension ExpertGeometry {
    /// Experts that a step over `tokens` tokens is expected to hit.
    public func expectedDistinct(tokens: Int) -> Double {
        Double(count) * (1 - pow(1 - Double(activeCount) / Double(count), Double(tokens)))
    }
}

extension LayerGeometry {
    fileprivate func mixerMatrices(_ tensors: TensorClass, _ hidden: Int) -> Int {
        switch (mixer, tensors) {
        case (.attention(let attention), .attention):
            let queryWidth = attention.heads * attention.headDim
            return hidden * (queryWidth * (attention.hasOutputGate ? 3 : 2) + 2 * attention.kvHeads * attention.headDim)
        case (.deltaNet(let net), .deltaNet):
            // Query, key, value and gate in; two numbers per value head; values out.
            return hidden * (2 * net.keyWidth + 3 * net.valueWidth + 2 * net.valueHeads)
        default: return 0
        }
    }

    fileprivate func denseMatrices(_ hidden: Int) -> Int {
        switch feedForward {
        case .dense(let width, _): 3 * hidden * width
        case .experts(let experts): 3 * hidden * experts.sharedWidth
        }
    }

    fileprivate func vectors(_ hidden: Int) -> Int {
        var count = 2 * hidden
        switch mixer {
        case .attention(let attention):
            let (queryWidth, keyWidth) = (attention.heads * attention.headDim, attention.kvHeads * attention.headDim)
            if attention.hasHeadNorms { count += 2 * attention.headDim }
            if attention.hasInputBias { count += queryWidth * (attention.hasOutputGate ? 2 : 1) + 2 * keyWidth }
            if attention.hasOutputBias { count += hidden }
        case .deltaNet(let net):
            count += net.convolutionWidth * net.kernelWidth + 2 * net.valueHeads + net.valueHeadDim
        }
        switch feedForward {
        case .dense(let width, let hasBias): if hasBias { count += 2 * width + hidden }
        case .experts(let experts): count += hidden * (experts.count + (experts.sharedWidth > 0 ? 1 : 0))
        }
        return count
    }

    fileprivate func activationElements(_ hidden: Int) -> Int {
        var count = 4 * hidden
        switch mixer {
        case .attention(let attention):
            count += attention.headDim * (2 * attention.heads + 2 * attention.kvHeads)
        case .deltaNet(let net): count += 2 * net.convolutionWidth + 2 * net.valueWidth
        }
        switch feedForward {
        case .dense(let width, _): count += 3 * width
        case .experts(let experts): count += 3 * (experts.sharedWidth + experts.activeCount * experts.width)
        }
        return count
    }
}
