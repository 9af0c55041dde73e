#!/usr/bin/env python3
"""Tiny random checkpoints of every architecture, and their logits by transformers in float32.

usage: tiny_checkpoints.py

Writes Tests/Fixtures/tiny-*/ (safetensors, config.json) and Tests/Fixtures/logits/*.json. tiny-chat also gets a
byte-level BPE tokenizer trained on the text below and a small ChatML template.
"""
import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

torch.set_num_threads(1)
FIXTURES = Path(__file__).resolve().parents[2] / "Tests/Fixtures"
SHAPE = dict(vocab_size=256, hidden_size=64, intermediate_size=172, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-6, bos_token_id=1, eos_token_id=2)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64, rope_theta=10000.0)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=10000.0)
QWEN2_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                 r"|\s*[\r\n]+|\s+(?!\S)|\s+")
TEXT = ["the miller turns the quern and the quern turns the grain", "a token is a piece of text and a text is a list of tokens",
        "the answer to the question is in the answer", "grinding grain, grinding tokens, one by one by one"]
TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def randomize(model, seed):
    """Weights large enough that logits are far from flat, norms and biases that matter."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.copy_(1 + 0.3 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.2 * torch.randn_like(parameter))
            else:
                parameter.copy_(0.15 * torch.randn_like(parameter))


def save(name, model, seed, logits=True):
    randomize(model, seed)
    model.eval()
    folder = FIXTURES / name
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if not logits:
        return
    torch.manual_seed(seed + 1)
    tokens = torch.randint(0, 256, (1, 150 if "rope" in name or "yarn" in name else 40))
    with torch.no_grad():
        out = model(tokens).logits[0].float()
    keep = range(tokens.shape[1]) if tokens.shape[1] == 40 else [0, 1, 63, 64, 65, 100, 127, 128, 129, 149]
    rows = [[round(x, 5) for x in out[i].tolist()] for i in keep]
    fixture = {"tokens": tokens[0].tolist(), "positions": list(keep), "logits": rows}
    (FIXTURES / "logits" / f"{name}.json").write_text(json.dumps(fixture, separators=(",", ":")))
    print(name, "spread", float(out.max() - out.min()))


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


save("tiny-llama", LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=False)), 1)
save("tiny-llama3rope", LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=True, attention_bias=True, mlp_bias=True,
                                                     rope_parameters=LLAMA3)), 2)
save("tiny-yarn", Qwen3ForCausalLM(Qwen3Config(**SHAPE, head_dim=32, tie_word_embeddings=True, rope_parameters=YARN)), 5)
save("tiny-qwen2", Qwen2ForCausalLM(Qwen2Config(**SHAPE, tie_word_embeddings=True)), 3)
save("tiny-qwen3", Qwen3ForCausalLM(Qwen3Config(**SHAPE, head_dim=32, tie_word_embeddings=False)), 4)
chat = Qwen2ForCausalLM(Qwen2Config(**{**SHAPE, "vocab_size": 384}, tie_word_embeddings=True))
save("tiny-chat", chat, 6, logits=False)
chat_tokenizer(FIXTURES / "tiny-chat")
