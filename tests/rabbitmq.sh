#!/bin/sh
# Runs the same scripted AMQP scenarios against a real RabbitMQ and against Sluice, prints where they differ, and fails
# when a difference is not explained in docs/rabbitmq-differences.md. Usage: tests/rabbitmq.sh [BINARY [SCENARIO…]]
# Needs Debian's rabbitmq-server and python3-venv; pika comes from the package registry.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
binary=${1:-}
[ $# -eq 0 ] || shift
target=${CARGO_TARGET_DIR:-$root/target}
version=1.3.2

if [ -n "$binary" ]; then
    binary=$(realpath "$binary")
else
    cargo build --quiet --manifest-path "$root/Cargo.toml" -p sluice
    binary=$target/debug/sluice
fi
server=/usr/lib/rabbitmq/bin/rabbitmq-server
if [ ! -x "$server" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "please install rabbitmq-server (Debian) and run this again" >&2
        exit 1
    fi
    # Only the files are wanted: no service may start on this machine.
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d.sluice
    chmod +x /usr/sbin/policy-rc.d.sluice
    [ -e /usr/sbin/policy-rc.d ] || ln -s policy-rc.d.sluice /usr/sbin/policy-rc.d
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends rabbitmq-server
    [ "$(readlink /usr/sbin/policy-rc.d)" != policy-rc.d.sluice ] || rm /usr/sbin/policy-rc.d
    rm -f /usr/sbin/policy-rc.d.sluice
fi

tool=$target/pika-$version
if [ ! -x "$tool/bin/python" ] || ! "$tool/bin/python" -c 'import pika' 2>/dev/null; then
    rm -rf "$tool"
    python3 -m venv "$tool"
    "$tool/bin/pip" install --quiet "pika==$version"
fi
exec "$tool/bin/python" "$root/tests/rabbitmq/compare.py" "$server" "$binary" "$root/docs/rabbitmq-differences.md" "$@"
