// GGUF tensor names and their canonical counterparts.
//
// Source: llama.cpp's gguf-py (constants.py, tensor_mapping.py). Parts of fused tensors get the publisher's names, which
// TensorSources takes apart.

enum GGUFNames {
    private static let top = [
        "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
    ]
    private static let layer = [
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "post_attention_norm": "post_attention_layernorm",
        "ffn_gate_inp": "mlp.gate", "ffn_gate_exps": "mlp.experts.gate_proj", "ffn_up_exps": "mlp.experts.up_proj",
        "ffn_down_exps": "mlp.experts.down_proj", "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
        "ffn_gate_shexp": "mlp.shared_expert.gate_proj", "ffn_up_shexp": "mlp.shared_expert.up_proj",
        "ffn_down_shexp": "mlp.shared_expert.down_proj", "attn_qkv": "linear_attn.in_proj_qkv",
        "attn_gate": "linear_attn.in_proj_z", "ssm_beta": "linear_attn.in_proj_b", "ssm_alpha": "linear_attn.in_proj_a",
        "ssm_ba": "linear_attn.in_proj_ba", "ssm_conv1d": "linear_attn.conv1d", "ssm_norm": "linear_attn.norm",
        "ssm_out": "linear_attn.out_proj",
    ]
    /// Names whose suffix differs too.
    private static let whole = [
        "ssm_a": "linear_attn.A_log", "ssm_dt.bias": "linear_attn.dt_bias", "ffn_gate_up_exps.weight": "mlp.experts.gate_up_proj",
    ]

    /// `blk.3.attn_q.weight` → `model.layers.3.self_attn.q_proj.weight`; nil for names no architecture here uses.
    static func canonical(_ name: String) -> String? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if parts.count == 2, let base = top[parts[0]] { return "\(base).\(parts[1])" }
        guard parts.count >= 3, parts[0] == "blk", let index = UInt32(parts[1]),
            "\(index)" == parts[1]     // one spelling per number, so that names stay distinct
        else { return nil }
        if let rest = whole[parts[2...].joined(separator: ".")] { return "model.layers.\(index).\(rest)" }
        guard parts.count == 4, let base = layer[parts[2]] else { return nil }
        return "model.layers.\(index).\(base).\(parts[3])"
    }
}
