"""Published speed tables as rows a planner can be held to, with what is left out and why.

The tables are read from QUERN_SHARED (else ../shared/data); none of their rows is kept in the repository.
"""
import csv
import dataclasses
import json
import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("QUERN_SHARED", REPOSITORY.parent / "shared" / "data")) / "devices"

# The tables' names for weights, as `quern plan --precision` has them.
PRECISIONS = {
    "BF16": "bf16", "FP8": "fp8", "GPTQ-Int8": "int8", "GPTQ-INT8": "int8", "GPTQ-Int4": "int4", "GPTQ-INT4": "int4",
    "AWQ": "int4", "AWQ-INT4": "int4",
}


@dataclasses.dataclass(frozen=True)
class Row:
    model: str
    quant: str
    input: int
    output: int
    batch: int
    chips: int
    seconds: float          # of the whole request, if not served
    device: str
    engine: str | None  # a calibration of the profile
    megabytes: float | None = None      # MiB at the end of the request, where the table has it
    served: bool = False    # `seconds` lie between two tokens under continuous batching

    @property
    def precision(self):
        # vLLM 0.4.2 multiplies AWQ in kernels of its own; later engines take one kernel for all 4-bit weights.
        return "awq" if self.quant == "AWQ" and self.engine == "vllm-0.4.2" else PRECISIONS[self.quant]

    @property
    def label(self):
        return f"{self.model} {self.quant} {self.input}" + (f" TP{self.chips}" if self.chips > 1 else "")


def configs(folder):
    """Writes the configurations the rows need to `folder`, one file a model; returns their paths by name."""
    paths = {}
    for name, config in json.loads((SHARED / "configs.json").read_text()).items():
        # Qwen2 has Qwen2.5's shapes in the sizes compared here; prose in a flag's place is not configuration.
        plain = {k: v for k, v in config.items() if not k.startswith("_") and k != "attention_bias"}
        path = pathlib.Path(folder) / f"{name.replace(' ', '-').replace('(', '').replace(')', '')}.json"
        path.write_text(json.dumps(plain))
        paths[name] = path
    return paths


def read(name):
    with open(SHARED / name, newline="") as file:
        return list(csv.DictReader(file))


def h20_sglang():
    """Qwen3 on H20, SGLang 0.4.6.post1, batch 1; speed is (prompt + generated) / time.

    Left out: 4-bit GPTQ of the 235B, whose fused experts run at a fifth of the others' rate for no stated reason.
    """
    rows = []
    for row in read("qwen_speed_h20.csv"):
        if row["engine"] != "SGLang" or ("235B" in row["model"] and row["quant"] == "GPTQ-INT4"):
            continue
        n, m = int(row["input_len"]), int(row["output_len"])
        rows.append(Row(
            row["model"], row["quant"], n, m, 1, int(row["gpu_num"]), (n + m) / float(row["speed_tok_s"]), "h20-96gb",
            "sglang-0.4.6"))
    return rows


def h20_memory():
    """The memory column of the same page: Transformers rows of the sizes and formats in which it is weights and KV alone.

    Left out: 0.6B and 1.7B, whose FP8 rows hold a second head and whose BF16 rows are mostly framework; AWQ, whose slope
    is 12 % above the cache's for temporary copies.
    """
    rows = []
    for row in read("qwen_speed_h20.csv"):
        if row["engine"] != "Transformers" or row["model"] not in ("Qwen3-8B", "Qwen3-32B") or row["quant"] not in ("BF16", "FP8"):
            continue
        rows.append(Row(
            row["model"], row["quant"], int(row["input_len"]), int(row["output_len"]), 1, 1, 1, "h20-96gb", "sglang-0.4.6",
            float(row["gpu_mem_mb"])))
    return rows


def a100_vllm(version):
    """Qwen2.5 (vLLM 0.6.3) or Qwen2 (0.4.2) on A100 80GB, batch 1; speed is generated / time.

    Left out: rows the page marks as measured with another version (0.6.2) or sampler setting; the 72B in 4 bits on a single
    card with 0.6.3, at half of any fit; the 57B with experts, whose configuration is not at hand; rows printed twice.
    """
    rows = {}
    for row in read("qwen_speed_a100.csv"):
        if row["engine_version"] != f"vLLM {version}" or "57B" in row["model"]:
            continue
        if "vllm==0.6.2" in row["note"] or row["note"] == "Setting 5":
            continue
        if version == "0.6.3" and "72B" in row["model"] and row["quant"] == "GPTQ-Int4" and row["gpu_num"] == "1":
            continue
        model = row["model"].replace("-Instruct", "").replace("Qwen2-", "Qwen2.5-")
        n, m = int(row["input_len"]), int(row["output_len"])
        made = Row(model, row["quant"], n, m, 1, int(row["gpu_num"]), m / float(row["speed_tok_s"]), "a100-80gb", f"vllm-{version}")
        rows[made] = made
    return list(rows)


def h20_batched():
    """Batched SGLang on H20 as InferSim's README has it: (row, phase, tokens per second of one chip).

    Four chips of the 30B serve attention apart and experts together; a tensor-parallel plan over the same four with all
    their sequences moves the same bytes.
    """
    rows = []
    for row in read("other_measured.csv"):
        if row["hardware"] != "NVIDIA H20 96GB" or row["engine"] != "SGLang" or "InferSim" not in row["source"]:
            continue
        chips = int(row["gpus"])
        phase = "decode" if row["phase"].startswith("decode") else "prefill"
        batch = (int(row["batch"]) if phase == "decode" else 4) * chips
        made = Row(
            row["model"], row["quant"], int(row["input_len"]), int(row["output_len"]) or 1, batch, chips, 1, "h20-96gb",
            "sglang-batched")
        rows.append((made, phase, float(row["value"])))
    return rows


# Precision, engine and version of the measured Qwen3-32B.
H100_ENGINES = [("bf16", "vllm", "0.12.0"), ("bf16", "sglang", "0.5.1.post1"), ("fp8", "trtllm", "1.0.0rc3")]


def h100_served(precision, engine, version):
    """Time per token of Qwen3-32B under continuous batching on H100, from AIConfigurator's measurements."""
    rows = []
    for row in read("aic_silicon_sample.csv"):
        wanted = (row["model_path"], row["system"], row["backend"], row["backend_version"], row["mode"])
        stated = "fp8" if precision == "fp8" else ""
        if wanted != ("Qwen/Qwen3-32B", "h100_sxm", engine, version, "agg") or row["precision"] != stated:
            continue
        rows.append(Row(
            "Qwen3-32B", precision.upper(), int(row["isl"]), int(row["osl"]), int(row["batch_size"]),
            int(row["tp_size"]), float(row["silicon_tpot_ms"]) / 1000, "h100", f"{engine}-{version}", served=True))
    return rows
