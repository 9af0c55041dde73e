#!/usr/bin/env bash
# quern beside llama.cpp and OpenVINO GenAI on the same weights, machine and threads: interleaved passes, medians, a markdown
# table, a chart.
#
# llama.cpp is built natively from the source that its PyPI package llama-cpp-python carries. Both engines get the same
# checkpoint: llama.cpp and OpenVINO as Q8_0, quern packed to int8 and run with both of its activation precisions. OpenVINO reads
# GGUF files of some architectures only; where it does not, its column stays empty.
set -euo pipefail

llama_version=0.3.36 openvino_version=2026.4.1.0

usage() {
    cat <<TEXT
usage: bench-peers.sh [--model MODEL] [--passes N] [--threads N] [--isa native|avx2] [--json FILE]
                      [--prefix COMMAND]

  --model    qwen2.5-coder-0.5b (the real one; default), or random weights in a published shape: qwen3-0.6b-random,
             qwen3.5-0.8b-random, qwen3-30b-a3b-random (cut to 4 layers)
  --passes   interleaved passes; medians are reported (default 5)
  --threads  threads of both engines (default: all)
  --isa      native (default), or avx2: both engines without AVX-512
  --json     also write every figure there, with machine, date and versions, and a chart beside it (.svg)
  --prefix   run each measurement under this command, such as "taskset -c 0,1"

Builds under .build-peers/. Takes about ten minutes the first time.

example: bench-peers.sh --passes 3 --threads 2
TEXT
}

model=qwen2.5-coder-0.5b passes=5 threads=$(nproc) isa=native json=/dev/null prefix=()
while [ $# -gt 0 ]; do
    case $1 in
        --model) model=${2:?}; shift 2 ;;
        --passes) passes=${2:?}; shift 2 ;;
        --threads) threads=${2:?}; shift 2 ;;
        --isa) isa=${2:?}; shift 2 ;;
        --json) json=$(realpath -m "${2:?}"); shift 2 ;;
        --prefix) read -ra prefix <<< "${2:?}"; shift 2 ;;
        -h | --help) usage; exit 0 ;;
        *) echo "bench-peers.sh: no option $1; see --help" >&2; exit 2 ;;
    esac
done
cd "$(dirname "$0")/.."
work=$PWD/.build-peers
mkdir -p "$work"

venv=$work/venv
if [ ! -x "$venv/bin/cmake" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q cmake ninja scikit-build-core numpy gguf
fi
[ -d "$work/openvino" ] || { python3 -m venv "$work/openvino" && "$work/openvino/bin/pip" install -q numpy "openvino-genai==$openvino_version"; }
export PATH=$venv/bin:$PATH

source=$work/llama_cpp_python-$llama_version/vendor/llama.cpp
if [ ! -d "$source" ]; then
    pip download -q --no-deps --no-binary :all: --no-build-isolation -d "$work" "llama-cpp-python==$llama_version"
    tar xzf "$work/llama_cpp_python-$llama_version.tar.gz" -C "$work"
    # GCC 12 does not know that loading a tile configuration reads all of it and drops the stores before: the AMX products of
    # llama.cpp then die of an illegal instruction.
    sed -i 's|^    _tile_loadconfig(&tc);|    __asm__ volatile("" : : "r"(\&tc) : "memory");\n&|' "$source/ggml/src/ggml-cpu/amx/mmq.cpp"
fi
case $isa in
    native) options=(-DGGML_NATIVE=ON) quern_isa= ;;
    avx2) options=(-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON) quern_isa=avx2 ;;
    *) usage >&2; exit 2 ;;
esac
build=$work/llama-$isa
if [ ! -x "$build/bin/llama-batched-bench" ]; then
    echo "building llama.cpp ($isa)" >&2
    cmake -G Ninja -S "$source" -B "$build" -DCMAKE_BUILD_TYPE=Release "${options[@]}" -DLLAMA_CURL=OFF \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF > "$work/cmake.log"
    cmake --build "$build" --target llama-bench llama-batched-bench llama-quantize > "$work/build.log"
fi
swift build -c release --product quern >&2
quern=$(swift build -c release --show-bin-path)/quern

case $model in
    qwen2.5-coder-0.5b)
        original=$(scripts/fetch-model.sh "$model")
        q8=$work/$model-q8_0.gguf
        [ -f "$q8" ] || "$build/bin/llama-quantize" --allow-requantize "$original" "$q8" Q8_0 > "$work/quantize.log" 2>&1 ;;
    qwen3-0.6b-random | qwen3.5-0.8b-random | qwen3-30b-a3b-random)
        original=$work/$model.gguf layers=()
        [ "$model" != qwen3-30b-a3b-random ] || layers=(--layers 4)
        [ -f "$original" ] || python3 scripts/golden/random_model.py "$original" --shape "${model%-random}" "${layers[@]}"
        q8=$original ;;
    *) usage >&2; exit 2 ;;
esac
packed=$work/$model.quern
[ -f "$packed" ] && [ "$packed" -nt "$original" ] || "$quern" pack "$original" -o "$packed" --group 64 >&2

results=$work/results-$model-$isa
rm -rf "$results"
mkdir -p "$results"
[ -z "$quern_isa" ] || export QUERN_ISA=$quern_isa
quern_bench() {     # PROMPT BATCH
    for precision in int8 int8-fast; do
        "${prefix[@]}" "$quern" bench "$packed" --precision $precision -p "$1" -n 64 --batch "$2" -r 1 --threads "$threads" --json \
            > "$results/quern-$pass-$precision-$1-$2.json"
    done
}
llama_bench() {     # PROMPT GENERATED
    for fa in 0 1; do
        "${prefix[@]}" "$build/bin/llama-bench" -m "$q8" -p "$1" -n "$2" -t "$threads" -r 1 -fa $fa -o json \
            > "$results/llama-$pass-$fa-$1.json" 2>/dev/null
    done
}
llama_batch() {     # SEQUENCES
    "${prefix[@]}" "$build/bin/llama-batched-bench" -m "$q8" -c 8192 -b 2048 -ub 512 -npp 32 -ntg 64 -npl "$1" -t "$threads" -fa 1 \
        2>/dev/null > "$results/batched-$pass-$1.txt"
}
openvino() {
    "${prefix[@]}" "$work/openvino/bin/python" scripts/peers/openvino_generate.py "$q8" "$threads" 64 512 2048 \
        > "$results/openvino-$pass.json" 2> "$results/openvino-$pass.log" || echo "OpenVINO: $(tail -1 "$results/openvino-$pass.log")" >&2
}
# Virtual machines change their speed from one half minute to the next: the engines take turns load by load.
for pass in $(seq 1 "$passes"); do
    echo "pass $pass of $passes" >&2
    quern_bench 512 1; llama_bench 512 64
    quern_bench 2048 4; llama_bench 2048 0; llama_batch 4
    quern_bench 32 8; llama_batch 8
    quern_bench 32 16; llama_batch 16
    openvino
done
revision=$(git describe --always --dirty 2>/dev/null || echo unknown)
python3 scripts/peers/report.py "$results" "$passes" "$model" "$threads" "$isa" "$json" "$revision" "$llama_version" "$openvino_version"
