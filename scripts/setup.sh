#!/usr/bin/env bash
# Installs what quern builds and runs with on Debian and Ubuntu; does nothing when everything is there.
set -euo pipefail

packages=(libblas-dev liblz4-dev libopenblas0-pthread curl ca-certificates netcat-openbsd python3 python3-pip)

usage() {
    cat <<TEXT
usage: setup.sh [--help]

Installs, with sudo when not root: ${packages[*]}
libopenblas0-pthread is optional at heart: it makes the f32 reference path faster than the plain libblas would.
TEXT
}

case ${1:-} in
    "") ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "setup.sh: this is not a Debian-like system; install the equivalents of: ${packages[*]}" >&2
    exit 1
fi

missing=()
for package in "${packages[@]}"; do
    # A pip that came with another Python serves as well.
    if [ "$package" = python3-pip ] && python3 -m pip --version >/dev/null 2>&1; then continue; fi
    if [ "$package" = python3 ] && command -v python3 >/dev/null; then continue; fi
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

run=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup.sh: needs root to install: ${missing[*]}" >&2
        echo "setup.sh: run: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    run=(sudo)
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
if ! "${run[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null 2>&1; then
    "${run[@]}" apt-get update -qq
    "${run[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null
fi
