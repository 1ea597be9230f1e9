# Sourced by java.sh, whose functions it uses: the tools with which operators look after topics, offsets and the broker.

echo "kafka-consumer-groups, kafka-get-offsets, kafka-delete-records"
topics --create --topic kept --partitions 1 > /dev/null
seq 60 | tool org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$kafka" --topic kept > /dev/null
reset() { groups --group operated --topic kept --reset-offsets "$@"; }
expect 'operated +kept +0 +0' reset --to-datetime 2000-01-01T00:00:00.000 --execute
expect 'operated +kept +0 +60' reset --to-datetime 2100-01-01T00:00:00.000 --dry-run
expect 'operated +kept +0 +0' reset --by-duration PT1H --execute
expect 'operated +kept +0 +60' reset --shift-by 1000 --execute
expect 'kept,0,60' reset --to-current --export --dry-run
expect 'operated .*Empty +0' groups --group operated --describe --state
offsets() { tool org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$kafka" "$@"; }
printf '{"partitions":[{"topic":"kept","partition":0,"offset":10}],"version":1}' > "$scratch/deleted.json"
expect 'partition: kept-0.*low_watermark: 10' tool org.apache.kafka.tools.DeleteRecordsCommand \
    --bootstrap-server "$kafka" --offset-json-file "$scratch/deleted.json"
expect '^kept:0:10$' offsets --topic kept --time earliest
expect '^kept:0:60$' offsets --topic-partitions kept:0 --time latest
expect '^kept:0:[0-9]+$' offsets --topic kept --time max-timestamp

echo "kafka-log-dirs, kafka-leader-election, kafka-reassign-partitions, kafka-cluster, kafka-features"
expect '"partition":"kept-0","size":[1-9]' tool org.apache.kafka.tools.LogDirsCommand --bootstrap-server "$kafka" \
    --describe --topic-list kept
expect 'Valid replica already elected' tool org.apache.kafka.tools.LeaderElectionCommand --bootstrap-server "$kafka" \
    --election-type preferred --topic kept --partition 0
printf '{"version":1,"partitions":[{"topic":"kept","partition":0,"replicas":[77]}]}' > "$scratch/moved.json"
refused=$(tool org.apache.kafka.tools.reassign.ReassignPartitionsCommand --bootstrap-server "$kafka" \
    --reassignment-json-file "$scratch/moved.json" --execute 2>&1 || true)
grep -q '77' <<< "$refused" || { echo "a move to no broker was not explained: $refused"; exit 1; }
expect 'No partition reassignments found' tool org.apache.kafka.tools.reassign.ReassignPartitionsCommand \
    --bootstrap-server "$kafka" --list
expect 'unfenced +broker' tool org.apache.kafka.tools.ClusterTool list-endpoints --bootstrap-server "$kafka"
expect 'transaction.version.*FinalizedVersionLevel: 2' tool org.apache.kafka.tools.FeatureCommand \
    --bootstrap-server "$kafka" describe
expect 'Produce\(0\): 0 to 13' tool org.apache.kafka.tools.BrokerApiVersionsCommand --bootstrap-server "$kafka"
expect 'LeaderId: ' tool org.apache.kafka.tools.MetadataQuorumCommand --bootstrap-server "$kafka" describe --status
refused=$(configs --alter --entity-type brokers --entity-default --add-config log.cleaner.threads=2 2>&1 || true)
grep -q 'configuration file' <<< "$refused" || { echo "a broker's setting was not explained: $refused"; exit 1; }
group_configs() { configs --entity-type groups --entity-name operated "$@"; }
expect 'Completed updating' group_configs --alter --add-config consumer.session.timeout.ms=50000
expect 'consumer.session.timeout.ms=50000.*DYNAMIC_GROUP_CONFIG' group_configs --describe
expect 'consumer.heartbeat.interval.ms=5000.*DEFAULT_CONFIG' group_configs --describe --all
refused=$(group_configs --alter --add-config consumer.session.timeout.ms=1 2>&1 || true)
grep -q '45000 to 60000' <<< "$refused" || { echo "a session that is too short was not explained: $refused"; exit 1; }
expect 'Completed updating' group_configs --alter --delete-config consumer.session.timeout.ms
expect 'operated' tool org.apache.kafka.tools.GroupsCommand --bootstrap-server "$kafka" --list
groups --delete --group operated > /dev/null
topics --delete --topic kept
