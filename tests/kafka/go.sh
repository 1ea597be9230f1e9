#!/usr/bin/env bash
# Go: the programs in go/programs.go with confluent-kafka-go v1 and v2, and those of franz-go and Sarama.
# Usage: tests/kafka/go.sh BINARY SCRATCH
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/broker.sh"
mkdir -p "$2"
scratch=$(realpath "$2")
for client in v1 v2 franz sarama; do
    build=$scratch/go-$client
    mkdir -p "$build"
    cp "$here/go/$client.mod" "$build/go.mod"
    cp "$here/go/$client.sum" "$build/go.sum"
    cp "$here/go/claims.go" "$build/"
    case $client in
        # The two major versions differ in their import path only.
        v1) sed 's#confluent-kafka-go/v2/kafka#confluent-kafka-go/kafka#' "$here/go/programs.go" > "$build/main.go" ;;
        v2) cp "$here/go/programs.go" "$build/main.go" ;;
        *) cp "$here/go/$client.go" "$build/main.go" ;;
    esac
    (cd "$build" && go build -o programs .)
done
start_broker "$(realpath "$1")" "$scratch/broker-go"
for client in v1 v2 franz sarama; do
    timeout 300 "$scratch/go-$client/programs" "$kafka"
done
