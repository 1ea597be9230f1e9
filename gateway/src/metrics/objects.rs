use super::family::Families;
use super::snapshot::Snapshot;

/// A series for every queue, partition and group.
pub fn per_object(families: &mut Families, snapshot: &Snapshot) {
    queues(families, snapshot);
    logs(families, snapshot);
    groups(families, snapshot);
}

fn queues(families: &mut Families, snapshot: &Snapshot) {
    type Read = fn(&super::QueueFigures) -> u64;
    let gauges: [(&str, &str, Read); 6] = [
        ("rabbitmq_queue_messages_ready", "Messages ready to be delivered", |queue| queue.ready),
        ("rabbitmq_queue_messages_unacked", "Messages under a lease", |queue| queue.unacked),
        ("rabbitmq_queue_messages", "Messages ready, under a lease, or delayed", |queue| queue.messages()),
        ("rabbitmq_queue_messages_bytes", "Bytes of message bodies", |queue| queue.bytes),
        ("rabbitmq_queue_consumers", "Subscriptions", |queue| queue.consumers),
        ("sluice_queue_messages_delayed", "Messages whose time has not come", |queue| queue.delayed),
    ];
    for (name, help, read) in gauges {
        let mut samples = families.gauges(name, help);
        for queue in &snapshot.queues {
            samples.sample(&[("vhost", "/"), ("queue", &queue.name)], read(queue) as f64);
        }
    }
}

fn logs(families: &mut Families, snapshot: &Snapshot) {
    let mut samples = families.gauges("kafka_topic_partitions", "Partitions of the log");
    for log in &snapshot.logs {
        samples.sample(&[("topic", &log.name)], log.partitions.len() as f64);
    }
    type Read = fn(&super::PartitionFigures) -> f64;
    let gauges: [(&str, &str, Read); 3] = [
        ("kafka_topic_partition_current_offset", "The next offset of the partition", |it| it.current as f64),
        ("kafka_topic_partition_oldest_offset", "The first offset that can be read", |it| it.oldest as f64),
        ("sluice_log_partition_bytes", "Bytes kept of the partition", |it| it.bytes as f64),
    ];
    for (name, help, read) in gauges {
        let mut samples = families.gauges(name, help);
        for log in &snapshot.logs {
            for (number, partition) in log.partitions.iter().enumerate() {
                samples.sample(&[("topic", &log.name), ("partition", &number.to_string())], read(partition));
            }
        }
    }
}

fn groups(families: &mut Families, snapshot: &Snapshot) {
    let mut samples = families.gauges("kafka_consumergroup_members", "Members of the group");
    for group in &snapshot.groups {
        samples.sample(&[("consumergroup", &group.name)], group.members as f64);
    }
    let mut samples = families.gauges(
        "kafka_consumergroup_lag_sum",
        "Records behind the end, over the group's partitions of the topic",
    );
    for group in &snapshot.groups {
        for (topic, lag) in group.lag_by_topic() {
            samples.sample(&[("consumergroup", &group.name), ("topic", topic)], lag as f64);
        }
    }
    type Read = fn(&super::GroupPartitionFigures) -> f64;
    let gauges: [(&str, &str, Read); 2] = [
        ("kafka_consumergroup_current_offset", "The committed offset", |it| it.committed as f64),
        ("kafka_consumergroup_lag", "Records behind the end of the partition", |it| it.lag as f64),
    ];
    for (name, help, read) in gauges {
        let mut samples = families.gauges(name, help);
        for group in &snapshot.groups {
            for it in &group.partitions {
                let partition = it.partition.to_string();
                samples.sample(
                    &[("consumergroup", &group.name), ("topic", &it.topic), ("partition", &partition)],
                    read(it),
                );
            }
        }
    }
    // kafka_exporter knows no lag in time; kafka-lag-exporter does, and calls the group `group`.
    let mut samples = families.gauges(
        "kafka_consumergroup_group_lag_seconds",
        "Age of the oldest record of the partition that the group has not committed",
    );
    for group in &snapshot.groups {
        for it in &group.partitions {
            let Some(seconds) = it.lag_seconds else { continue };
            let partition = it.partition.to_string();
            samples
                .sample(&[("group", &group.name), ("topic", &it.topic), ("partition", &partition)], seconds);
        }
    }
}
