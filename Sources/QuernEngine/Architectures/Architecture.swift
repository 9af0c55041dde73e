// The registry of supported decoder architectures. One file each; a file says which parts a layer is made of, nothing
// else: shapes come from the checkpoint and the forward pass is shared.
import Foundation
import QuernModel
import QuernTensor

/// Builds layers of one `model_type` from a checkpoint with canonical (Hugging Face) tensor names.
protocol Architecture: SendableMetatype {
    static func layer(_ place: LayerPlace, _ loader: WeightLoader) throws -> DecoderLayer
}

/// Where a layer stands in its model.
struct LayerPlace {
    let index: Int
    let config: ModelConfig

    /// Begins the name of every tensor of the layer.
    var prefix: String { "model.layers.\(index)." }
    var kind: LayerKind { config.layerKinds[index] }
    /// How many earlier layers keep their state in the same storage: the KV cache, or the recurrent states.
    var stateLayer: Int { config.layerKinds[..<index].count { ($0 == .linear) == (kind == .linear) } }
}

enum Architectures {
    static func named(_ name: ArchitectureName) -> any Architecture.Type {
        switch name {
        case .llama: Llama.self
        case .qwen2: Qwen2.self
        case .qwen3: Qwen3.self
        case .qwen2MoE: Qwen2MoE.self
        case .qwen3MoE: Qwen3MoE.self
        case .qwen3Next: Qwen3Next.self
        case .qwen35: Qwen35.self
        case .qwen35MoE: Qwen35MoE.self
        case .seedOSS: SeedOSS.self
        }
    }
}

/// How a layer's first norm is written in the checkpoint.
enum NormStyle {
    /// The factor itself.
    case factor
    /// Its distance from one.
    case zeroCentred
}

extension WeightLoader {
    /// A pre-norm layer of the two given parts.
    func layer(
        _ place: LayerPlace, norms: NormStyle = .factor, _ mixer: TokenMixer, _ feedForward: ChannelMixer
    ) throws -> DecoderLayer {
        DecoderLayer(
            tokenNorm: try norm(place.prefix + "input_layernorm.weight", norms), tokenMixer: mixer,
            channelNorm: try norm(place.prefix + "post_attention_layernorm.weight", norms), channelMixer: feedForward)
    }

    /// Grouped-query attention.
    ///
    /// - Parameters:
    ///   - headNorms: adds an RMS norm over each query and key head.
    ///   - isGated: adds a gate on the output.
    func attention(_ place: LayerPlace, headNorms: NormStyle? = nil, isGated: Bool = false) throws -> TokenMixer {
        let prefix = place.prefix + "self_attn."
        return .attention(
            Attention(
                query: try linear(prefix + "q_proj"), key: try linear(prefix + "k_proj"), value: try linear(prefix + "v_proj"),
                output: try linear(prefix + "o_proj"),
                queryNorm: try headNorms.map { try norm(prefix + "q_norm.weight", $0) },
                keyNorm: try headNorms.map { try norm(prefix + "k_norm.weight", $0) },
                gate: isGated ? try linear(prefix + "gate_proj") : nil,
                window: place.kind == .sliding ? place.config.slidingWindow : nil, cacheLayer: place.stateLayer))
    }

    /// Attention with an output gate, or linear attention: the layers of hybrid models.
    func hybridMixer(_ place: LayerPlace) throws -> TokenMixer {
        place.kind == .linear ? try deltaNet(place) : try attention(place, headNorms: .zeroCentred, isGated: true)
    }

    /// The gated feed-forward block.
    func feedForward(_ place: LayerPlace) throws -> ChannelMixer { .dense(try block(place.prefix + "mlp.")) }

    private func block(_ prefix: String) throws -> FeedForward {
        FeedForward(
            gate: try linear(prefix + "gate_proj"), up: try linear(prefix + "up_proj"), down: try linear(prefix + "down_proj"))
    }

    /// A mixture of experts, or the plain block in the layers that have one.
    func mixture(_ place: LayerPlace) throws -> ChannelMixer {
        guard let shape = place.config.experts, place.config.isSparse(place.index) else { return try feedForward(place) }
        let prefix = place.prefix + "mlp."
        let used = (shape.expertsPerToken, shape.expertCount)
        let gate = try linear(prefix + "experts.gate_proj", used: used)
        let up = try linear(prefix + "experts.up_proj", used: used)
        let down = try linear(prefix + "experts.down_proj", used: used)
        let experts: MixtureOfExperts.Weights
        switch (gate.weights, up.weights, down.weights) {
        case (.int8(let gate), .int8(let up), .int8(let down)):
            experts = .int8(QuantizedExperts(gate: gate, up: up, down: down, count: shape.expertCount))
        case (.float32(let gate), .float32(let up), .float32(let down)): experts = .float32(gate: gate, up: up, down: down)
        default: preconditionFailure("mixed precisions in one model")
        }
        return .mixture(
            MixtureOfExperts(
                router: try matrix(prefix + "gate.weight"), normalizesWeights: shape.normalizesWeights, experts: experts,
                shared: shape.sharedSize == 0 ? nil : MixtureOfExperts.SharedExpert(
                    block: try block(prefix + "shared_expert."), gate: try matrix(prefix + "shared_expert_gate.weight"))))
    }

    private func deltaNet(_ place: LayerPlace) throws -> TokenMixer {
        guard let shape = place.config.linearAttention else { preconditionFailure("a linear layer without its shape") }
        let prefix = place.prefix + "linear_attn."
        let rates = try vector(prefix + "A_log")
        for head in 0..<rates.count { rates[head] = -exp(rates[head]) }
        let stored = try matrix(prefix + "conv1d.weight")
        let convolution = try arena.floats(stored.rows * stored.columns)
        for channel in 0..<stored.rows {
            for input in 0..<stored.columns {
                convolution[input * stored.rows + channel] = stored.values[channel * stored.columns + input]
            }
        }
        return .deltaNet(
            GatedDeltaNet(
                qkv: try linear(prefix + "in_proj_qkv"), z: try linear(prefix + "in_proj_z"),
                b: try matrix(prefix + "in_proj_b.weight"), a: try matrix(prefix + "in_proj_a.weight"),
                output: try linear(prefix + "out_proj"),
                parameters: DeltaNetParameters(
                    keyHeads: shape.keyHeads, valueHeads: shape.valueHeads, keyHeadDim: shape.keyHeadDim,
                    valueHeadDim: shape.valueHeadDim, convolutionSize: shape.convolutionSize,
                    tilesValueHeads: shape.tilesValueHeads, epsilon: place.config.rmsNormEpsilon, convolution: convolution,
                    rates: rates, timeBias: try vector(prefix + "dt_bias"), norm: try vector(prefix + "norm.weight")),
                stateLayer: place.stateLayer))
    }
}
