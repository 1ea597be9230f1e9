#!/usr/bin/env bash
# The requests of java/EdgeCheck.java to a real Apache Kafka and to the broker: both have to answer the same error codes,
# but for those in java/edge-differences, and where both answer the same codes each error that Kafka explains has to be
# explained here, too. Usage: tests/kafka/edges.sh BINARY SCRATCH
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/broker.sh"
. "$here/libraries.sh"
binary=$(realpath "$1")
mkdir -p "$2"
scratch=$(realpath "$2")
fetch_libraries "$scratch"
classes=$scratch/edge-classes
mkdir -p "$classes"
javac -cp "$libraries/*" -d "$classes" "$here/java/EdgeCheck.java"
edges() { timeout 200 java -Xmx256m -XX:TieredStopAtLevel=1 -cp "$classes:$libraries/*" EdgeCheck "$1" "$2"; }

start_broker "$binary" "$scratch/broker-edges" --set kafka.node_id=1 --set kafka.auto_create_topics=false
edges "$kafka" "$scratch/messages-here" > "$scratch/edges-here"

home=$scratch/apache-kafka
rm -rf "$home" && mkdir -p "$home"
read -r port controller < <(python3 -c 'import socket
sockets = [socket.socket() for _ in range(2)]
for one in sockets: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in sockets])')
cat > "$home/server.properties" << SETTINGS
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$home/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
SETTINGS
java -cp "$libraries/*" kafka.tools.StorageTool format --standalone -t c2x1aWNlLWVkZ2VzLXRlcw -c "$home/server.properties" \
    > "$home/format" 2>&1
java -Xmx512m -cp "$libraries/*" kafka.Kafka "$home/server.properties" > "$home/log" 2>&1 &
apache=$!
# However this ends, neither broker stays behind.
trap 'kill "$apache" 2> /dev/null || true; stop_broker' EXIT
tries=0
until (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do
    kill -0 "$apache" && [ $((tries += 1)) -le 1000 ] || { tail -20 "$home/log"; exit 1; }
    sleep 0.1
done
status=0
edges "127.0.0.1:$port" "$scratch/messages-kafka" > "$scratch/edges-kafka" || status=$?
kill "$apache"
wait "$apache" || true
[ "$status" -eq 0 ] || { tail -20 "$home/log"; exit 1; }

diff "$scratch/edges-kafka" "$scratch/edges-here" | grep '^[<>]' > "$scratch/edges-differ" || true
if ! diff <(grep '^[<>]' "$here/java/edge-differences") "$scratch/edges-differ"; then
    echo "answers differ from Apache Kafka's (<) otherwise than java/edge-differences says"
    exit 1
fi
unexplained=$(paste "$scratch/edges-kafka" "$scratch/edges-here" "$scratch/messages-kafka" "$scratch/messages-here" \
    | awk -F '\t' '$1 == $2 && $6 < $3 { print $1 "\n  < " $5 "\n  > " $8 }')
if [ -n "$unexplained" ]; then
    echo "$unexplained"
    echo "errors that Apache Kafka explains (<) are not, or not all, explained here (>)"
    exit 1
fi
echo "$(wc -l < "$scratch/edges-here") requests were answered as Apache Kafka does, or as is known"
