#!/usr/bin/env python3
"""Writes a Q8_0 GGUF with random weights in a published model's shape, for measuring speed where no weights are at hand.

usage: random_model.py OUTPUT [--layers N]

The shape is Qwen3-0.6B's: 28 layers, hidden size 1024, 16 heads of 128 with 8 key heads, tied embeddings. There is no
tokenizer inside. Needs: pip install gguf numpy
"""
import argparse

import gguf
import numpy as np

HIDDEN, INTERMEDIATE, HEADS, KEY_HEADS, HEAD_DIM, VOCABULARY = 1024, 3072, 16, 8, 128, 151936


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--layers", type=int, default=28)
    options = parser.parse_args()
    rng = np.random.default_rng(6)
    writer = gguf.GGUFWriter(options.output, "qwen3")
    writer.add_context_length(40960)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_block_count(options.layers)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("no_vocab")

    def matrix(name, rows, columns):
        weights = rng.standard_normal((rows, columns), dtype=np.float32) * 0.02
        writer.add_tensor(name, gguf.quants.quantize(weights, gguf.GGMLQuantizationType.Q8_0),
                          raw_dtype=gguf.GGMLQuantizationType.Q8_0)

    def ones(name, count):
        writer.add_tensor(name, np.ones(count, dtype=np.float32))

    matrix("token_embd.weight", VOCABULARY, HIDDEN)
    for layer in range(options.layers):
        prefix = f"blk.{layer}."
        ones(prefix + "attn_norm.weight", HIDDEN)
        matrix(prefix + "attn_q.weight", HEADS * HEAD_DIM, HIDDEN)
        matrix(prefix + "attn_k.weight", KEY_HEADS * HEAD_DIM, HIDDEN)
        matrix(prefix + "attn_v.weight", KEY_HEADS * HEAD_DIM, HIDDEN)
        matrix(prefix + "attn_output.weight", HIDDEN, HEADS * HEAD_DIM)
        ones(prefix + "attn_q_norm.weight", HEAD_DIM)
        ones(prefix + "attn_k_norm.weight", HEAD_DIM)
        ones(prefix + "ffn_norm.weight", HIDDEN)
        matrix(prefix + "ffn_gate.weight", INTERMEDIATE, HIDDEN)
        matrix(prefix + "ffn_up.weight", INTERMEDIATE, HIDDEN)
        matrix(prefix + "ffn_down.weight", HIDDEN, INTERMEDIATE)
    ones("output_norm.weight", HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
