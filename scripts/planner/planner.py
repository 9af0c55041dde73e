"""Asks the quern binary for plans; the planner in Swift is the only implementation of the model."""
import concurrent.futures
import dataclasses
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


def holding(configs, rows):
    """The rows whose sequences fit the memory together; of more, some wait, and no step has them all."""
    bare = [dataclasses.replace(row, engine=None) for row in rows]     # the engine may not be calibrated yet
    return [row for row, plan in zip(rows, plans(configs, bare)) if plan["fits"]]


def predicted(row, plan):
    """Seconds of the request, or between tokens where the row is of a served load: (low, expected, high)."""
    if row.served:
        seconds = plan["served"]["seconds_per_token"]
        return seconds["low"], seconds["expected"], seconds["high"]
    seconds = plan["request"]["seconds_range"]
    return seconds["low"], seconds["expected"], seconds["high"]


def terms(row, plan):
    """The terms whose seconds add up to the prediction."""
    if not row.served:
        return plan["request"]["terms"]
    # A sequence of a served load sees one prompt of each of its neighbours while it generates its own answer.
    mixed = [dict(t, amount=t["amount"] / row.output, seconds=t["seconds"] / row.output) for t in plan["prefill"]["terms"]]
    return plan["decode"]["terms"] + mixed
