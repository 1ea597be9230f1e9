#!/usr/bin/env bash
# Go: the programs in go/programs.go with confluent-kafka-go v1 and v2. Usage: tests/kafka/go.sh BINARY SCRATCH
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/broker.sh"
mkdir -p "$2"
scratch=$(realpath "$2")
for version in v1 v2; do
    build=$scratch/go-$version
    mkdir -p "$build"
    cp "$here/go/$version.mod" "$build/go.mod"
    cp "$here/go/$version.sum" "$build/go.sum"
    cp "$here/go/programs.go" "$build/main.go"
    # The two major versions differ in their import path only.
    [ "$version" = v2 ] || sed -i 's#confluent-kafka-go/v2/kafka#confluent-kafka-go/kafka#' "$build/main.go"
    (cd "$build" && go build -o programs .)
done
start_broker "$(realpath "$1")" "$scratch/broker-go"
for version in v1 v2; do
    timeout 300 "$scratch/go-$version/programs" "$kafka"
done
