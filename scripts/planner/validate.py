#!/usr/bin/env python3
"""Holds the planner against published measurements and prints the tables; --plot writes the picture.

    scripts/planner/validate.py [--rows] [--plot Sources/QuernPlanner/Validation.svg]

Needs: pip install numpy scipy (for the hold-out, which calibrates anew); a release build of quern.
"""
import argparse
import dataclasses
import pathlib
import statistics
import tempfile

import fit
import planner
import published


class Compared:
    """Rows with their predictions."""

    def __init__(self, title, rows, plans, measured=None, predicted=None):
        self.title, self.rows = title, rows
        self.measured = measured or [r.seconds for r in rows]
        ranges = [planner.predicted(r, p) for r, p in zip(rows, plans)]
        self.predicted = predicted or [expected for _, expected, _ in ranges]
        self.inside = sum(low <= r.seconds <= high for r, (low, _, high) in zip(rows, ranges))

    @property
    def errors(self):
        return [p / m - 1 for p, m in zip(self.predicted, self.measured)]

    def line(self, goal):
        sizes = sorted(abs(e) for e in self.errors)
        worst = max(zip(map(abs, self.errors), [r.label for r in self.rows]))
        return (
            f"| {self.title} | {len(sizes)} | {statistics.mean(sizes):.1%} | {statistics.median(sizes):.1%} | "
            f"{sizes[int(0.9 * (len(sizes) - 1))]:.1%} | {worst[0]:.1%} ({worst[1]}) | {self.inside} | {goal} |")

    def detail(self):
        return [
            f"| {r.label} | {m:.2f} | {p:.2f} | {e:+.1%} |"
            for r, m, p, e in zip(self.rows, self.measured, self.predicted, self.errors)
        ]


HEAD = "| rows | number | mean error | median | nine in ten | worst | in the range | goal |\n|---|---:|---:|---:|---:|---|---:|---|"


def speed_tables(configs):
    h20 = published.h20_sglang()
    dense = [r for r in h20 if r.chips == 1]
    wide = [r for r in h20 if r.chips > 1]
    held = [r for r in dense if r.model != "Qwen3-8B"]
    _, path = fit.fit([r for r in dense if r.model == "Qwen3-8B"], fit.holdout_terms(), configs, "fit to Qwen3-8B alone", [fit.ERROR])

    def compare(title, rows, device=None):
        return Compared(title, rows, planner.plans(configs, rows, device=device))

    yield compare("H20, SGLang 0.4.6, dense, one chip", dense), "mean ≤ 5 %, worst ≤ 20 %"
    yield compare("the same, calibrated on Qwen3-8B alone", held, path), "mean ≤ 8 %, worst ≤ 20 %"
    yield compare("H20, SGLang 0.4.6, TP2 to TP8, experts", wide), "≤ 15 %"
    for version in ("0.6.3", "0.4.2"):
        rows = published.a100_vllm(version)
        yield compare(f"A100, vLLM {version}, one to four chips", rows), "mean ≤ 6 %"
    for precision, engine, version in published.H100_ENGINES:
        rows = planner.holding(configs, published.h100_served(precision, engine, version))
        yield compare(f"H100, {engine} {version}, Qwen3-32B {precision} served", rows), "none stated"


def memory_table(configs):
    """Weights and cache, as the table's process held them after the last token."""
    rows = published.h20_memory()
    plans = planner.plans(configs, rows)
    predicted = [(p["memory"]["weights"] + p["memory"]["kv"]) / 2**20 for p in plans]
    return Compared("H20, memory of 8B and 32B, BF16 and FP8 (MiB)", rows, plans, [r.megabytes for r in rows], predicted), "each ≤ 2 %"


def batched_table(configs):
    """Many sequences at once on H20, predicted from tables of single kernels."""
    rows = published.h20_batched()
    lines = ["| H20, batched | measured tok/s a chip | predicted | error |", "|---|---:|---:|---:|"]
    for (row, phase, measured), plan in zip(rows, planner.plans(configs, [r for r, _, _ in rows])):
        rate = plan[phase]["tokens_per_second"]["expected"] / row.chips
        label = f"{row.model} {row.quant} {phase}, {row.batch // row.chips} x {row.input} a chip, {row.chips} chips"
        lines.append(f"| {label} | {measured:.0f} | {rate:.0f} | {rate / measured - 1:+.1%} |")
    return lines


def statement(configs):
    """Qwen3.5-2B on the 810E: what was measured, what its profile predicts, and what 700 GB/s would allow."""
    row = published.Row("Qwen3.5-2B", "BF16", 512, 32, 1, 1, 1, "zhenwu-810e", "vllm-sail-0.23")
    lines = ["| profile | predicted tok/s | measured |", "|---|---:|---|"]
    for device, engine in [("zhenwu-810e", "vllm-sail-0.23"), ("zhenwu-810e-as-stated", None)]:
        plan = planner.plan(configs[row.model], dataclasses.replace(row, device=device, engine=engine))
        rate = plan["decode"]["tokens_per_second"]
        lines.append(f"| {device} | {rate['expected']:.0f} ({rate['low']:.0f}–{rate['high']:.0f}) | 224–273 |")
    return lines


def plot(path, tables):
    """Predicted against measured seconds of every row, logarithmic, with lines at 20 % to either side."""
    import math
    size, left, right, top, bottom = 560, 60, 540, 20, 500
    values = [v for t in tables for v in t.measured + t.predicted]
    low, high = math.log10(min(values)) - 0.05, math.log10(max(values)) + 0.05
    x = lambda v: left + (math.log10(v) - low) / (high - low) * (right - left)
    y = lambda v: bottom - (math.log10(v) - low) / (high - low) * (bottom - top)
    colours = ["#0072B2", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#999999"]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for power in range(math.ceil(low), math.floor(high) + 1):
        v = 10.0**power
        out.append(f'<line x1="{x(v):.1f}" y1="{top}" x2="{x(v):.1f}" y2="{bottom}" stroke="#ddd"/>')
        out.append(f'<line x1="{left}" y1="{y(v):.1f}" x2="{right}" y2="{y(v):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{x(v):.1f}" y="{bottom + 16}" text-anchor="middle">{v:g}</text>')
        out.append(f'<text x="{left - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{v:g}</text>')
    first, last = 10**low, 10**high
    for factor, dash in [(1, ""), (1.2, ' stroke-dasharray="4 4"'), (1 / 1.2, ' stroke-dasharray="4 4"')]:
        start, end = max(first, first / factor), min(last, last / factor)
        out.append(
            f'<line x1="{x(start):.1f}" y1="{y(start * factor):.1f}" x2="{x(end):.1f}" y2="{y(end * factor):.1f}" stroke="#888"{dash}/>')
    for table, colour in zip(tables, colours):
        for m, p in zip(table.measured, table.predicted):
            out.append(f'<circle cx="{x(m):.1f}" cy="{y(p):.1f}" r="2.5" fill="{colour}" fill-opacity="0.7"/>')
    for index, (table, colour) in enumerate(zip(tables, colours)):
        out.append(f'<circle cx="{left + 14}" cy="{top + 14 + 18 * index}" r="4" fill="{colour}"/>')
        out.append(f'<text x="{left + 24}" y="{top + 18 + 18 * index}">{table.title}</text>')
    out.append(f'<text x="{(left + right) / 2}" y="{bottom + 36}" text-anchor="middle">measured seconds of a request, or of a token where served</text>')
    out.append(f'<text x="16" y="{(top + bottom) / 2}" text-anchor="middle" transform="rotate(-90 16 {(top + bottom) / 2})">predicted</text>')
    pathlib.Path(path).write_text("\n".join(out + ["</svg>"]) + "\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", action="store_true", help="print every row")
    arguments.add_argument("--plot", help="write predicted against measured as SVG")
    options = arguments.parse_args()
    configs = published.configs(tempfile.mkdtemp())
    tables = list(speed_tables(configs))
    print(HEAD)
    for table, goal in tables + [memory_table(configs)]:
        print(table.line(goal))
    for lines in (batched_table(configs), statement(configs)):
        print("\n" + "\n".join(lines))
    if options.rows:
        for table, _ in tables:
            print(f"\n{table.title}\n\n| row | measured s | predicted s | error |\n|---|---:|---:|---:|")
            print("\n".join(table.detail()))
    if options.plot:
        plot(options.plot, [t for t, _ in tables])


if __name__ == "__main__":
    main()
