// GGUF tensor names and their canonical counterparts.

enum GGUFNames {
    private static let top = [
        "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
    ]
    private static let layer = [
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    ]

    /// `blk.3.attn_q.weight` → `model.layers.3.self_attn.q_proj.weight`; nil for names no architecture here uses.
    static func canonical(_ name: String) -> String? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if parts.count == 2, let base = top[parts[0]] { return "\(base).\(parts[1])" }
        guard parts.count == 4, parts[0] == "blk", let index = UInt32(parts[1]), let base = layer[parts[2]],
            "\(index)" == parts[1]     // one spelling per number, so that names stay distinct
        else { return nil }
        return "model.layers.\(index).\(base).\(parts[3])"
    }
}
