#!/usr/bin/env bash
# Logins, permissions and TLS as real clients see them, on every door. Usage: tests/security.sh BINARY SCRATCH
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)/security
binary=$(realpath "$1")
mkdir -p "$2"
scratch=$(realpath "$2")
if ! cmp -s "$here/requirements.txt" "$scratch/venv/requirements.txt"; then
    rm -rf "$scratch/venv"
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install --quiet -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$scratch/venv/"
fi
SLUICE=$binary "$scratch/venv/bin/python" -m pytest -q --timeout=180 -p no:cacheprovider "$here"
