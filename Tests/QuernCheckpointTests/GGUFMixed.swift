// What converters make of mixtures of experts and hybrid layers in a GGUF file.
import Foundation
import QuernModel

extension GGUFBuilder {
    /// A tensor as it is stored, under the name that the publisher gives it.
    struct Fused {
        var name: String
        var shape: [Int]
        var values: [Float]
        var isQuantizable: Bool
    }

    static let mixedNames = [
        ("mlp.gate.", "ffn_gate_inp."), ("mlp.experts.gate_proj", "ffn_gate_exps"), ("mlp.experts.up_proj", "ffn_up_exps"),
        ("mlp.experts.down_proj", "ffn_down_exps"), ("mlp.shared_expert_gate", "ffn_gate_inp_shexp"),
        ("mlp.shared_expert.gate_proj", "ffn_gate_shexp"), ("mlp.shared_expert.up_proj", "ffn_up_shexp"),
        ("mlp.shared_expert.down_proj", "ffn_down_shexp"), ("linear_attn.in_proj_qkv", "attn_qkv"),
        ("linear_attn.in_proj_z", "attn_gate"), ("linear_attn.in_proj_ba", "ssm_ba"), ("linear_attn.in_proj_b", "ssm_beta"),
        ("linear_attn.in_proj_a", "ssm_alpha"), ("linear_attn.conv1d", "ssm_conv1d"), ("linear_attn.dt_bias", "ssm_dt.bias"),
        ("linear_attn.A_log", "ssm_a"), ("linear_attn.norm", "ssm_norm"), ("linear_attn.out_proj", "ssm_out"),
    ]

    mutating func setMixed(_ name: String, _ config: ModelConfig) {
        if let experts = config.experts {
            set("\(name).expert_count", .u32(UInt32(experts.expertCount)))
            set("\(name).expert_used_count", .u32(UInt32(experts.expertsPerToken)))
            set("\(name).expert_feed_forward_length", .u32(UInt32(experts.expertSize)))
            if experts.sharedSize > 0 { set("\(name).expert_shared_feed_forward_length", .u32(UInt32(experts.sharedSize))) }
        }
        guard let linear = config.linearAttention else { return }
        set("\(name).ssm.conv_kernel", .u32(UInt32(linear.convolutionSize)))
        set("\(name).ssm.state_size", .u32(UInt32(linear.keyHeadDim)))
        set("\(name).ssm.group_count", .u32(UInt32(linear.keyHeads)))
        set("\(name).ssm.time_step_rank", .u32(UInt32(linear.valueHeads)))
        set("\(name).ssm.inner_size", .u32(UInt32(linear.valueWidth)))
        set("\(name).rope.dimension_count", .u32(UInt32(config.rotaryDim)))
    }

    /// The model's tensors with what is stored together put together.
    static func fused(_ model: TinyModel) -> [Fused] {
        let config = model.config
        var list: [Fused] = []
        for tensor in config.expectedTensors {
            var fused = Fused(
                name: tensor.name, shape: tensor.shape, values: model.values(tensor.name), isQuantizable: tensor.isQuantizable)
            if tensor.name.contains(".experts."), let experts = config.experts {
                fused.shape = [experts.expertCount, tensor.shape[0] / experts.expertCount, tensor.shape[1]]
            }
            if tensor.name.hasSuffix(".shared_expert_gate.weight") { fused.shape = [tensor.shape[1]] }
            if config.architecture.isHybrid {
                if tensor.name.hasSuffix("norm.weight"), !tensor.name.contains("linear_attn") { fused.values = fused.values.map { $0 + 1 } }
                if tensor.name.hasSuffix(".A_log") { fused.values = fused.values.map { -exp($0) } }
                if tensor.name.contains(".self_attn.gate_proj.") { continue }
                if tensor.name.contains(".self_attn.q_proj.") {
                    let gate = model.values(tensor.name.replacing("q_proj", with: "gate_proj"))
                    fused.values = interleaved(fused.values, gate, rows: tensor.shape[0], block: config.headDim)
                    fused.shape[0] *= 2
                }
            }
            if config.architecture == .qwen3Next, let linear = config.linearAttention {
                if tensor.name.contains("in_proj_a.") { continue }
                if tensor.name.contains("in_proj_b.") {
                    let a = model.values(tensor.name.replacing("in_proj_b", with: "in_proj_a"))
                    fused.values = interleaved(fused.values, a, rows: tensor.shape[0], block: linear.valueHeads / linear.keyHeads)
                    fused.name = tensor.name.replacing("in_proj_b", with: "in_proj_ba")
                    fused.shape[0] *= 2
                }
            }
            list.append(fused)
        }
        return list
    }

    /// `block` rows of a, then `block` rows of b, and so on.
    private static func interleaved(_ a: [Float], _ b: [Float], rows: Int, block: Int) -> [Float] {
        let size = a.count / rows * block
        return stride(from: 0, to: a.count, by: size).flatMap { a[$0..<($0 + size)] + b[$0..<($0 + size)] }
    }
}
