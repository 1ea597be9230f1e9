#!/usr/bin/env bash
# Node: the programs in node/programs.mjs with KafkaJS and @confluentinc/kafka-javascript.
# Usage: tests/kafka/node.sh BINARY SCRATCH
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/broker.sh"
. "$here/librdkafka.sh"
binary=$(realpath "$1")
mkdir -p "$2"
scratch=$(realpath "$2")
home=$scratch/node
if ! cmp -s "$here/node/package-lock.json" "$home/installed"; then
    build_librdkafka "$scratch"
    rm -rf "$home" && mkdir -p "$home"
    cp "$here"/node/package*.json "$home/"
    # Where its prebuilt binary cannot be had, the client is compiled and linked to this librdkafka.
    (cd "$home" && BUILD_LIBRDKAFKA=0 CPLUS_INCLUDE_PATH=$librdkafka/include/librdkafka LIBRARY_PATH=$librdkafka/lib \
        LD_RUN_PATH=$librdkafka/lib npm ci --silent --no-audit --no-fund)
    cp "$here/node/package-lock.json" "$home/installed"
fi
cp "$here"/node/*.mjs "$home/"
start_broker "$binary" "$scratch/broker-node"
timeout 300 node "$home/programs.mjs" "$kafka"
