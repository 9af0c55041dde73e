#!/usr/bin/env bash
# Builds everything in release and runs all tests. `.ci/run` calls this and nothing else.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: test.sh [--offline] [FILTER]

  --offline   do not fetch the real checkpoints; their tests are skipped and say so
  FILTER      a regular expression of tests to run, as for `swift test --filter`

Environment: QUERN_TEST_MODELS  folder with the real checkpoints (default: models/)
             QUERN_SHARED       folder with reference data (default: ../shared/data, skipped when absent)
TEXT
}

offline=0
filter=()
while [ $# -gt 0 ]; do
    case $1 in
        --offline) offline=1; shift ;;
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) filter=(--filter "$1"); shift ;;
    esac
done

cd "$(dirname "$0")/.."
SECONDS=0
step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }

step "Debian packages"
scripts/setup.sh

step "Checkpoints"
export QUERN_TEST_MODELS=${QUERN_TEST_MODELS:-$PWD/models}
if [ "$offline" -eq 0 ]; then
    for model in qwen2.5-coder-0.5b smollm2; do
        scripts/fetch-model.sh "$model" "$QUERN_TEST_MODELS" \
            || echo "test.sh: $model could not be fetched; its tests will be skipped" >&2
    done
fi

step "Build"
swift build -c release --build-tests
swift build -c release --product quern
QUERN_BINARY=$(swift build -c release --show-bin-path)/quern
export QUERN_BINARY

if [ ${#filter[@]} -eq 0 ] && [ "$offline" -eq 0 ]; then
    step "Kernels of aarch64, emulated"
    scripts/test-aarch64.sh
fi

step "Tests"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! swift test -c release --skip-build "${filter[@]}" 2>&1 | tee "$log"; then
    # Of a long log people see the end: what failed is said there once more.
    step "Failed"
    grep -aE '^✘|^error:|Fatal error|^↳' "$log" | cut -c1-2000 >&2 || true
    exit 1
fi
step "All tests passed"
