#!/usr/bin/env bash
# Installs the three units for the current user and starts the sockets; the daemon starts with the first connection.
#   scripts/systemd/install.sh [--remove] [PATH_OF_QUERN]
set -euo pipefail
folder="$(cd "$(dirname "$0")" && pwd)"
units=(quern.socket quern-pipe.socket quern.service)
target="${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user"

if [ "${1:-}" = --remove ]; then
    systemctl --user disable --now quern.socket quern-pipe.socket quern.service || true
    for unit in "${units[@]}"; do rm -f "$target/$unit"; done
    systemctl --user daemon-reload
    exit
fi

quern="$(realpath "${1:-$folder/../../.build/release/quern}")"
[ -x "$quern" ] || { echo "install.sh: $quern is not there; build it first or name it" >&2; exit 66; }
mkdir -p "$target"
for unit in "${units[@]}"; do install -m 0644 "$folder/user/$unit" "$target/$unit"; done
sed -i "s|^ExecStart=.*|ExecStart=\"$quern\" serve|" "$target/quern.service"
systemctl --user daemon-reload
systemctl --user enable --now quern.socket quern-pipe.socket
echo "listening on \$XDG_RUNTIME_DIR/quern/quern.sock; journalctl --user -u quern follows the log" >&2
