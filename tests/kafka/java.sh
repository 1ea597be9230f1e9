#!/usr/bin/env bash
# Java: Apache Kafka's own command-line tools from Maven Central. Usage: tests/kafka/java.sh BINARY SCRATCH
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/broker.sh"
. "$here/libraries.sh"
binary=$(realpath "$1")
mkdir -p "$2"
scratch=$(realpath "$2")
fetch_libraries "$scratch"
tool() {
    local class=$1
    shift
    timeout 120 java -Xmx256m -XX:TieredStopAtLevel=1 -cp "${classes:+$classes:}$libraries/*" "$class" "$@"
}
topics() { tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$kafka" "$@"; }
configs() { tool kafka.admin.ConfigCommand --bootstrap-server "$kafka" "$@"; }
groups() { tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand --bootstrap-server "$kafka" "$@"; }
expect() {
    local wanted=$1
    shift
    local told
    told=$("$@" 2>&1) || { echo "$told"; echo "failed: $*"; exit 1; }
    grep -qE -- "$wanted" <<< "$told" || { echo "$told"; echo "not told $wanted: $*"; exit 1; }
}
start_broker "$binary" "$scratch/broker-java"

echo "kafka-topics and kafka-configs"
expect 'Created topic' topics --create --topic plain --partitions 3 --config retention.ms=60000
expect 'PartitionCount: 3.*retention.ms=60000' topics --describe --topic plain
expect 'plain' topics --list
expect 'Completed updating' configs --alter --entity-type topics --entity-name plain --add-config segment.bytes=1048576
expect 'segment.bytes=1048576' configs --describe --entity-type topics --entity-name plain
expect 'Completed updating' configs --alter --entity-type topics --entity-name plain --delete-config retention.ms
topics --alter --topic plain --partitions 5
expect 'PartitionCount: 5' topics --describe --topic plain

expect 'Created topic' topics --create --topic latest --config cleanup.policy=compact
expect 'cleanup.policy=compact' topics --describe --topic latest
expect 'Completed updating' configs --alter --entity-type topics --entity-name latest \
    --add-config 'cleanup.policy=[compact,delete]'
expect 'cleanup.policy=compact,delete' configs --describe --entity-type topics --entity-name latest
topics --delete --topic latest

echo "kafka-configs, quotas"
expect 'Completed updating' configs --alter --entity-type users --entity-name alice \
    --add-config 'producer_byte_rate=1048576,consumer_byte_rate=2097152'
expect "user-principal 'alice' are .*producer_byte_rate=1048576" configs --describe --entity-type users --entity-name alice
expect 'Completed updating' configs --alter --entity-type users --entity-name alice --delete-config consumer_byte_rate
expect "user-principal 'alice' are producer_byte_rate=1048576(\.0)?$" configs --describe --entity-type users --entity-name alice
expect 'Completed updating' configs --alter --entity-type clients --entity-default --add-config consumer_byte_rate=4194304
expect 'default client-id are consumer_byte_rate=4194304' configs --describe --entity-type clients --entity-default
refused=$(configs --alter --entity-type users --entity-name alice --add-config request_percentage=50 2>&1 || true)
grep -q 'requests_per_s' <<< "$refused" || { echo "request_percentage was not explained: $refused"; exit 1; }
expect 'Completed updating' configs --alter --entity-type users --entity-name alice --delete-config producer_byte_rate

echo "kafka-console-producer and kafka-console-consumer"
seq 100 | sed 's#.*#key-&:value-&#' | tool org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$kafka" --topic plain \
    --property parse.key=true --property key.separator=: > /dev/null
tool org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$kafka" --topic plain --from-beginning \
    --group console --max-messages 100 2> /dev/null | sort > "$scratch/consumed"
seq -f 'value-%g' 100 | sort | cmp - "$scratch/consumed"

echo "kafka-consumer-groups"
expect 'console' groups --list
expect 'console +plain +0 ' groups --describe --group console
expect 'console +plain +0 +0' groups --group console --topic plain --reset-offsets --to-earliest --execute
expect 'Deletion of requested consumer groups .*successful' groups --delete --group console

echo "kafka-verifiable-producer and kafka-verifiable-consumer"
expect '"sent":5000,.*"acked":5000' tool org.apache.kafka.tools.VerifiableProducer --bootstrap-server "$kafka" \
    --topic plain --max-messages 5000 --acks -1
expect '"name":"records_consumed"' tool org.apache.kafka.tools.VerifiableConsumer --bootstrap-server "$kafka" \
    --topic plain --group-id verifiable --max-messages 5100

echo "kafka-verifiable-producer and kafka-verifiable-consumer through kill -9"
topics --create --topic killed --partitions 1
printf '%s\n' enable.idempotence=true acks=all retries=2147483647 delivery.timeout.ms=110000 request.timeout.ms=5000 \
    reconnect.backoff.max.ms=200 > "$scratch/patient"
sent=30000
tool org.apache.kafka.tools.VerifiableProducer --bootstrap-server "$kafka" --topic killed --max-messages $sent \
    --throughput 6000 --acks -1 --command-config "$scratch/patient" > "$scratch/acked" 2> /dev/null &
producer=$!
tool org.apache.kafka.tools.VerifiableConsumer --bootstrap-server "$kafka" --topic killed --group-id killed --verbose \
    --reset-policy earliest > "$scratch/read" 2> /dev/null &
consumer=$!
# As often as a sixth of the records has been acknowledged.
for part in 1 2 3 4; do
    until [ "$(grep -c producer_send_success "$scratch/acked")" -gt $((part * sent / 6)) ]; do
        kill -0 "$producer" || { tail -5 "$scratch/acked"; exit 1; }
        sleep 0.05
    done
    crash_broker "$binary"
done
wait "$producer"
grep -q "\"sent\":$sent,.*\"acked\":$sent" "$scratch/acked" || { tail -3 "$scratch/acked"; exit 1; }
until [ "$(grep -o '"value":"[0-9]*"' "$scratch/read" | sort -u | wc -l)" -eq $sent ]; do
    kill -0 "$consumer" || { tail -5 "$scratch/read"; exit 1; }
    sleep 0.3
done
kill "$consumer"
wait "$consumer" || true
# The log holds each record once, in order.
expect "^killed:0:$sent\$" tool org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$kafka" --topic killed
tool org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$kafka" --topic killed --from-beginning \
    --max-messages $sent 2> /dev/null | cmp - <(seq 0 $((sent - 1)))
topics --delete --topic killed

echo "kafka-producer-perf-test and kafka-transactions"
expect '20000 records sent' tool org.apache.kafka.tools.ProducerPerformance --topic plain --num-records 20000 \
    --record-size 100 --throughput -1 --producer-props bootstrap.servers="$kafka" compression.type=lz4
tool org.apache.kafka.tools.ProducerPerformance --topic plain --num-records 2000 --record-size 100 --throughput -1 \
    --transactional-id perf --transaction-duration-ms 100 --producer-props bootstrap.servers="$kafka" > /dev/null
expect 'perf' tool org.apache.kafka.tools.TransactionsCommand --bootstrap-server "$kafka" list
expect 'CompleteCommit' tool org.apache.kafka.tools.TransactionsCommand --bootstrap-server "$kafka" describe \
    --transactional-id perf
transactions() { tool org.apache.kafka.tools.TransactionsCommand --bootstrap-server "$kafka" "$@"; }
expect 'perf' transactions list --transactional-id-pattern 'p.rf'
[ -z "$(transactions list --transactional-id-pattern 'per' | grep perf || true)" ]
expect 'None' transactions describe-producers --topic plain --partition 0
transactions find-hanging --topic plain > /dev/null
# A producer that dies with its transaction open; an administrator ends it.
topics --create --topic hanging --partitions 1 > /dev/null
java -Xmx256m -cp "$libraries/*" org.apache.kafka.tools.ProducerPerformance --topic hanging --num-records 1000000 \
    --record-size 100 --throughput 100 --transactional-id hanging --transaction-duration-ms 600000 \
    --producer-props bootstrap.servers="$kafka" > /dev/null 2>&1 &
producer=$!
until started=$(transactions describe-producers --topic hanging --partition 0 | awk 'NR == 2 && $6 ~ /^[0-9]+$/ { print $6 }') \
    && [ -n "$started" ]; do kill -0 "$producer"; done
expect 'hanging .*Ongoing' transactions list
kill -9 "$producer"
wait "$producer" 2> /dev/null || true
transactions abort --topic hanging --partition 0 --start-offset "$started"
expect 'CompleteAbort' transactions describe --transactional-id hanging
topics --delete --topic hanging

topics --delete --topic plain
[ -z "$(topics --list | grep '^plain$' || true)" ]

. "$here/operations.sh"
. "$here/share.sh"
. "$here/delegation_tokens.sh"
echo "Apache Kafka's tools did everything"
