#!/usr/bin/env python3
"""Scores a multiple-choice task with lm-eval's `local-completions` backend against a quern daemon.

lm-eval speaks TCP only, so this opens a loopback port that leads to the Unix socket while it runs. The task's documents are lines of
JSON with `doc.query`, `doc.choices` and `doc.gold` (several lines per document are read once).

    pip install -r scripts/conformance/requirements.txt
    quern serve MODEL --socket /run/user/1000/quern/quern.sock &
    scripts/conformance/lm_eval_task.py /run/user/1000/quern/quern.sock arc_easy_500.jsonl.gz --tokenizer TOKENIZER_FOLDER
"""
import argparse
import gzip
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request

# Documents from here on are the same ones without their question.
UNCONDITIONAL = 1_000_000

TASK = """task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{query}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{gold}}}}"
metric_list:
  - metric: acc
  - metric: acc_norm
"""


def bridge(path):
    """A loopback port whose connections lead to the Unix socket `path`."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def copy(source, target):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            target.close()

    def serve():
        while True:
            near, _ = listener.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(path)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=copy, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def documents(path, limit):
    seen = {}
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["doc_id"] < UNCONDITIONAL:
                seen.setdefault(record["doc_id"], record["doc"])
    return list(seen.values())[:limit]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("socket", help="the daemon's HTTP socket")
    parser.add_argument("data", type=pathlib.Path, help="documents, JSON lines, may be gzipped")
    parser.add_argument("--tokenizer", required=True, help="folder with the model's tokenizer.json")
    parser.add_argument("--model", default=None, help="name of the model (default: the one served)")
    parser.add_argument("--limit", type=int, default=100, help="documents to score")
    parser.add_argument("--concurrency", type=int, default=8)
    arguments = parser.parse_args()

    port = bridge(arguments.socket)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        name = "quern_" + arguments.data.name.split(".")[0]
        data = folder / "test.jsonl"
        with open(data, "w", encoding="utf-8") as out:
            for doc in documents(arguments.data, arguments.limit):
                out.write(json.dumps({"query": doc["query"], "choices": doc["choices"], "gold": doc["gold"]}) + "\n")
        (folder / f"{name}.yaml").write_text(TASK.format(name=name, data=data), encoding="utf-8")
        command = [
            sys.executable, "-m", "lm_eval", "run", "--model", "local-completions", "--tasks", name, "--include_path", str(folder),
            "--model_args", f"model={arguments.model or served(port)},base_url=http://127.0.0.1:{port}/v1/completions,tokenizer={arguments.tokenizer},"
            f"tokenizer_backend=huggingface,num_concurrent={arguments.concurrency},max_retries=1,max_length=4096",
        ]
        environment = dict(os.environ, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HOME=str(folder / "cache"))
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)


def served(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models") as answer:
        return json.load(answer)["data"][0]["id"]


if __name__ == "__main__":
    main()
