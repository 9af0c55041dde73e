#!/usr/bin/env bash
# The aarch64 kernels, cross-compiled and run under emulation against the scalar ones. Installs qemu-user when it may.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(qemu-user libc6-dev-arm64-cross libgcc-12-dev-arm64-cross)
if ! command -v qemu-aarch64 > /dev/null || [ ! -d /usr/lib/gcc-cross/aarch64-linux-gnu ]; then
    if [ "$(id -u)" -eq 0 ]; then
        apt-get install -y --no-install-recommends "${packages[@]}" > /dev/null 2>&1 || true
    fi
fi
gcc=$(ls -d /usr/lib/gcc-cross/aarch64-linux-gnu/* 2> /dev/null | tail -1 || true)
if ! command -v qemu-aarch64 > /dev/null || [ -z "$gcc" ]; then
    echo "test-aarch64.sh: skipped; it needs the packages ${packages[*]}" >&2
    exit 0
fi
program=$(mktemp)
trap 'rm -f "$program"' EXIT
root=/usr/aarch64-linux-gnu
clang --target=aarch64-linux-gnu -isystem "$root/include" -B"$root/lib" -B"$gcc" -L"$root/lib" -L"$gcc" -fuse-ld=lld -static \
    -O3 -Wall -Wextra -ISources/CQuernKernels/include -pthread Tests/Aarch64/check_kernels.c Sources/CQuernKernels/*.c -lm -o "$program"
qemu-aarch64 -cpu max "$program"
qemu-aarch64 -cpu cortex-a57 "$program"     # a processor without the dot product
