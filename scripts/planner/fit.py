#!/usr/bin/env python3
"""Fits the calibrated terms of device profiles to published speed tables.

A request's time is linear in the inverse rates (Sources/QuernPlanner/Plan/StepModel.swift), and `quern plan --json` prints
the work behind each term, so a fit is a linear program: least mean of |predicted / measured - 1|, every rate at most its
physical peak. Where the planner chooses the longer of two parts the choice depends on the rates; planning and fitting
alternate until they agree.

    scripts/planner/fit.py            print the sections
    scripts/planner/fit.py --write    replace them in Sources/QuernPlanner/Profiles

Needs: pip install numpy scipy; a release build of quern.
"""
import argparse
import pathlib
import re
import tempfile

import numpy as np
from scipy.optimize import linprog

import planner
import published

PROFILES = published.REPOSITORY / "Sources" / "QuernPlanner" / "Profiles"
TIMES = ("overhead", "overhead.eager", "latency")


class Term:
    """One line of an engine's section: bounds for the fit, or a value taken from elsewhere."""

    def __init__(self, key, unit, peak=None, fixed=None, source=None, shares=None):
        self.key, self.unit, self.peak, self.fixed, self.source = key, unit, peak, fixed, source
        self.shares = shares or []      # further keys that have this term's value
        self.is_time = key.endswith(TIMES)

    @property
    def start(self):
        """Where the alternation begins; eager steps as host-bound, or they would never count as that."""
        if self.fixed is not None:
            return self.fixed
        return 1000 if self.key.endswith("eager") else 50 if self.is_time else self.peak / 2

    # What one unit is in the planner's base units.
    FACTORS = {"TB/s": 1e12, "GB/s": 1e9, "TFLOPS": 1e12, "us": 1e-6, "%": 0.01, "": 1}

    def coefficient(self, items):
        """Seconds per unit of the unknown: a time in units, or an inverse rate in 1/units."""
        amount = sum(i["amount"] for i in items if i["term"] in [self.key] + self.shares)
        return amount * self.FACTORS[self.unit] if self.is_time else amount / self.FACTORS[self.unit]

    def bounds(self):
        if self.fixed is not None:
            value = self.fixed if self.is_time else 1 / self.fixed
            return (value, value)
        return (0, None) if self.is_time else (1 / self.peak, None)

    def value(self, unknown):
        return unknown if self.is_time else 1 / unknown


def solve(matrix, seconds, bounds, worst=0.02):
    """Least mean error plus `worst` times the greatest, both relative."""
    count, unknowns = matrix.shape
    relative = matrix / seconds[:, None]
    eye, zero = np.eye(count), np.zeros((count, 1))
    upper = np.block([
        [relative, -eye, zero], [-relative, -eye, zero], [np.zeros((count, unknowns)), eye, -np.ones((count, 1))],
    ])
    limit = np.r_[np.ones(count), -np.ones(count), np.zeros(count)]
    cost = np.r_[np.zeros(unknowns), np.ones(count) / count, worst]
    return linprog(cost, A_ub=upper, b_ub=limit, bounds=bounds + [(0, None)] * (count + 1)).x[:unknowns]


def section(engine, terms, values, source, extra):
    lines = [f"[engine {engine}]"] + list(extra)
    for term, value in zip(terms, values):
        value = max(value, 1e-3)    # a time that the rows do not show; left out, a default would take its place
        by = term.source or source
        how = "derived" if term.fixed is None else "read"
        for key in [term.key] + term.shares:
            lines.append(f"{key} = {value:.4g}{' ' if term.unit else ''}{term.unit} ; {how} ; {by}")
    return "\n".join(lines) + "\n"


def head(device):
    return re.split(r"\n(?:#[^\n]*\n)*\[engine ", (PROFILES / f"{device}.profile").read_text())[0]


def fit(rows, terms, configs, source, extra=(), rounds=8):
    """Alternates plans and linear programs; returns the section's text and the profile's path holding it alone."""
    row = rows[0]
    folder = pathlib.Path(tempfile.mkdtemp())
    path = folder / f"{row.device}.profile"
    values = [term.start for term in terms]
    seconds = np.array([r.seconds for r in rows])
    known = {key for term in terms for key in [term.key] + term.shares}
    best = None
    for _ in range(rounds):
        text = section(row.engine, terms, values, source, extra)
        path.write_text(head(row.device) + "\n\n" + text)
        answers = planner.plans(configs, rows, device=path)
        errors = np.abs(np.array([planner.predicted(r, a)[1] for r, a in zip(rows, answers)]) / seconds - 1)
        if best is None or errors.mean() < best[0]:
            best = (errors.mean(), values)
        items = [planner.terms(r, a) for r, a in zip(rows, answers)]
        matrix = np.array([[term.coefficient(i) for term in terms] for i in items])
        rest = np.array([sum(i["seconds"] for i in one if i["term"] not in known) for one in items])
        assert (rest < seconds * 1e-3).all(), "a term of the plans is not fitted"
        new = [term.value(x) for term, x in zip(terms, solve(matrix, seconds, [t.bounds() for t in terms]))]
        if np.allclose(new, values, rtol=1e-3):
            break
        values = new
    text = section(row.engine, terms, best[1], source, extra)
    path.write_text(head(row.device) + "\n\n" + text)
    return text, path


ERROR = "error = 10 % ; derived ; nine rows in ten of scripts/planner/validate.py lie within"
H20_TABLE = "fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py"
H20_KERNELS = "alibaba/InferSim@f2293da bench_data/gemm/h20: m=16 as bytes / 1.93 TB/s + 4.6 us"


def h20_terms():
    return [
        Term("layer.overhead", "us"),
        Term("kernel.bf16.read", "TB/s", 4.0), Term("kernel.fp8.read", "TB/s", 4.0), Term("kernel.int8.read", "TB/s", 4.0),
        Term("kernel.int4.read", "TB/s", 4.0), Term("kernel.int8.overhead", "us"),
        Term("kernel.bf16.compute", "TFLOPS", 148), Term("kernel.fp8.compute", "TFLOPS", 296),
        Term("kernel.int4.compute", "TFLOPS", 148, shares=["kernel.int8.compute"]),
        # SGLang takes FlashInfer's tensor-core kernel from four query heads per key head on, its other kernel below.
        Term("attention.read", "TB/s", 4.0), Term("attention.read.grouped", "TB/s", 4.0),
        Term("attention.compute", "TFLOPS", 148),
    ]


def h20_expert_terms(dense):
    """On top of the dense terms: experts' kernels, and all-reduces between chips."""
    return dense + [
        Term("experts.overhead", "us"), Term("kernel.experts-bf16.read", "TB/s", 4.0), Term("kernel.experts-fp8.read", "TB/s", 4.0),
        Term("kernel.experts-bf16.compute", "TFLOPS", 148), Term("kernel.experts-fp8.compute", "TFLOPS", 296),
        Term("link.latency", "us"), Term("link.bandwidth", "GB/s", 450),
    ]


def holdout_terms():
    """What Qwen3-8B alone identifies. Two of its unknowns cannot be told apart by one model, and two never occur in it:
    those are taken from measurements of the kernels themselves, which know nothing of the table."""
    return [
        Term("layer.overhead", "us"), Term("kernel.bf16.read", "TB/s", 4.0),
        Term("kernel.fp8.read", "TB/s", fixed=1.93, source=H20_KERNELS),
        # Marlin kernels unpack 4 and 8 bits alike; 8-bit rows exist only of models that are not calibrated on.
        Term("kernel.int4.read", "TB/s", 4.0, shares=["kernel.int8.read"]),
        Term("kernel.bf16.compute", "TFLOPS", 148),
        Term("kernel.fp8.compute", "TFLOPS", fixed=275, source="alibaba/InferSim@f2293da bench_data/gemm/h20: 93 % of peak from 4096 tokens on"),
        Term("kernel.int4.compute", "TFLOPS", 148, shares=["kernel.int8.compute"]),
        Term("attention.read", "TB/s", fixed=2.8, source="alibaba/InferSim@f2293da: FlashInfer decode attention, 2.7-3.0 TB/s"),
        Term("attention.read.grouped", "TB/s", 4.0), Term("attention.compute", "TFLOPS", 148),
    ]


def h100_terms(precision):
    peak = 1978 if precision == "fp8" else 989
    extra = [] if precision == "bf16" else [Term("kernel.bf16.read", "TB/s", 3.35), Term("kernel.bf16.compute", "TFLOPS", 989)]
    return [
        Term("layer.overhead", "us"), Term(f"kernel.{precision}.read", "TB/s", 3.35),
        Term(f"kernel.{precision}.compute", "TFLOPS", peak), Term("attention.read.grouped", "TB/s", 3.35),
        Term("attention.compute", "TFLOPS", 989), Term("link.latency", "us"), Term("link.bandwidth", "GB/s", 450),
    ] + extra


def a100_terms(version):
    terms = [
        Term("layer.overhead", "us"), Term("kernel.bf16.read", "TB/s", 2.039), Term("kernel.int8.read", "TB/s", 2.039),
        Term("kernel.int4.read", "TB/s", 2.039), Term("kernel.int8.overhead", "us", shares=["kernel.int4.overhead"]),
        Term("kernel.bf16.compute", "TFLOPS", 312), Term("kernel.int8.compute", "TFLOPS", 312, shares=["kernel.int4.compute"]),
        Term("attention.read.grouped", "TB/s", 2.039), Term("attention.compute", "TFLOPS", 312),
        Term("link.latency", "us"), Term("link.bandwidth", "GB/s", 300),
    ]
    if version == "0.4.2":
        terms += [
            Term("layer.overhead.eager", "us"), Term("kernel.awq.read", "TB/s", 2.039), Term("kernel.awq.overhead", "us"),
            Term("kernel.awq.compute", "TFLOPS", 312),
        ]
    return terms


def replace(device, engine, text):
    """Puts the section where the engine's was, comments above it kept, or at the end."""
    path = PROFILES / f"{device}.profile"
    blocks = re.split(r"\n(?=\[engine )", path.read_text())
    for index, block in enumerate(blocks):
        if block.startswith(f"[engine {engine}]"):
            # What follows the facts after an empty line is the next engine's comment.
            rest = block.split("\n\n", 1)[1:]
            blocks[index] = "\n".join([text] + rest)
            break
    else:
        blocks[-1] = blocks[-1].rstrip("\n") + "\n"
        blocks.append(text)
    path.write_text("\n".join(blocks))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    configs = published.configs(tempfile.mkdtemp())
    for device, engine, text in sections(configs):
        print(text)
        if options.write:
            replace(device, engine, text)


def fixed_from(text, terms):
    """The terms with the values of a section, so that a second fit leaves them alone."""
    values = {line.split(" = ")[0]: float(line.split(" = ")[1].split(" ")[0]) for line in text.splitlines() if " = " in line}
    return [
        Term(t.key, t.unit, t.peak, fixed=values[t.key], source=H20_TABLE, shares=t.shares) for t in terms if t.key in values
    ]


def sections(configs):
    rows = published.h20_sglang()
    dense = [r for r in rows if r.chips == 1]
    error = [ERROR]
    text, _ = fit(dense, h20_terms(), configs, H20_TABLE)
    text, _ = fit([r for r in rows if r.chips > 1], h20_expert_terms(fixed_from(text, h20_terms())), configs, H20_TABLE, error)
    yield "h20-96gb", "sglang-0.4.6", text.replace(" ; read ; " + H20_TABLE, " ; derived ; " + H20_TABLE)
    for version, page in [("0.6.3", "f4d356c^"), ("0.4.2", "4da996c")]:
        source = f"fit to vLLM {version} rows of the speed page (QwenLM/Qwen3@{page}), scripts/planner/fit.py"
        extra = list(error)
        if version == "0.4.2":
            extra.append("graph.limit = 8192 ; recalled ; vLLM's default for captured graphs at that version")
        text, _ = fit(published.a100_vllm(version), a100_terms(version), configs, source, extra)
        yield "a100-80gb", f"vllm-{version}", text
    for precision, engine, version in published.H100_ENGINES:
        source = f"fit to {engine} {version} rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py"
        rows = planner.holding(configs, published.h100_served(precision, engine, version))
        text, _ = fit(rows, h100_terms(precision), configs, source, ["error = 16 % ; derived ; nine rows in ten of scripts/planner/validate.py lie within"])
        yield "h100", f"{engine}-{version}", text


if __name__ == "__main__":
    main()
