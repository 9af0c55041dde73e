#!/usr/bin/env python3
"""Writes Tests/Fixtures/block_formats.json: random blocks of every GGUF format quern reads, and their values.

The blocks are ours (a fixed seed); the values come from the reference dequantisation of the `gguf` package, which follows
ggml-quants.c operation by operation. Both are hex: the values as little-endian float32, so that tests compare bits.

Needs: pip install gguf numpy
"""
import json
import pathlib

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants

# Bytes per block and where its half-precision fields lie.
FORMATS = {
    Type.F32: (4, []), Type.F16: (2, []), Type.BF16: (2, []),
    Type.Q4_0: (18, [0]), Type.Q4_1: (20, [0, 2]), Type.Q5_0: (22, [0]), Type.Q5_1: (24, [0, 2]), Type.Q8_0: (34, [0]),
    Type.Q4_K: (144, [0, 2]), Type.Q5_K: (176, [0, 2]), Type.Q6_K: (210, [208]),
}
PLAIN_COUNT = 64
BLOCK_COUNT = 3


def blocks(kind, rng):
    size, halves = FORMATS[kind]
    if not halves:
        count = PLAIN_COUNT
        if kind == Type.F32:
            return rng.standard_normal(count).astype("<f4").view(np.uint8)
        # Every class of half precision; NaN is left out, its payload is nobody's promise.
        bits = rng.integers(0, 1 << 16, count).astype("<u2")
        exponent = 0x7C00 if kind == Type.F16 else 0x7F80
        bits = np.where(bits & exponent == exponent, bits & 0x8000 | exponent, bits).astype("<u2")
        bits[:6] = [0, 0x8000, 1, 0x8001, 0x03FF, 0x0400]
        return bits.view(np.uint8)
    data = rng.integers(0, 256, (BLOCK_COUNT, size)).astype(np.uint8)
    for row in data:
        for offset in halves:
            row[offset:offset + 2] = np.frombuffer(np.float16(rng.standard_normal() * 0.02).tobytes(), np.uint8)
    return data.reshape(-1)


def main():
    rng = np.random.default_rng(20240229)
    cases = []
    for kind in FORMATS:
        data = blocks(kind, rng)
        if kind == Type.F16:
            values = data.view("<f2").astype("<f4")
        elif kind == Type.BF16:
            values = (data.view("<u2").astype("<u4") << 16).view("<f4")
        else:
            values = quants.dequantize(data.reshape(1, -1), kind)
        values = np.ascontiguousarray(values, dtype="<f4").reshape(-1)
        cases.append({"type": kind.name, "blocks": data.tobytes().hex(), "values": values.tobytes().hex()})
    target = pathlib.Path(__file__).resolve().parents[2] / "Tests" / "Fixtures" / "block_formats.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
