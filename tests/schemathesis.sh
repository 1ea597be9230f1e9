#!/bin/sh
# Throws generated requests at the server and compares its answers with its own description, with every check that
# schemathesis has (tests/schemathesis.toml). Usage: tests/schemathesis.sh [BINARY [EXAMPLES [SEED]]]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
binary=${1:-}
examples=${2:-10}
seed=${3:-1}
target=${CARGO_TARGET_DIR:-$root/target}
version=4.32.5

if [ -n "$binary" ]; then
    binary=$(realpath "$binary")
else
    cargo build --quiet --manifest-path "$root/Cargo.toml" -p sluice
    binary=$target/debug/sluice
fi

tool=$target/schemathesis-$version
if [ ! -x "$tool/bin/schemathesis" ]; then
    python3 -m venv "$tool"
    "$tool/bin/pip" install --quiet "schemathesis==$version"
fi

home=$(mktemp -d)
server=
finish() {
    status=$?
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" || { echo "the server ended badly; its log:"; tail -50 "$home/log"; status=1; }
    fi
    rm -rf "$home"
    exit "$status"
}
trap finish EXIT

# Without logins: the requests make users, and delete or change whoever they found, so that any login would end.
serve() {
    rm -f "$home/out" && mkfifo "$home/out"
    "$binary" serve --http 127.0.0.1:0 --kafka off --amqp off --data-dir "$home/$1" --set drain_grace_ms=1000 \
        --set http.max_wait_ms=200 --set auth.mode=off >"$home/out" 2>"$home/log" &
    server=$!
    exec 3<"$home/out"
    read -r line <&3 || { cat "$home/log"; exit 1; }
    base=${line#sluice is ready: }
}

cd "$home"
throw() {
    "$tool/bin/schemathesis" --config-file "$root/tests/schemathesis.toml" run "$base/openapi.json" "$@" \
        --max-examples "$examples" --seed "$seed" \
        --request-timeout 5 --max-response-time 5 --continue-on-failure --suppress-health-check all
    kill -0 "$server" || { echo "the server is gone; its log:"; tail -50 "$home/log"; exit 1; }
}

serve all
throw --exclude-path-regex '^/v1/quotas'
kill "$server"
wait "$server"
# By themselves: a quota that they make would answer everything else with 429.
serve quotas
throw --include-path-regex '^/v1/quotas'
