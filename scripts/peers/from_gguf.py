#!/usr/bin/env python3
"""A Qwen2 GGUF file as a Hugging Face folder in f32, for engines that convert only those.

usage: from_gguf.py FILE.gguf FOLDER
"""
import json
import os
import sys

import numpy
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.torch import save_file
from transformers import AutoTokenizer

WHOLE = {"token_embd": "model.embed_tokens", "output": "lm_head", "output_norm": "model.norm"}
LAYER = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
source, folder = sys.argv[1:]
reader = GGUFReader(source)
architecture = reader.fields["general.architecture"].contents()
if architecture != "qwen2":
    sys.exit(f"from_gguf.py: {source} is {architecture}; only qwen2 is converted")


def field(name: str):
    return reader.fields[f"qwen2.{name}"].contents()


tensors = {}
for tensor in reader.tensors:
    base, kind = tensor.name.rsplit(".", 1)
    if base.startswith("blk."):
        _, layer, base = base.split(".")
        name = f"model.layers.{layer}.{LAYER[base]}.{kind}"
    else:
        name = f"{WHOLE[base]}.{kind}"
    tensors[name] = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32, order="C"))
os.makedirs(folder, exist_ok=True)
save_file(tensors, f"{folder}/model.safetensors", metadata={"format": "pt"})
config = {
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": field("embedding_length"),
    "intermediate_size": field("feed_forward_length"), "num_hidden_layers": field("block_count"),
    "num_attention_heads": field("attention.head_count"), "num_key_value_heads": field("attention.head_count_kv"),
    "rms_norm_eps": field("attention.layer_norm_rms_epsilon"), "rope_theta": field("rope.freq_base"),
    "max_position_embeddings": field("context_length"), "vocab_size": len(tensors["model.embed_tokens.weight"]),
    "tie_word_embeddings": "lm_head.weight" not in tensors, "dtype": "float32", "hidden_act": "silu", "use_sliding_window": False,
    "bos_token_id": 151643, "eos_token_id": 151645,
}
with open(f"{folder}/config.json", "w") as out:
    json.dump(config, out, indent=1)
AutoTokenizer.from_pretrained(os.path.dirname(source), gguf_file=os.path.basename(source)).save_pretrained(folder)
