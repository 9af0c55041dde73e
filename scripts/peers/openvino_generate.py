#!/usr/bin/env python3
"""Tokens per second of OpenVINO GenAI on a GGUF file: a prompt of random tokens, then greedy tokens, as JSON.

OpenVINO reads the file itself and picks its own precision for arithmetic; its cost of loading is not counted.
"""
import json
import sys

import numpy
import openvino
import openvino_genai

model, threads, generated = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
prompts = [int(size) for size in sys.argv[4:]]
pipeline = openvino_genai.LLMPipeline(model, "CPU", INFERENCE_NUM_THREADS=threads)


def run(tokens: int, count: int) -> tuple[float, float]:
    ids = numpy.random.randint(0, 9999, (1, tokens), dtype=numpy.int64)
    inputs = openvino_genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(numpy.ones_like(ids)))
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens, config.ignore_eos, config.do_sample = count, True, False
    metrics = pipeline.generate(inputs, config).perf_metrics
    return metrics.get_ttft().mean / 1000, metrics.get_tpot().mean / 1000


run(16, 4)
results = [{"kind": "decode", "size": 1, "tokens_per_second": 1 / run(16, generated)[1]}]
for size in prompts:
    results.append({"kind": "prefill", "size": size, "tokens_per_second": size / run(size, 2)[0]})
json.dump(results, sys.stdout)
