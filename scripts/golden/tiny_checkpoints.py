#!/usr/bin/env python3
"""Tiny random checkpoints of every architecture, and what transformers computes with them in float32.

usage: tiny_checkpoints.py [--only NAME] [--out FOLDER] [--hidden N] [--layers N] [--experts N]

Without options writes Tests/Fixtures/tiny-*/ (safetensors, config.json) and Tests/Fixtures/logits/*.json: logits at every
position of a 40-token prompt and the 32 tokens that follow greedily, with the smallest margin between the first and the
second choice. tiny-chat also gets a byte-level BPE tokenizer trained on the text below and a small ChatML template.

With --hidden, --layers or --experts the checkpoints are written larger, to the folder of --out, without fixtures.
"""
import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen2MoeConfig, Qwen2MoeForCausalLM,
                          Qwen3_5Config, Qwen3_5ForCausalLM, Qwen3_5ForConditionalGeneration, Qwen3_5MoeConfig,
                          Qwen3_5MoeForConditionalGeneration, Qwen3_5TextConfig, Qwen3Config, Qwen3ForCausalLM, Qwen3MoeConfig,
                          Qwen3MoeForCausalLM, Qwen3NextConfig, Qwen3NextForCausalLM, SeedOssConfig, SeedOssForCausalLM)

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--only", help="write this checkpoint alone, such as tiny-qwen3_5")
parser.add_argument("--out", type=Path, help="folder for larger checkpoints")
parser.add_argument("--hidden", type=int, default=64, help="hidden size; other widths follow")
parser.add_argument("--layers", type=int, help="decoder layers")
parser.add_argument("--experts", type=int, default=8, help="experts of a mixture layer")
options = parser.parse_args()
SCALE = options.hidden // 64
IS_LARGER = options.out is not None

torch.set_num_threads(1)
FIXTURES = Path(__file__).resolve().parents[2] / "Tests/Fixtures"
SHAPE = dict(vocab_size=256, hidden_size=64 * SCALE, intermediate_size=172 * SCALE, num_hidden_layers=options.layers or 2,
             num_attention_heads=4 * SCALE, num_key_value_heads=2 * SCALE, max_position_embeddings=512, rms_norm_eps=1e-6,
             bos_token_id=1, eos_token_id=2)
LONG = {**SHAPE, "max_position_embeddings": 8192}
EXPERTS = dict(num_experts=options.experts, num_experts_per_tok=3, moe_intermediate_size=32 * SCALE)
SHARED = dict(shared_expert_intermediate_size=48 * SCALE)
# One layer in four attends; the middle of three linear layers sees state that two others made.
HYBRID = dict(num_hidden_layers=options.layers or 4, head_dim=32, linear_num_key_heads=2 * SCALE,
              linear_num_value_heads=4 * SCALE, linear_key_head_dim=16, linear_value_head_dim=32, linear_conv_kernel_dim=4,
              rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.25))
MROPE = {**HYBRID, "rope_parameters": {**HYBRID["rope_parameters"], "mrope_section": [2, 1, 1], "mrope_interleaved": True}}
VISION = dict(depth=1, hidden_size=16, intermediate_size=16, num_heads=2, out_hidden_size=64 * SCALE, patch_size=4,
              num_position_embeddings=16, in_channels=3, spatial_merge_size=2, temporal_patch_size=2)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64, rope_theta=10000.0)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=10000.0)
STEPS = 32
QWEN2_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                 r"|\s*[\r\n]+|\s+(?!\S)|\s+")
TEXT = ["the miller turns the quern and the quern turns the grain", "a token is a piece of text and a text is a list of tokens",
        "the answer to the question is in the answer", "grinding grain, grinding tokens, one by one by one"]
TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def randomize(model, seed, zero_centred):
    """Weights large enough that logits are far from flat, norms, biases and gates that matter."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            if "norm" in name:
                is_factor = not zero_centred or "linear_attn" in name
                parameter.copy_(float(is_factor) + 0.3 * noise)
            elif name.endswith("A_log"):
                parameter.copy_(noise - 1)     # half of the state forgotten in about 1 to 20 tokens
            elif name.endswith("mlp.gate.weight"):
                parameter.copy_(0.6 / SCALE**0.5 * noise)   # routers that decide clearly, as trained ones do
            elif "conv1d" in name:
                parameter.copy_(0.5 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.2 * noise)
            else:
                parameter.copy_(0.15 / SCALE**0.5 * noise)


def prompt(seed, length):
    torch.manual_seed(seed)
    return torch.randint(0, 256, (1, length))


def greedy(model, tokens):
    """The tokens that follow, and the smallest margin by which one was chosen."""
    found, smallest = tokens, float("inf")
    for _ in range(STEPS):
        top = model(found, use_cache=False).logits[0, -1].float().topk(2)
        smallest = min(smallest, float(top.values[0] - top.values[1]))
        found = torch.cat([found, top.indices[:1][None]], dim=1)
    return found[0, tokens.shape[1]:].tolist(), smallest


def save(name, model, seed, logits=True, zero_centred=False, dtype=torch.bfloat16, extra=None):
    """extra: tensors of parts that transformers does not load, by name; experts are then stored as their publisher does."""
    randomize(model, seed, zero_centred)
    model.to(dtype).eval()
    folder = (options.out or FIXTURES) / name
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if dtype != torch.float32:
        model = type(model).from_pretrained(folder, dtype=torch.float32).eval()     # with tables of full precision
    if extra is not None:
        path = folder / "model.safetensors"
        tensors = {**load_file(path), **{name: value.to(dtype) for name, value in extra.items()}}
        save_file(fused(tensors), path, metadata={"format": "pt"})
    if IS_LARGER or not logits:
        return
    length = 150 if "rope" in name or "yarn" in name else 40
    with torch.no_grad():
        # The first prompt whose completion does not hang on the order of float additions.
        for number in range(seed + 1, seed + 10000, 100):
            tokens = prompt(number, length)
            completion, margin = greedy(model, tokens)
            if margin > 0.004:
                break
        out = model(tokens).logits[0].float()
    keep = range(tokens.shape[1]) if tokens.shape[1] == 40 else [0, 1, 63, 64, 65, 100, 127, 128, 129, 149]
    rows = [[round(x, 5) for x in out[i].tolist()] for i in keep]
    fixture = {"tokens": tokens[0].tolist(), "positions": list(keep), "logits": rows, "completion": completion,
               "margin": round(margin, 5)}
    (FIXTURES / "logits" / f"{name}.json").write_text(json.dumps(fixture, separators=(",", ":")))
    print(name, "spread", round(float(out.max() - out.min()), 2), "margin", round(margin, 5))


def fused(tensors):
    """Experts as Qwen3.5's publisher stores them: stacked, gate above up."""
    result = {name: tensor for name, tensor in tensors.items() if ".experts." not in name}
    for name in [name for name in tensors if ".experts.0.gate_proj" in name]:
        prefix = name.removesuffix("0.gate_proj.weight")

        def stack(projection):
            return torch.stack([tensors[f"{prefix}{i}.{projection}.weight"] for i in range(options.experts)])

        result[prefix + "gate_up_proj"] = torch.cat([stack("gate_proj"), stack("up_proj")], dim=1).contiguous()
        result[prefix + "down_proj"] = stack("down_proj")
    return result


def draft_head(hidden, intermediate, heads, key_heads, head_dim):
    """The tensors of a Qwen3.5 checkpoint's draft layer (MTP)."""
    shapes = {"mtp.fc.weight": (hidden, 2 * hidden), "mtp.norm.weight": (hidden,), "mtp.pre_fc_norm_embedding.weight": (hidden,),
              "mtp.pre_fc_norm_hidden.weight": (hidden,)}
    layer = {"input_layernorm.weight": (hidden,), "post_attention_layernorm.weight": (hidden,),
             "self_attn.q_proj.weight": (2 * heads * head_dim, hidden), "self_attn.k_proj.weight": (key_heads * head_dim, hidden),
             "self_attn.v_proj.weight": (key_heads * head_dim, hidden), "self_attn.o_proj.weight": (hidden, heads * head_dim),
             "self_attn.q_norm.weight": (head_dim,), "self_attn.k_norm.weight": (head_dim,),
             "mlp.gate_proj.weight": (intermediate, hidden), "mlp.up_proj.weight": (intermediate, hidden),
             "mlp.down_proj.weight": (hidden, intermediate)}
    shapes.update({f"mtp.layers.0.{name}": shape for name, shape in layer.items()})
    torch.manual_seed(99)
    return {name: 0.1 * torch.randn(shape) for name, shape in shapes.items()}


def chat_tokenizer(folder):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2_PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=320, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True)
                                  for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    tokenizer.save(str(folder / "tokenizer.json"))
    end = tokenizer.token_to_id("<|im_end|>")
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"chat_template": TEMPLATE, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None}, indent=1))
    (folder / "generation_config.json").write_text(json.dumps(
        {"eos_token_id": [end, tokenizer.token_to_id("<|endoftext|>")], "temperature": 0.7, "top_p": 0.9, "top_k": 20}))


def text(name, config, model, seed, **saving):
    if options.only in (None, name):
        save(name, model(config), seed, **saving)


text("tiny-llama", LlamaConfig(**SHAPE, tie_word_embeddings=False), LlamaForCausalLM, 1, dtype=torch.float32)
text("tiny-llama3rope",
     LlamaConfig(**SHAPE, tie_word_embeddings=True, attention_bias=True, mlp_bias=True, rope_parameters=LLAMA3), LlamaForCausalLM, 2,
     dtype=torch.float32)
text("tiny-yarn", Qwen3Config(**SHAPE, head_dim=32, tie_word_embeddings=True, rope_parameters=YARN), Qwen3ForCausalLM,
     5, dtype=torch.float32)
text("tiny-qwen2", Qwen2Config(**SHAPE, tie_word_embeddings=True), Qwen2ForCausalLM, 3, dtype=torch.float32)
text("tiny-qwen3", Qwen3Config(**SHAPE, head_dim=32, tie_word_embeddings=False), Qwen3ForCausalLM, 4, dtype=torch.float32)
text("tiny-sliding",
     Qwen2Config(**LONG, tie_word_embeddings=True, use_sliding_window=True, sliding_window=11, max_window_layers=1),
     Qwen2ForCausalLM, 7)
text("tiny-qwen2_moe", Qwen2MoeConfig(**{**LONG, "num_hidden_layers": options.layers or 3}, **EXPERTS, **SHARED,
                                      tie_word_embeddings=True, decoder_sparse_step=1, mlp_only_layers=[1]),
     Qwen2MoeForCausalLM, 8)
text("tiny-qwen3_moe", Qwen3MoeConfig(**LONG, **EXPERTS, head_dim=32, tie_word_embeddings=True, norm_topk_prob=True),
     Qwen3MoeForCausalLM, 9)
text("tiny-qwen3_next", Qwen3NextConfig(**{**LONG, **HYBRID}, **EXPERTS, **SHARED, tie_word_embeddings=True),
     Qwen3NextForCausalLM, 10, zero_centred=True)
text("tiny-qwen3_5_text", Qwen3_5TextConfig(**{**LONG, **MROPE}, tie_word_embeddings=True), Qwen3_5ForCausalLM, 11,
     zero_centred=True)
text("tiny-qwen3_5", Qwen3_5Config(text_config={**LONG, **MROPE, "tie_word_embeddings": True}, vision_config=VISION,
                                   tie_word_embeddings=True),
     Qwen3_5ForConditionalGeneration, 12, zero_centred=True,
     extra=draft_head(LONG["hidden_size"], LONG["intermediate_size"], LONG["num_attention_heads"], LONG["num_key_value_heads"],
                      32))
text("tiny-qwen3_5_moe", Qwen3_5MoeConfig(text_config={**LONG, **MROPE, **EXPERTS, **SHARED}, vision_config=VISION),
     Qwen3_5MoeForConditionalGeneration, 13, zero_centred=True, extra={})
text("tiny-seed_oss", SeedOssConfig(**LONG, head_dim=32, attention_bias=True, attention_out_bias=True, tie_word_embeddings=False),
     SeedOssForCausalLM, 14)
if options.only in (None, "tiny-chat"):
    chat = Qwen2ForCausalLM(Qwen2Config(**{**SHAPE, "vocab_size": 384}, tie_word_embeddings=True))
    save("tiny-chat", chat, 6, logits=False, dtype=torch.float32)
    chat_tokenizer((options.out or FIXTURES) / "tiny-chat")
