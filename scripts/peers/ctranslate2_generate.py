#!/usr/bin/env python3
"""Tokens per second of CTranslate2 on a folder that its converter wrote: int8 weights with a scale for each row."""
import json
import random
import time

import ctranslate2
import peer

model, threads = peer.command_line()
generator = ctranslate2.Generator(model, device="cpu", compute_type="int8", inter_threads=1, intra_threads=threads)
vocabulary = json.load(open(f"{model}/vocabulary.json"))


def run(tokens: int, count: int) -> tuple[float, float]:
    prompt = random.choices(vocabulary[:9999], k=tokens)
    start = first = time.perf_counter()
    for step in generator.generate_tokens(prompt, max_length=count, sampling_topk=1, end_token=[]):
        if step.step == 0:
            first = time.perf_counter()
    return first - start, (time.perf_counter() - first) / (count - 1)


peer.report(run)
