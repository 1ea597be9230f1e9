#!/usr/bin/env bash
# Kafka Streams, exactly once over a kill of the broker, and Kafka Connect with two workers, one of which is killed: a file is
# copied into a log, exactly once, and from there into another. Usage: tests/kafka/streams.sh BINARY SCRATCH
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/broker.sh"
. "$here/libraries.sh"
binary=$(realpath "$1")
mkdir -p "$2"
scratch=$(realpath "$2")
fetch_libraries "$scratch"
classes=$scratch/streams-classes
mkdir -p "$classes"
javac -cp "$libraries/*" -d "$classes" "$here/java/StreamsCheck.java"

echo "Kafka Streams"
start_broker "$binary" "$scratch/broker-streams"
state=$scratch/streams-state
rm -rf "$state" && mkdir -p "$state"
coproc application { timeout 240 java -Xmx512m -cp "$classes:$libraries/*" StreamsCheck "$kafka" "$state" 2>&1; }
application_pid=$application_PID
exec 5<&"${application[0]}" 6>&"${application[1]}"
outcome="the application said nothing"
while read -r line <&5; do
    case $line in
        crash) crash_broker "$binary" && echo go >&6 ;;
        totals*) outcome=$line ;;
    esac
done
echo "$outcome"
wait "$application_pid"

echo "Kafka Connect"
read -r one two < <(python3 -c 'import socket
sockets = [socket.socket() for _ in range(2)]
for each in sockets: each.bind(("127.0.0.1", 0))
print(*[each.getsockname()[1] for each in sockets])')
work=$scratch/connect
rm -rf "$work" && mkdir -p "$work"
workers=()
trap 'kill -9 "${workers[@]}" 2> /dev/null || true; stop_broker' EXIT
worker() {
    cat > "$work/$1.properties" << SETTINGS
bootstrap.servers=$kafka
group.id=connect-cluster
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.storage.topic=connect-offsets
offset.storage.replication.factor=1
config.storage.topic=connect-configs
config.storage.replication.factor=1
status.storage.topic=connect-status
status.storage.replication.factor=1
session.timeout.ms=6000
heartbeat.interval.ms=1000
scheduled.rebalance.max.delay.ms=1000
exactly.once.source.support=enabled
plugin.discovery=service_load
listeners=http://127.0.0.1:$1
SETTINGS
    java -Xmx384m -cp "$libraries/*" org.apache.kafka.connect.cli.ConnectDistributed "$work/$1.properties" \
        > "$work/$1.log" 2>&1 &
    workers+=($!)
}
# until COMMAND…: as soon as it succeeds; not for ever.
until_true() {
    local deadline=$((SECONDS + 120))
    until "$@"; do
        [ $SECONDS -lt $deadline ] || { echo "did not come: $*"; tail -5 "$work"/*.log; return 1; }
        sleep 0.2
    done
}
serves() { curl -sf "http://127.0.0.1:$1/connectors" > /dev/null; }
connector() {
    curl -sS --fail-with-body -X PUT -H content-type:application/json "http://127.0.0.1:$one/connectors/$1/config" -d "$2" > /dev/null
}
has_lines() { [ "$(cat "$work/out" 2> /dev/null | wc -l)" -ge "$1" ]; }
worker "$one"
worker "$two"
until_true serves "$one"
until_true serves "$two"
seq 1000 > "$work/in"
until_true connector source "{\"connector.class\": \"org.apache.kafka.connect.file.FileStreamSourceConnector\", \"file\": \"$work/in\",
    \"topic\": \"lines\", \"exactly.once.support\": \"required\"}"
until_true connector sink "{\"connector.class\": \"org.apache.kafka.connect.file.FileStreamSinkConnector\", \"file\": \"$work/out\",
    \"topics\": \"lines\"}"
until_true has_lines 1000
kill -9 "${workers[0]}"
wait "${workers[0]}" 2> /dev/null || true
seq 1001 2000 >> "$work/in"
until_true has_lines 2000
# The log has each line once; the sink, which promises less, at least once.
held=$(timeout 60 java -Xmx256m -XX:TieredStopAtLevel=1 -cp "$libraries/*" org.apache.kafka.tools.consumer.ConsoleConsumer \
    --bootstrap-server "$kafka" --topic lines --from-beginning --isolation-level read_committed --timeout-ms 5000 2> /dev/null || true)
[ "$held" = "$(seq 2000)" ] || { echo "the log does not have each line once, in order: $(wc -l <<< "$held")"; exit 1; }
[ "$(sort -un "$work/out")" = "$(seq 2000)" ] || { echo "the sink has not all lines"; exit 1; }
echo "2000 lines, each once, over the kill of a worker"
