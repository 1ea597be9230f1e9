#!/usr/bin/env bash
# Python clients: confluent-kafka and aiokafka by our own tests, kafka-python by its own integration tests.
# Usage: tests/kafka/python.sh BINARY SCRATCH
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/broker.sh"
binary=$(realpath "$1")
mkdir -p "$2"
scratch=$(realpath "$2")

if ! cmp -s "$here/python/requirements.txt" "$scratch/venv/requirements.txt"; then
    rm -rf "$scratch/venv"
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install --quiet -r "$here/python/requirements.txt"
    cp "$here/python/requirements.txt" "$scratch/venv/"
fi
SLUICE=$binary "$scratch/venv/bin/python" -m pytest -q --timeout=180 -p no:cacheprovider "$here/python"

# The sdist has the integration tests, but not the module with which upstream's CI starts brokers.
suite=$scratch/kafka-python
if [ ! -d "$suite/test" ]; then
    "$scratch/venv/bin/pip" download --quiet --no-deps --no-binary :all: -d "$scratch/sdist" kafka-python==3.0.12
    mkdir -p "$suite" && tar -xf "$scratch"/sdist/kafka*.tar.gz -C "$suite" --strip-components=1
fi
cp "$here/python/external_service.py" "$suite/test/service.py"
touch "$suite/test/__init__.py"
start_broker "$binary" "$scratch/broker" --set kafka.node_id=0 --set kafka.default_partitions=4 \
    --set groups.min_session_timeout_ms=10
# Left out: what needs SSL files. The suite itself leaves out logins where it did not start the broker.
cd "$suite"
KAFKA_ROOT=$scratch KAFKA_URI=kafka://$kafka KAFKA_VERSION=4.2.0 "$scratch/venv/bin/python" -W ignore \
    -m pytest test/integration -q --timeout=120 --tb=short -p no:cacheprovider -p no:logging -p no:warnings \
    -k 'not ssl'
