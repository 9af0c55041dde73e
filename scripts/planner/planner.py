"""Asks the quern binary for plans; the planner in Swift is the only implementation of the model."""
import concurrent.futures
import json
import os
import pathlib
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
QUERN = os.environ.get("QUERN_BINARY", str(REPOSITORY / ".build" / "release" / "quern"))


def plan(config, row, device=None):
    command = [
        QUERN, "plan", str(config), "--device", str(device or row.device), "--precision", row.precision, "--input",
        str(row.input), "--output", str(row.output), "--batch", str(row.batch), "--chips", str(row.chips), "--json",
    ]
    if row.engine:
        command += ["--engine", row.engine]
    # 65: it does not fit, and the plan is printed all the same.
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 65):
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def plans(configs, rows, device=None):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda row: plan(configs[row.model], row, device), rows))
