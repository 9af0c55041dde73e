#!/usr/bin/env python3
"""The measuring half of bench-tokenizer.sh: slices the texts, runs each library in a process of its own, prints the table."""
import argparse
import json
import lzma
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIBRARIES = ("fastokens", "gigatoken", "tokenizers", "tiktoken")
FNV, MASK = 0x100000001B3, (1 << 64) - 1


def slices(path):
    data = lzma.open(path).read() if path.suffix == ".xz" else path.read_bytes()
    size = 120_000 if len(data) > 400_000 else 60_000
    starts = [int(len(data) * (0.05 + 0.3 * k)) for k in range(3)]
    return [data[s:s + size].decode("utf-8", "ignore") for s in starts]


def load(library, path):
    """encode(text, bytes) -> result, ids(result) -> list."""
    if library == "tokenizers":
        import tokenizers
        t = tokenizers.Tokenizer.from_file(path)
        return (lambda s, b: t.encode(s, add_special_tokens=False)), (lambda e: list(e.ids))
    if library == "fastokens":
        from fastokens._native import Tokenizer
        t = Tokenizer.from_file(path)
        return (lambda s, b: t.encode(s, add_special_tokens=False)), (lambda e: list(e.ids) if hasattr(e, "ids") else list(e))
    if library == "gigatoken":
        import gigatoken
        t = gigatoken.Tokenizer(path)
        return (lambda s, b: t.encode(b)), (lambda e: [int(x) for x in e])
    import tiktoken
    spec = json.load(open(path, encoding="utf-8"))
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelled = {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in plain)}
    ranks = {bytes(spelled[c] for c in token): rank for token, rank in spec["model"]["vocab"].items()}
    pattern = spec["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    special = {a["content"]: a["id"] for a in spec["added_tokens"]}
    t = tiktoken.Encoding("bench", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)
    return (lambda s, b: t.encode(s, allowed_special="all")), list


def child(library, path, names):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    encode, ids = load(library, path)
    encode("hello world " * 50, b"hello world " * 50)
    report = {}
    for name in names:
        parts = [(b.decode(), b) for b in (Path(f"{name}.{k}").read_bytes() for k in range(3))]
        size = sum(len(b) for _, b in parts) / 1e6
        start = time.process_time()
        results = [encode(*part) for part in parts]
        first = time.process_time() - start
        again = math.inf
        for _ in range(3):
            start = time.process_time()
            for part in parts:
                encode(*part)
            again = min(again, time.process_time() - start)
        digest = 0
        for result in results:
            for token in ids(result):
                digest = ((digest ^ token) * FNV) & MASK
        report[name] = {"first": size / max(first, 1e-6), "repeat": size / max(again, 1e-6), "digest": f"{digest:x}"}
    print(json.dumps(report))


def run(command):
    env = os.environ | {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        print(f"{command[-1]}: skipped: {(done.stderr.strip() or 'failed').splitlines()[-1][:160]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("quern", "tokenizer", "corpus", "files", "json", "child"):
        parser.add_argument(f"--{option}", default="")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if options.child:
        return child(options.child, options.tokenizer, options.names)
    wanted = set(filter(None, options.files.split(",")))
    paths = sorted(p for p in Path(options.corpus).iterdir() if p.name.endswith((".txt", ".txt.xz")))
    stem = lambda p: p.name.removesuffix(".xz").removesuffix(".txt")
    paths = [p for p in paths if not wanted or stem(p) in wanted]
    if not paths:
        parser.error(f"--corpus {options.corpus}: no such texts")
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            for k, text in enumerate(slices(path)):
                Path(folder, f"{stem(path)}.{k}").write_text(text, encoding="utf-8", newline="")
        names = [f"{folder}/{stem(p)}" for p in paths]
        pinned = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]
        quern = run([*pinned, options.quern, "tokenizer", "--tokenizer", options.tokenizer, "--parts", "3", *names])
        peers = {}
        for library in LIBRARIES:
            found = run([sys.executable, __file__, "--child", library, "--tokenizer", options.tokenizer, *names])
            if found:
                peers[library] = found
    bare = lambda report: {Path(name).name: figures for name, figures in report.items()}
    quern["files"] = bare(quern["files"])
    peers = {library: bare(report) for library, report in peers.items()}
    names = [stem(p) for p in paths]
    mean = lambda values: math.exp(sum(map(math.log, values)) / len(values))
    print(f"quern: load {quern['load_json_ms']:.0f} ms from tokenizer.json, {quern['load_packed_ms']:.1f} ms packed, "
          f"{quern['tables_bytes'] / 1e6:.0f} MB of tables, {quern['resident_bytes'] / 1e6:.0f} MB with one thread's caches\n")
    print("| file (first/repeat MB/s) | quern | " + " | ".join(peers) + " | first ÷ best | repeat ÷ best | with segments |")
    print("|---|" + "---:|" * (len(peers) + 4))
    ratios = {"first": [], "repeat": []}
    for name in names:
        own = quern["files"][name]
        cells = [f"{own['first']:.0f}/{own['repeat']:.0f}"]
        for report in peers.values():
            mark = "" if report[name]["digest"] == own["digest"] else " !"
            cells.append(f"{report[name]['first']:.0f}/{report[name]['repeat']:.0f}{mark}")
        for key, list_ in ratios.items():
            list_.append(own[key] / max(report[name][key] for report in peers.values()))
        cells += [f"{ratios['first'][-1]:.2f}", f"{ratios['repeat'][-1]:.2f}", f"{own['segments']:.0f}"]
        print(f"| {name} | " + " | ".join(cells) + " |")
    own = {key: mean([quern["files"][n][key] for n in names]) for key in ("first", "repeat", "segments")}
    best = {key: max(mean([r[n][key] for n in names]) for r in peers.values()) for key in ("first", "repeat")}
    cells = [f"{own['first']:.1f}/{own['repeat']:.1f}"]
    cells += [f"{mean([r[n]['first'] for n in names]):.1f}/{mean([r[n]['repeat'] for n in names]):.1f}" for r in peers.values()]
    cells += [f"{own['first'] / best['first']:.2f}", f"{own['repeat'] / best['repeat']:.2f}", f"{own['segments']:.0f}"]
    print("| **geometric mean** | " + " | ".join(cells) + " |")
    if options.json:
        Path(options.json).write_text(json.dumps({"quern": quern, "peers": peers}, indent=1) + "\n")


if __name__ == "__main__":
    main()
