#!/usr/bin/env bash
# quern beside llama.cpp, OpenVINO GenAI, onnxruntime-genai and CTranslate2 on the same weights, machine and threads: interleaved
# passes, medians, a markdown table, a chart.
#
# llama.cpp is built natively from the source that its PyPI package llama-cpp-python carries. All engines get the same checkpoint
# in eight bits: llama.cpp and OpenVINO as Q8_0, quern packed to int8 and run with both of its activation precisions, the others
# as their own converters make them from the Q8_0 values: onnxruntime-genai in blocks of 32, CTranslate2 with a scale for each
# row. An engine that cannot read an architecture has an empty column.
set -euo pipefail

llama_version=0.3.36 openvino_version=2026.4.1.0 onnxruntime_version=0.18.0 ctranslate2_version=4.8.5
# What the converters of the last two need.
converters=(torch==2.15.0 transformers==5.24.0 gguf numpy onnx==1.23.2 onnx-ir==1.1.0 onnxruntime==1.32.0)

usage() {
    cat <<TEXT
usage: bench-peers.sh [--model MODEL] [--passes N] [--threads N] [--isa native|avx2] [--json FILE]
                      [--prefix COMMAND] [--peers LIST]

  --model    qwen2.5-coder-0.5b (the real one; default), or random weights in a published shape: qwen3-0.6b-random,
             qwen3.5-0.8b-random, qwen3-30b-a3b-random (cut to 4 layers)
  --passes   interleaved passes; medians are reported (default 5)
  --threads  threads of every engine (default: all)
  --isa      native (default), or avx2: quern and llama.cpp without AVX-512
  --json     also write every figure there, with machine, date and versions, and a chart beside it (.svg)
  --peers    beside llama.cpp (default: openvino,onnxruntime,ctranslate2; the last two install six gigabytes of converters)
  --prefix   run each measurement under this command, such as "taskset -c 0,1"

Builds under .build-peers/. Takes half an hour the first time, then some minutes a pass.

example: bench-peers.sh --passes 3 --threads 2
TEXT
}

model=qwen2.5-coder-0.5b passes=5 threads=$(nproc) isa=native json=/dev/null prefix=() peers=openvino,onnxruntime,ctranslate2
while [ $# -gt 0 ]; do
    case $1 in
        --model) model=${2:?}; shift 2 ;;
        --passes) passes=${2:?}; shift 2 ;;
        --threads) threads=${2:?}; shift 2 ;;
        --isa) isa=${2:?}; shift 2 ;;
        --json) json=$(realpath -m "${2:?}"); shift 2 ;;
        --peers) peers=${2?}; shift 2 ;;
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
IFS=, read -ra peers <<< "$peers"
python_for() {      # PEER: the folder of its Python
    case $1 in openvino) echo "$work/openvino" ;; onnxruntime | ctranslate2) echo "$work/converters" ;;
        *) echo "bench-peers.sh: --peers: no engine $1" >&2; exit 2 ;; esac
}
for peer in "${peers[@]}"; do
    place=$(python_for "$peer")
    [ ! -d "$place" ] || continue
    packages=(numpy "openvino-genai==$openvino_version")
    [ "$peer" = openvino ] \
        || packages=("${converters[@]}" "onnxruntime-genai==$onnxruntime_version" "ctranslate2==$ctranslate2_version")
    echo "installing ${packages[*]}" >&2
    python3 -m venv "$place"
    "$place/bin/pip" install -q "${packages[@]}" || { rm -rf "$place"; exit 1; }
done
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

# The folders that the converters of the last two write; kept, because making them takes minutes.
convert() {         # PEER
    local folder=$work/$model-$1 values=$work/$model-f32 python=$work/converters/bin
    [ ! -e "$folder" ] || return 0
    export HF_HUB_OFFLINE=1
    [ -e "$values" ] || "$python/python" scripts/peers/from_gguf.py "$q8" "$values" || return 1
    echo "converting for $1" >&2
    case $1 in
        onnxruntime) "$python/python" -m onnxruntime_genai.models.builder -i "$values" -o "$folder.part" -p int8 -e cpu \
            -c "$work/cache" --extra_options accuracy_level=4 > "$work/$1.log" 2>&1 || return 1 ;;
        ctranslate2) "$python/ct2-transformers-converter" --model "$values" --output_dir "$folder.part" --quantization int8 \
            --force > "$work/$1.log" 2>&1 || return 1 ;;
    esac
    mv "$folder.part" "$folder"
}
for peer in "${peers[@]}"; do
    [ "$peer" = openvino ] || convert "$peer" || echo "$peer: no conversion of $model; its column stays empty" >&2
done

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
peer_bench() {      # PEER
    local file=$work/$model-$1
    [ "$1" != openvino ] || file=$q8
    [ -e "$file" ] || return 0
    "${prefix[@]}" "$(python_for "$1")/bin/python" "scripts/peers/$1_generate.py" "$file" "$threads" 64 512 2048 \
        > "$results/$1-$pass.json" 2> "$results/$1-$pass.log" || echo "$1: $(tail -1 "$results/$1-$pass.log")" >&2
}
# Virtual machines change their speed from one half minute to the next: the engines take turns load by load.
for pass in $(seq 1 "$passes"); do
    echo "pass $pass of $passes" >&2
    quern_bench 512 1; llama_bench 512 64
    quern_bench 2048 4; llama_bench 2048 0; llama_batch 4
    quern_bench 32 8; llama_batch 8
    quern_bench 32 16; llama_batch 16
    for peer in "${peers[@]}"; do peer_bench "$peer"; done
done
revision=$(git describe --always --dirty 2>/dev/null || echo unknown)
python3 scripts/peers/report.py "$results" "$passes" "$model" "$threads" "$isa" "$json" "$revision" \
    llama_cpp_python=$llama_version openvino_genai=$openvino_version onnxruntime_genai=$onnxruntime_version ctranslate2=$ctranslate2_version
