#!/usr/bin/env bash
# Kerberos logins of Kafka clients, with a key distribution centre of this test's own.
# Usage: tests/kerberos.sh BINARY SCRATCH ; the binary is one with the feature `gssapi`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/kafka/libraries.sh"
binary=$(realpath "$1")
mkdir -p "$2"
scratch=$(realpath "$2")
venv=$scratch/kerberos-venv
if ! cat "$here/security/requirements.txt" "$here/kerberos/requirements.txt" | cmp -s - "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet -r "$here/kerberos/requirements.txt"
    cat "$here/security/requirements.txt" "$here/kerberos/requirements.txt" > "$venv/requirements.txt"
fi
fetch_libraries "$scratch"
SLUICE=$binary CLIENTS=$scratch PYTHONPATH=$here/security "$venv/bin/python" -m pytest -q --timeout=180 -p no:cacheprovider \
    "$here/kerberos"
