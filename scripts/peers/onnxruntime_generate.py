#!/usr/bin/env python3
"""Tokens per second of onnxruntime-genai on a folder that its own builder wrote."""
import json
import time

import numpy
import onnxruntime_genai
import peer

model, threads = peer.command_line()
# The number of threads is read from the folder's configuration.
path = f"{model}/genai_config.json"
config = json.load(open(path))
config["model"]["decoder"]["session_options"]["intra_op_num_threads"] = threads
json.dump(config, open(path, "w"), indent=1)
loaded = onnxruntime_genai.Model(model)


def run(tokens: int, count: int) -> tuple[float, float]:
    options = onnxruntime_genai.GeneratorParams(loaded)
    options.set_search_options(max_length=tokens + count, min_length=tokens + count, do_sample=False)
    generator = onnxruntime_genai.Generator(loaded, options)
    ids = numpy.random.randint(0, 9999, (1, tokens)).astype(numpy.int32)
    start = time.perf_counter()
    generator.append_tokens(ids)
    generator.generate_next_token()
    first = time.perf_counter()
    for _ in range(count - 1):
        generator.generate_next_token()
    return first - start, (time.perf_counter() - first) / (count - 1)


peer.report(run)
