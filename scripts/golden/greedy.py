#!/usr/bin/env python3
"""Greedy completions of the real checkpoints by transformers in float32, from their dequantised GGUF weights.

usage: greedy.py MODELS_FOLDER

Writes Tests/Fixtures/greedy/*.json: prompts as token ids, 64 completion ids, and the smallest margin between the first
and the second logit over the 64 steps, which must be far above what the order of float additions can change.
"""
import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

torch.set_num_threads(2)
FIXTURES = Path(__file__).resolve().parents[2] / "Tests/Fixtures/greedy"
MODELS = {"qwen2.5-coder-0.5b": "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", "smollm2-135m": "SmolLM2-135M-Instruct.Q4_1.gguf"}
PROMPTS = [
    "Write a Python function that returns the n-th Fibonacci number.", "Explain in simple words why the sky is blue.",
    "Count from 1 to 20 and name the prime numbers.", "Translate 'Good morning, my friend' into French, German and Spanish.",
    "Write a short story about a hand mill that grinds words.", "What is the difference between a list and a tuple in Python?",
    "List five animals that live in the sea and describe each.", "Write a SQL query that counts the rows of a table by month.",
]
STEPS = 64
KEEP = 3


def complete(model, ids):
    """Greedy tokens and the smallest first-to-second margin."""
    tokens, smallest, past = list(ids), float("inf"), None
    with torch.no_grad():
        for step in range(STEPS):
            out = model(torch.tensor([tokens if past is None else tokens[-1:]]), past_key_values=past, use_cache=True)
            past = out.past_key_values
            top = out.logits[0, -1].float().topk(2)
            smallest = min(smallest, float(top.values[0] - top.values[1]))
            tokens.append(int(top.indices[0]))
    return tokens[len(ids):], smallest


folder = Path(sys.argv[1])
FIXTURES.mkdir(parents=True, exist_ok=True)
for name, file in MODELS.items():
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
    found = []
    for text in PROMPTS:
        ids = tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False)
        completion, margin = complete(model, ids)
        found.append({"text": text, "prompt_ids": ids, "completion_ids": completion, "margin": round(margin, 6)})
        print(name, f"{margin:.5f}", repr(tokenizer.decode(completion)[:70]), flush=True)
    found.sort(key=lambda item: -item["margin"])
    (FIXTURES / f"{name}.json").write_text(json.dumps({"prompts": found[:KEEP]}, indent=1))
