# Sourced by java.sh: share groups with Apache Kafka's share consumer and its tools, on logs and queues, over a kill.
shares() { tool org.apache.kafka.tools.consumer.group.ShareGroupCommand --bootstrap-server "$kafka" "$@"; }
share_check() { expect "$1 is as it should be" tool ShareCheck "$kafka" "$http" "$1"; }
console_share() {
    tool org.apache.kafka.tools.consumer.ConsoleShareConsumer --bootstrap-server "$kafka" "$@" 2> /dev/null | sort
}

mkdir -p "$scratch/share-classes"
javac -cp "$libraries/*" -d "$scratch/share-classes" "$here/java/ShareCheck.java"
classes=$scratch/share-classes
kill "$broker" && wait "$broker"
start_broker "$binary" "$scratch/broker-share" --set share_groups.min_record_lock_ms=1000

for topic in share-log share-transactions share-killed share-tools; do
    topics --create --topic "$topic" --partitions 1 > /dev/null
done

echo "KafkaShareConsumer: every way to settle, transactions, queues beside HTTP"
share_check log
share_check transactions
share_check queue

echo "KafkaShareConsumer over a kill of the broker"
share_check before-kill
kill_broker
run_broker "$binary" --set share_groups.min_record_lock_ms=1000
share_check after-kill

echo "kafka-console-share-consumer and kafka-verifiable-share-consumer"
expect 'Completed updating' configs --alter --entity-type groups --entity-name console-share \
    --add-config share.auto.offset.reset=earliest
expect 'share.auto.offset.reset=earliest' configs --describe --entity-type groups --entity-name console-share
seq -f 'value-%g' 50 | tool org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$kafka" --topic share-tools > /dev/null
console_share --topic share-tools --group console-share --max-messages 20 > "$scratch/shared"
console_share --topic share-tools --group console-share --max-messages 30 >> "$scratch/shared"
sort "$scratch/shared" | cmp - <(seq -f 'value-%g' 50 | sort)
expect '"name":"records_consumed"' tool org.apache.kafka.tools.VerifiableShareConsumer --bootstrap-server "$kafka" \
    --topic share-tools --group-id verifiable-share --offset-reset-strategy earliest --acknowledgement-mode sync \
    --max-messages 50

echo "kafka-share-groups"
expect 'console-share' shares --list
expect 'console-share +Empty' shares --list --state
expect 'console-share +share-tools +0 +50 +0' shares --describe --group console-share
expect 'console-share .*Empty' shares --describe --group console-share --state
expect 'console-share +share-tools +0 +0' shares --reset-offsets --group console-share --topic share-tools --to-earliest --execute
expect 'console-share +share-tools +0 +0 +50' shares --describe --group console-share
console_share --topic share-tools --group console-share --max-messages 50 | cmp - <(seq -f 'value-%g' 50 | sort)
expect 'share-tools +Successful' shares --delete-offsets --group console-share --topic share-tools
expect 'Deletion of requested share groups .*successful' shares --delete --group console-share
[ -z "$(shares --list | grep '^console-share$' || true)" ]
topics --delete --topic share-tools
