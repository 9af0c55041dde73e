#!/usr/bin/env python3
"""Tokens per second of OpenVINO GenAI on a GGUF file, which it reads itself; it picks its own precision for arithmetic."""
import numpy
import openvino
import openvino_genai
import peer

model, threads = peer.command_line()
pipeline = openvino_genai.LLMPipeline(model, "CPU", INFERENCE_NUM_THREADS=threads)


def run(tokens: int, count: int) -> tuple[float, float]:
    ids = numpy.random.randint(0, 9999, (1, tokens), dtype=numpy.int64)
    inputs = openvino_genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(numpy.ones_like(ids)))
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens, config.ignore_eos, config.do_sample = count, True, False
    metrics = pipeline.generate(inputs, config).perf_metrics
    return metrics.get_ttft().mean / 1000, metrics.get_tpot().mean / 1000


peer.report(run)
