"""What the scripts that time another engine share: the command line, the loads, and the JSON that report.py reads.

    python …_generate.py MODEL THREADS GENERATED PROMPT...

A prompt is random tokens, greedy tokens follow, and the cost of loading is not counted.
"""
import json
import sys


def command_line() -> tuple[str, int]:
    """The model and the number of threads."""
    return sys.argv[1], int(sys.argv[2])


def report(run) -> None:
    """Times the loads and prints them. `run(tokens, count)`: seconds to the first token, and for each further one."""
    generated, prompts = int(sys.argv[3]), [int(size) for size in sys.argv[4:]]
    run(16, 4)
    results = [{"kind": "decode", "size": 1, "tokens_per_second": 1 / run(16, generated)[1]}]
    for size in prompts:
        results.append({"kind": "prefill", "size": size, "tokens_per_second": size / run(size, 2)[0]})
    json.dump(results, sys.stdout)
