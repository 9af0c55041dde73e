#!/usr/bin/env bash
# quern's tokenizer beside the fastest that can be installed, on the same texts in the same run: a markdown table.
#
# One pinned thread, CPU time. "first" is the first time a process sees the text, "repeat" the best of three later passes.
# quern's repeat pass has no segment cache; the last column is the repeat pass with it. "!" marks a file whose ids differ.
set -euo pipefail

usage() {
    cat <<TEXT
usage: bench-tokenizer.sh --tokenizer tokenizer.json --corpus FOLDER [--files a,b,…] [--json FILE]

  --tokenizer  the vocabulary all libraries load
  --corpus     UTF-8 texts, *.txt or *.txt.xz; three slices of 120 kB of each are used
  --files      only these, without the suffix
  --json       also write every figure there

Installs the other libraries from PyPI under .build-peers/. Takes about a minute after that.

example: bench-tokenizer.sh --tokenizer ../shared/data/tokenizers/qwen3/tokenizer.json --corpus ../shared/data/corpus
TEXT
}

tokenizer='' corpus='' files='' json=/dev/null
while [ $# -gt 0 ]; do
    case $1 in
        --tokenizer) tokenizer=$(realpath "${2:?}"); shift 2 ;;
        --corpus) corpus=$(realpath "${2:?}"); shift 2 ;;
        --files) files=${2:?}; shift 2 ;;
        --json) json=$(realpath -m "${2:?}"); shift 2 ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
[ -n "$tokenizer" ] && [ -n "$corpus" ] || { usage >&2; exit 2; }
cd "$(dirname "$0")/.."
venv=$PWD/.build-peers/tokenizers
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q gigatoken==0.10.0 fastokens==0.3.5 tiktoken==0.14.0
    "$venv/bin/pip" install -q --pre tokenizers==1.0.0rc3
fi
swift build -c release --product quern-bench >&2
exec "$venv/bin/python" scripts/bench_tokenizer.py --quern "$(swift build -c release --show-bin-path)/quern-bench" \
    --tokenizer "$tokenizer" --corpus "$corpus" --files "$files" --json "$json"
