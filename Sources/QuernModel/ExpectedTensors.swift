// Which tensors a checkpoint of a configuration must have, under Hugging Face's canonical names.
//
// Owns: names and shapes per architecture; readers, the packer and the engine all ask here. Does not own: how tensors
// are stored. Invariant: the list depends on the configuration alone.
//
// Some things are canonical that no single publisher's file has: the experts of a layer are stacked in one matrix per projection,
// fused projections are apart (queries and their output gates, Qwen3-Next's qkvz and ba), and a convolution's weights are a matrix
// [channels, positions].

/// A tensor that an architecture needs.
public struct ExpectedTensor: Sendable, Equatable {
    public let name: String
    /// [rows, columns] of a matrix, [n] of a vector.
    public let shape: [Int]
    /// May become integers. Vectors and the small matrices that choose and gate stay floats.
    public let isQuantizable: Bool
}

extension ModelConfig {
    /// Every tensor of the model, embedding first, in the order of a forward pass.
    public var expectedTensors: [ExpectedTensor] {
        var list = TensorList()
        list.linear("model.embed_tokens", vocabularySize, hiddenSize)
        for layer in 0..<layerCount { appendLayer(layer, to: &list) }
        list.vector("model.norm", hiddenSize)
        if !tiesEmbeddings { list.linear("lm_head", vocabularySize, hiddenSize) }
        return list.tensors
    }

    private func appendLayer(_ layer: Int, to list: inout TensorList) {
        list.prefix = "model.layers.\(layer)."
        defer { list.prefix = "" }
        list.vector("input_layernorm", hiddenSize)
        if layerKinds[layer] == .linear, let shape = linearAttention {
            appendLinearAttention(shape, to: &list)
        } else {
            appendAttention(to: &list)
        }
        list.vector("post_attention_layernorm", hiddenSize)
        if let experts, experts.isSparse(layer) {
            appendExperts(experts, to: &list)
        } else {
            appendFeedForward("mlp.", intermediateSize, bias: mlpBias, to: &list)
        }
    }

    private func appendAttention(to list: inout TensorList) {
        let queryWidth = headCount * headDim
        let keyWidth = kvHeadCount * headDim
        list.linear("self_attn.q_proj", queryWidth, hiddenSize, bias: attentionBias)
        if architecture.isHybrid { list.linear("self_attn.gate_proj", queryWidth, hiddenSize) }
        list.linear("self_attn.k_proj", keyWidth, hiddenSize, bias: attentionBias)
        list.linear("self_attn.v_proj", keyWidth, hiddenSize, bias: attentionBias)
        list.linear("self_attn.o_proj", hiddenSize, queryWidth, bias: attentionOutputBias)
        if architecture.normalizesHeads {
            list.vector("self_attn.q_norm", headDim)
            list.vector("self_attn.k_norm", headDim)
        }
    }

    private func appendLinearAttention(_ shape: LinearAttentionShape, to list: inout TensorList) {
        list.linear("linear_attn.in_proj_qkv", shape.convolutionWidth, hiddenSize)
        list.linear("linear_attn.in_proj_z", shape.valueWidth, hiddenSize)
        list.floats("linear_attn.in_proj_b.weight", [shape.valueHeads, hiddenSize])
        list.floats("linear_attn.in_proj_a.weight", [shape.valueHeads, hiddenSize])
        list.floats("linear_attn.conv1d.weight", [shape.convolutionWidth, shape.convolutionSize])
        list.floats("linear_attn.dt_bias", [shape.valueHeads])
        list.floats("linear_attn.A_log", [shape.valueHeads])
        list.vector("linear_attn.norm", shape.valueHeadDim)
        list.linear("linear_attn.out_proj", hiddenSize, shape.valueWidth)
    }

    private func appendFeedForward(_ part: String, _ size: Int, bias: Bool, to list: inout TensorList) {
        list.linear(part + "gate_proj", size, hiddenSize, bias: bias)
        list.linear(part + "up_proj", size, hiddenSize, bias: bias)
        list.linear(part + "down_proj", hiddenSize, size, bias: bias)
    }

    private func appendExperts(_ experts: MixtureShape, to list: inout TensorList) {
        list.floats("mlp.gate.weight", [experts.expertCount, hiddenSize])
        list.linear("mlp.experts.gate_proj", experts.expertCount * experts.expertSize, hiddenSize)
        list.linear("mlp.experts.up_proj", experts.expertCount * experts.expertSize, hiddenSize)
        list.linear("mlp.experts.down_proj", experts.expertCount * hiddenSize, experts.expertSize)
        guard experts.sharedSize > 0 else { return }
        list.floats("mlp.shared_expert_gate.weight", [1, hiddenSize])
        appendFeedForward("mlp.shared_expert.", experts.sharedSize, bias: false, to: &list)
    }

    /// Weights in the checkpoint, tied embeddings counted once.
    public var parameterCount: Int {
        expectedTensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
    }
}

private struct TensorList {
    var prefix = ""
    var tensors: [ExpectedTensor] = []

    mutating func floats(_ name: String, _ shape: [Int]) {
        tensors.append(ExpectedTensor(name: prefix + name, shape: shape, isQuantizable: false))
    }

    mutating func vector(_ name: String, _ count: Int) { floats(name + ".weight", [count]) }

    mutating func linear(_ name: String, _ rows: Int, _ columns: Int, bias: Bool = false) {
        tensors.append(ExpectedTensor(name: prefix + name + ".weight", shape: [rows, columns], isQuantizable: true))
        if bias { floats(name + ".bias", [rows]) }
    }
}
