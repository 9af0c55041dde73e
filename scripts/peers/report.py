#!/usr/bin/env python3
"""From the passes of bench-peers.sh to a table on stdout, a JSON file with every figure, and a chart beside it.

usage: report.py FOLDER PASSES MODEL THREADS ISA JSON REVISION ENGINE=VERSION...

Ratios are medians of each pass's own, because the machine changes between passes.
"""
import datetime
import glob
import json
import os
import re
import statistics
import sys

from chart import OTHERS, chart

PRECISIONS = ("int8", "int8-fast")
folder, passes, model, threads, isa, out, revision, *versions = sys.argv[1:]
quern, peers, share, walls = {p: {} for p in PRECISIONS}, {name: {} for name in ("llama", *OTHERS)}, {}, []


def read_quern(number: int) -> dict:
    report = {}
    for precision in PRECISIONS:
        for path in sorted(glob.glob(f"{folder}/quern-{number}-{precision}-[0-9]*.json")):
            report = json.load(open(path))
            walls.append(report["walls"])
            for r in report["results"]:
                key = (r["kind"], r["tokens"] if r["kind"] == "prefill" else r["batch"])
                quern[precision].setdefault(key, []).append(r["tokens_per_second"])
                if precision == "int8":
                    share.setdefault(key, []).append(r["wall_share"])
    return report


def read_llama(number: int) -> dict:
    both = {}
    for path in glob.glob(f"{folder}/llama-{number}-*.json"):
        for r in json.load(open(path)):
            key = ("prefill", r["n_prompt"]) if r["n_gen"] == 0 else ("decode", 1)
            both[key] = max(both.get(key, 0), r["avg_ts"])  # its better attention setting, pass by pass
    for path in glob.glob(f"{folder}/batched-{number}-*.txt"):
        for line in open(path):
            cells = [c.strip() for c in line.split("|")]
            if len(cells) > 9 and re.fullmatch(r"\d+", cells[3]):
                both[("decode", int(cells[3]))] = float(cells[8])
    return both


def read_other(name: str, number: int) -> dict:
    path = f"{folder}/{name}-{number}.json"
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        return {}
    return {(r["kind"], r["size"]): r["tokens_per_second"] for r in json.load(open(path))}


for number in range(1, int(passes) + 1):
    report = read_quern(number)
    for name in peers:
        for key, value in (read_llama(number) if name == "llama" else read_other(name, number)).items():
            peers[name].setdefault(key, []).append(value)

print(f"{model}, {threads} threads, {isa}, {report['instruction_set']}; medians of {passes} interleaved passes, tok/s;"
      " ratios are medians of each pass's own\n")
shown = [name for name in OTHERS if peers[name]]
print("| load | " + "".join(f"{OTHERS[name]} | " for name in shown)
      + "llama.cpp Q8_0 | int8 | to llama.cpp | of the wall | int8-fast | to llama.cpp |")
print("|---|" + "---:|" * (len(shown) + 6))
rows = []
for key in sorted(peers["llama"], key=lambda key: (key[0] != "prefill", key[1])):
    llama = peers["llama"][key]
    exact, fast = (statistics.median(quern[p][key]) for p in PRECISIONS)
    exact_ratio, fast_ratio = (statistics.median(a / b for a, b in zip(quern[p][key], llama)) for p in PRECISIONS)
    name = f"prefill {key[1]}" if key[0] == "prefill" else f"decode, {key[1]} sequence{'s' if key[1] > 1 else ''}"
    others = "".join(f"{statistics.median(peers[peer][key]):.1f} | " if key in peers[peer] else "– | " for peer in shown)
    print(f"| {name} | {others}{statistics.median(llama):.1f} | {exact:.1f} "
          f"| {exact_ratio:.2f} | {100 * statistics.median(share[key]):.0f} % | {fast:.1f} | {fast_ratio:.2f} |")
    rows.append({"kind": key[0], "size": key[1], "llama": llama, **{peer: peers[peer].get(key, []) for peer in OTHERS},
                 "quern": {p: quern[p][key] for p in PRECISIONS}, "wall_share": share[key]})
processor = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
result = {
    "date": datetime.date.today().isoformat(), "processor": processor[1] if processor else "unknown",
    "instruction_set": report["instruction_set"], "walls": walls, "quern": revision,
    **dict(version.split("=") for version in versions), "model": model, "threads": int(threads), "isa": isa, "rows": rows,
}
if out != "/dev/null":
    json.dump(result, open(out, "w"), indent=1)
    open(os.path.splitext(out)[0] + ".svg", "w").write(chart(result))
