#!/usr/bin/env python3
"""The tiny checkpoints as llama.cpp converts them: Tests/Fixtures/gguf/*.gguf, for comparing with the same logits.

usage: gguf_checkpoints.py LLAMA_CPP [NAME ...]

LLAMA_CPP is a source folder of llama.cpp (last made with that of llama_cpp_python 0.3.36 from PyPI). Weights are kept in BF16,
which holds those of the checkpoints exactly. There is no tokenizer inside.
"""
import sys
from pathlib import Path

root = Path(sys.argv[1])
sys.path[:0] = [str(root), str(root / "gguf-py")]

import gguf  # noqa: E402
import torch  # noqa: E402
from conversion import get_model_class  # noqa: E402
from conversion.base import ModelBase  # noqa: E402

FIXTURES = Path(__file__).resolve().parents[2] / "Tests/Fixtures"
NAMES = sys.argv[2:] or ["tiny-qwen3_moe", "tiny-qwen3_next", "tiny-qwen3_5", "tiny-qwen3_5_moe", "tiny-seed_oss"]

(FIXTURES / "gguf").mkdir(exist_ok=True)
for name in NAMES:
    folder = FIXTURES / name
    converter = get_model_class(ModelBase.load_hparams(folder, False)["architectures"][0])
    converter.set_vocab = lambda self: self._set_vocab_none()
    converter.no_mtp = b'"mtp.' not in (folder / "model.safetensors").read_bytes()
    with torch.inference_mode():
        converter(folder, gguf.LlamaFileType.MOSTLY_BF16, FIXTURES / "gguf" / f"{name}.gguf", model_name=name).write()
