#!/usr/bin/env bash
# Logins, permissions and TLS as real clients see them, on every door. Usage: tests/security.sh BINARY SCRATCH
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)/security
. "$here/../kafka/libraries.sh"
binary=$(realpath "$1")
mkdir -p "$2"
scratch=$(realpath "$2")
if ! cmp -s "$here/requirements.txt" "$scratch/venv/requirements.txt"; then
    rm -rf "$scratch/venv"
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install --quiet -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$scratch/venv/"
fi
# confluent-kafka-go of both major versions, Apache Kafka's Java client, and the clients of Node.
for version in v1 v2; do
    build=$scratch/go-$version
    mkdir -p "$build"
    cp "$here/../kafka/go/$version.mod" "$build/go.mod"
    cp "$here/../kafka/go/$version.sum" "$build/go.sum"
    cp "$here/go/secured.go" "$build/main.go"
    # They differ in their import path only.
    [ "$version" = v2 ] || sed -i 's#confluent-kafka-go/v2/kafka#confluent-kafka-go/kafka#' "$build/main.go"
    (cd "$build" && go build -o secured .)
done
fetch_libraries "$scratch"
mkdir -p "$scratch/node"
cp "$here"/node/* "$scratch/node/"
(cd "$scratch/node" && npm install --silent --no-audit --no-fund --no-package-lock)
SLUICE=$binary CLIENTS=$scratch "$scratch/venv/bin/python" -m pytest -q --timeout=180 -p no:cacheprovider "$here"
