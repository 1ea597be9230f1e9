#!/usr/bin/env bash
# Rust: the tests in rust/ with rdkafka. Usage: tests/kafka/rust.sh BINARY SCRATCH [ARGUMENT OF THE TESTS…]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/broker.sh"
. "$here/librdkafka.sh"
binary=$(realpath "$1")
mkdir -p "$2"
scratch=$(realpath "$2")
shift 2
build_librdkafka "$scratch"
export PKG_CONFIG_PATH=$librdkafka/lib/pkgconfig LD_LIBRARY_PATH=$librdkafka/lib
export CARGO_TARGET_DIR=$scratch/rust SLUICE=$binary SCRATCH=$scratch/brokers-rust
manifest=$here/rust/Cargo.toml
cargo fmt --check --manifest-path "$manifest"
cargo test --quiet --no-run --locked --manifest-path "$manifest"
start_broker "$binary" "$scratch/broker-rust" --set groups.consumer_heartbeat_interval_ms=300
rm -rf "$SCRATCH" && mkdir -p "$SCRATCH"
KAFKA=$kafka timeout 300 cargo test --quiet --locked --manifest-path "$manifest" -- "$@"
