#!/usr/bin/env bash
# From a fresh clone to a model that answers: tools, build, checkpoint, packing, daemon, two questions.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: quickstart.sh [--model qwen2.5-coder-0.5b|smollm2] [--prompt TEXT]

Builds quern, fetches and packs a checkpoint, starts the daemon on private sockets, pipes a prompt into the pipe socket,
sends one chat request with curl, prints both answers with their speed, and stops the daemon.
A second run takes seconds. Everything stays inside this folder, except Debian packages (scripts/setup.sh).

  --model    qwen2.5-coder-0.5b (default, 491 MB) or smollm2 (98 MB)
  --prompt   what to ask on the pipe socket
TEXT
}

model=qwen2.5-coder-0.5b
prompt=
while [ $# -gt 0 ]; do
    case $1 in
        --model) model=${2:?--model needs a name}; shift 2 ;;
        --prompt) prompt=${2:?--prompt needs a text}; shift 2 ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
case $model in
    qwen2.5-coder-0.5b)
        : "${prompt:=Write a Python function that returns the n-th Fibonacci number.}"
        question="What does 'git rebase' do? Answer in two sentences." ;;
    smollm2)
        : "${prompt:=What is the capital of France?}"
        question="Name three colours." ;;
    *) echo "quickstart.sh: unknown model '$model'" >&2; usage >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
step() { printf '\n== %s\n' "$*"; }

if ! command -v swift >/dev/null; then
    cat >&2 <<'TEXT'
quickstart.sh: Swift is not installed. quern needs Swift 6.2 or newer:
  curl -O https://download.swift.org/swiftly/linux/swiftly-$(uname -m).tar.gz
  tar zxf swiftly-$(uname -m).tar.gz && ./swiftly init
or see https://www.swift.org/install/linux
TEXT
    exit 1
fi

step "Debian packages"
scripts/setup.sh

step "Build (release; the first build takes some minutes)"
swift build -c release --product quern
quern=$(swift build -c release --show-bin-path)/quern

step "Checkpoint"
source=$(scripts/fetch-model.sh "$model")
echo "$source"

step "Pack to int8"
archive=models/$model.quern
if [ ! -f "$archive" ] || [ "$source" -nt "$archive" ] || ! "$quern" inspect "$archive" >/dev/null 2>&1; then
    "$quern" pack "$source" -o "$archive"
else
    echo "$archive is up to date"
fi

step "Daemon"
run=$(mktemp -d "${TMPDIR:-/tmp}/quern-quickstart.XXXXXX")
socket=$run/quern.sock
pipe=$run/quern.pipe
log=$run/log
"$quern" serve "$archive" --socket "$socket" --pipe-socket "$pipe" > "$log" 2>&1 &
daemon=$!
stop() {
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
    rm -rf "$run"
}
trap stop EXIT
for _ in $(seq 1 300); do
    if curl -s -o /dev/null --unix-socket "$socket" http://localhost/health && [ -S "$pipe" ]; then break; fi
    if ! kill -0 "$daemon" 2>/dev/null; then
        echo "quickstart.sh: the daemon ended while starting:" >&2
        cat "$log" >&2
        exit 1
    fi
    sleep 0.1
done
curl -s -o /dev/null --unix-socket "$socket" http://localhost/health || { cat "$log" >&2; exit 1; }
echo "serving $archive on $socket"

# Greedy, so that everybody sees the same; without the first line the model's own sampling answers.
step "Pipe socket: printf '#quern {\"temperature\": 0}\\n$prompt' | nc -N -U quern.pipe"
printf '#quern {"temperature": 0}\n%s' "$prompt" | nc -N -U "$pipe"
echo
# The daemon logs one line per answer; its numbers are the pipe answer's speed.
python3 - "$log" <<'PYTHON'
import re, sys
line = [l for l in open(sys.argv[1]) if "completion_tokens" in l][-1]
value = {k: float(v) for k, v in re.findall(r"(\w+)=([0-9.]+)", line)}
per = value.get("tpot_ms", 0)
print(f"[{value['completion_tokens']:.0f} tokens at {1000 / per if per else 0:.1f} tok/s, first after {value['ttft_ms']:.0f} ms]")
PYTHON

step "HTTP socket: POST /v1/chat/completions"
answer=$(curl -sS --unix-socket "$socket" http://localhost/v1/chat/completions -H 'Content-Type: application/json' \
    -d "$(python3 -c 'import json,sys; print(json.dumps({"messages": [{"role": "user", "content": sys.argv[1]}], "max_tokens": 120, "temperature": 0}))' "$question")")
python3 - "$question" "$answer" <<'PYTHON'
import json, sys
answer = json.loads(sys.argv[2])
if "error" in answer:
    sys.exit("the daemon answered: " + answer["error"]["message"])
t = answer["timings"]
print("Q:", sys.argv[1])
print("A:", answer["choices"][0]["message"]["content"])
print(f"[prefill {t['prompt_n']} tokens at {t['prompt_per_second']:.1f} tok/s, decode {t['predicted_n']} tokens at {t['predicted_per_second']:.1f} tok/s]")
PYTHON

step "Done"
cat <<TEXT
Serve it yourself:      $quern serve $archive
Then, elsewhere:        $quern run "Write a haiku"
Measure it:             $quern bench $archive
Everything else:        $quern --help
TEXT
