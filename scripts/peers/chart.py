#!/usr/bin/env python3
"""A chart of a file that bench-peers.sh wrote: each load's rates side by side, as multiples of llama.cpp's.

usage: chart.py RESULTS.json CHART.svg
"""
import json
import statistics
import sys
from html import escape

# By their names in the file; those that run batches are first and last.
OTHERS = {"openvino": "OpenVINO GenAI", "onnxruntime": "onnxruntime-genai", "ctranslate2": "CTranslate2"}
ENGINES = list(zip(("quern int8", *OTHERS.values(), "llama.cpp Q8_0"), ("#1f6f5c", "#9a8c5a", "#b58b9b", "#7d86b8", "#8a9aa8")))
LEFT, BAR, GAP, WIDTH, TOP = 150, 16, 12, 760, 64


def engines(row: dict) -> list:
    """Of each engine the median rate and, with the passes' own ratios, the median multiple of llama.cpp's."""
    runs = [row["quern"]["int8"], *(row.get(name) or [] for name in OTHERS), row["llama"]]
    return [
        (statistics.median(rates), statistics.median(a / b for a, b in zip(rates, row["llama"]))) if rates else None
        for rates in runs
    ]


def chart(result: dict) -> str:
    rows = result["rows"]
    scale = (WIDTH - LEFT - 120) / max(found[1] for row in rows for found in engines(row) if found)
    parts, y = [], TOP
    for row in rows:
        name = f"prompt of {row['size']}" if row["kind"] == "prefill" else f"decode, batch {row['size']}"
        shown = [(*found, colour) for found, (_, colour) in zip(engines(row), ENGINES) if found]
        parts.append(f'<text x="{LEFT - 10}" y="{y + len(shown) * BAR / 2 + 4:.0f}" text-anchor="end">{escape(name)}</text>')
        for rate, ratio, colour in shown:
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{ratio * scale:.1f}" height="{BAR - 3}" fill="{colour}"/>')
            parts.append(f'<text x="{LEFT + ratio * scale + 6:.1f}" y="{y + BAR - 5}">{rate:.0f} tok/s, {ratio:.2f} ×</text>')
            y += BAR
        y += GAP
    used = [engine for index, engine in enumerate(ENGINES) if any(engines(row)[index] for row in rows)]
    legend = "".join(
        f'<rect x="{12 + 145 * i}" y="36" width="12" height="12" fill="{colour}"/>'
        f'<text x="{12 + 145 * i + 18}" y="46">{escape(name)}</text>' for i, (name, colour) in enumerate(used))
    title = f"{result['model']}, {result['threads']} threads, {result['processor']} ({result['instruction_set']}), {result['date']}"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 8}" font-family="sans-serif" font-size="12" '
            f'fill="#222"><rect width="100%" height="100%" fill="#fff"/><text x="12" y="22" font-size="14">{escape(title)}</text>'
            f'{legend}{"".join(parts)}</svg>\n')


if __name__ == "__main__":
    open(sys.argv[2], "w").write(chart(json.load(open(sys.argv[1]))))
