// Which tensors a checkpoint of a configuration must have, under Hugging Face's canonical names.
//
// Owns: names and shapes per architecture; readers, the packer and the engine all ask here. Does not own: how tensors
// are stored. Invariant: the list depends on the configuration alone.

/// A tensor that an architecture needs.
public struct ExpectedTensor: Sendable, Equatable {
    public let name: String
    /// [rows, columns] of a matrix, [n] of a vector.
    public let shape: [Int]
}

extension ModelConfig {
    /// Every tensor of the model, embedding first, in the order of a forward pass.
    public var expectedTensors: [ExpectedTensor] {
        var list = [ExpectedTensor(name: "model.embed_tokens.weight", shape: [vocabularySize, hiddenSize])]
        for layer in 0..<layerCount { list += layerTensors("model.layers.\(layer).") }
        list.append(ExpectedTensor(name: "model.norm.weight", shape: [hiddenSize]))
        if !tiesEmbeddings { list.append(ExpectedTensor(name: "lm_head.weight", shape: [vocabularySize, hiddenSize])) }
        return list
    }

    private func layerTensors(_ prefix: String) -> [ExpectedTensor] {
        var list: [ExpectedTensor] = []
        func vector(_ name: String, _ count: Int) { list.append(ExpectedTensor(name: prefix + name + ".weight", shape: [count])) }
        func linear(_ name: String, _ rows: Int, _ columns: Int, bias: Bool) {
            list.append(ExpectedTensor(name: prefix + name + ".weight", shape: [rows, columns]))
            if bias { list.append(ExpectedTensor(name: prefix + name + ".bias", shape: [rows])) }
        }
        let queryWidth = headCount * headDim
        let keyWidth = kvHeadCount * headDim
        vector("input_layernorm", hiddenSize)
        linear("self_attn.q_proj", queryWidth, hiddenSize, bias: attentionBias)
        linear("self_attn.k_proj", keyWidth, hiddenSize, bias: attentionBias)
        linear("self_attn.v_proj", keyWidth, hiddenSize, bias: attentionBias)
        linear("self_attn.o_proj", hiddenSize, queryWidth, bias: attentionOutputBias)
        if architecture == .qwen3 {
            vector("self_attn.q_norm", headDim)
            vector("self_attn.k_norm", headDim)
        }
        vector("post_attention_layernorm", hiddenSize)
        linear("mlp.gate_proj", intermediateSize, hiddenSize, bias: mlpBias)
        linear("mlp.up_proj", intermediateSize, hiddenSize, bias: mlpBias)
        linear("mlp.down_proj", hiddenSize, intermediateSize, bias: mlpBias)
        return list
    }

    /// Weights in the checkpoint, tied embeddings counted once.
    public var parameterCount: Int {
        expectedTensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
    }
}
