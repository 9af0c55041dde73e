#!/usr/bin/env python3
"""Writes a Q8_0 GGUF with random weights in a published model's shape, for measuring speed where no weights are at hand.

usage: random_model.py OUTPUT [--shape qwen3-0.6b | qwen3.5-0.8b | qwen3-30b-a3b] [--layers N]

The shapes are the publishers'; --layers cuts them, which a mixture of experts needs to fit into memory (30B-A3B: 1 GB of file
for 4 layers is mostly vocabulary). There is no tokenizer inside. Needs: pip install gguf numpy
"""
import argparse

import gguf
import numpy as np

SHAPES = {
    "qwen3-0.6b": dict(arch="qwen3", layers=28, hidden=1024, inner=3072, heads=16, key_heads=8, head_dim=128, vocabulary=151936,
                       context=40960, theta=1e6),
    "qwen3.5-0.8b": dict(arch="qwen35", layers=24, hidden=1024, inner=3584, heads=8, key_heads=2, head_dim=256,
                         vocabulary=248320, context=262144, theta=1e7, rotary=64, interval=4, linear_keys=16, linear_values=16,
                         linear_dim=128),
    "qwen3-30b-a3b": dict(arch="qwen3moe", layers=48, hidden=2048, inner=6144, heads=32, key_heads=4, head_dim=128,
                          vocabulary=151936, context=40960, theta=1e6, experts=128, per_token=8, expert_inner=768),
}


class Writer:
    def __init__(self, path, shape, layers):
        self.rng = np.random.default_rng(6)
        self.shape = shape
        self.gguf = gguf.GGUFWriter(path, shape["arch"])
        add = self.gguf
        add.add_context_length(shape["context"])
        add.add_embedding_length(shape["hidden"])
        add.add_feed_forward_length(shape["inner"])
        add.add_block_count(layers)
        add.add_head_count(shape["heads"])
        add.add_head_count_kv(shape["key_heads"])
        add.add_key_length(shape["head_dim"])
        add.add_value_length(shape["head_dim"])
        add.add_layer_norm_rms_eps(1e-6)
        add.add_rope_freq_base(shape["theta"])
        add.add_vocab_size(shape["vocabulary"])
        add.add_tokenizer_model("no_vocab")
        if "experts" in shape:
            add.add_expert_count(shape["experts"])
            add.add_expert_used_count(shape["per_token"])
            add.add_expert_feed_forward_length(shape["expert_inner"])
        if "interval" in shape:
            add.add_rope_dimension_count(shape["rotary"])
            add.add_rope_dimension_sections([11, 11, 10, 0])
            add.add_ssm_conv_kernel(4)
            add.add_ssm_state_size(shape["linear_dim"])
            add.add_ssm_group_count(shape["linear_keys"])
            add.add_ssm_time_step_rank(shape["linear_values"])
            add.add_ssm_inner_size(shape["linear_values"] * shape["linear_dim"])
            add.add_full_attention_interval(shape["interval"])

    def matrix(self, name, *dimensions):
        weights = self.rng.standard_normal(dimensions, dtype=np.float32) * 0.02
        self.gguf.add_tensor(name, gguf.quants.quantize(weights, gguf.GGMLQuantizationType.Q8_0),
                             raw_dtype=gguf.GGMLQuantizationType.Q8_0)

    def floats(self, name, values):
        self.gguf.add_tensor(name, values.astype(np.float32))

    def ones(self, name, count):
        self.floats(name, np.ones(count))

    def attention(self, prefix):
        s = self.shape
        width, keys = s["heads"] * s["head_dim"], s["key_heads"] * s["head_dim"]
        self.matrix(prefix + "attn_q.weight", width * (2 if "interval" in s else 1), s["hidden"])
        self.matrix(prefix + "attn_k.weight", keys, s["hidden"])
        self.matrix(prefix + "attn_v.weight", keys, s["hidden"])
        self.matrix(prefix + "attn_output.weight", s["hidden"], width)
        self.ones(prefix + "attn_q_norm.weight", s["head_dim"])
        self.ones(prefix + "attn_k_norm.weight", s["head_dim"])

    def linear_attention(self, prefix):
        s = self.shape
        keys, values = s["linear_keys"] * s["linear_dim"], s["linear_values"] * s["linear_dim"]
        self.matrix(prefix + "attn_qkv.weight", 2 * keys + values, s["hidden"])
        self.matrix(prefix + "attn_gate.weight", values, s["hidden"])
        self.matrix(prefix + "ssm_beta.weight", s["linear_values"], s["hidden"])
        self.matrix(prefix + "ssm_alpha.weight", s["linear_values"], s["hidden"])
        self.floats(prefix + "ssm_conv1d.weight", self.rng.standard_normal((2 * keys + values, 4)) * 0.5)
        self.floats(prefix + "ssm_dt.bias", self.rng.standard_normal(s["linear_values"]))
        self.floats(prefix + "ssm_a", -np.exp(self.rng.standard_normal(s["linear_values"]) - 1))
        self.ones(prefix + "ssm_norm.weight", s["linear_dim"])
        self.matrix(prefix + "ssm_out.weight", s["hidden"], values)

    def feed_forward(self, prefix):
        s = self.shape
        if "experts" in s:
            self.floats(prefix + "ffn_gate_inp.weight", self.rng.standard_normal((s["experts"], s["hidden"])) * 0.02)
            self.matrix(prefix + "ffn_gate_exps.weight", s["experts"], s["expert_inner"], s["hidden"])
            self.matrix(prefix + "ffn_up_exps.weight", s["experts"], s["expert_inner"], s["hidden"])
            self.matrix(prefix + "ffn_down_exps.weight", s["experts"], s["hidden"], s["expert_inner"])
        else:
            self.matrix(prefix + "ffn_gate.weight", s["inner"], s["hidden"])
            self.matrix(prefix + "ffn_up.weight", s["inner"], s["hidden"])
            self.matrix(prefix + "ffn_down.weight", s["hidden"], s["inner"])

    def close(self):
        self.gguf.write_header_to_file()
        self.gguf.write_kv_data_to_file()
        self.gguf.write_tensors_to_file()
        self.gguf.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--shape", choices=SHAPES, default="qwen3-0.6b")
    parser.add_argument("--layers", type=int)
    options = parser.parse_args()
    shape = SHAPES[options.shape]
    layers = options.layers or shape["layers"]
    writer = Writer(options.output, shape, layers)
    writer.matrix("token_embd.weight", shape["vocabulary"], shape["hidden"])
    is_hybrid = "interval" in shape
    for layer in range(layers):
        prefix = f"blk.{layer}."
        writer.ones(prefix + "attn_norm.weight", shape["hidden"])
        if is_hybrid and (layer + 1) % shape["interval"]:
            writer.linear_attention(prefix)
        else:
            writer.attention(prefix)
        writer.ones(prefix + ("post_attention_norm.weight" if is_hybrid else "ffn_norm.weight"), shape["hidden"])
        writer.feed_forward(prefix)
    writer.ones("output_norm.weight", shape["hidden"])
    writer.close()


if __name__ == "__main__":
    main()
