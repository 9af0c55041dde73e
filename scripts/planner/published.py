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
    seconds: float          # of the whole request
    device: str
    engine: str | None  # a calibration of the profile
    megabytes: float | None = None      # MiB at the end of the request, where the table has it

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
