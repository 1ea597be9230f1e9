//! Every workload of the table, in its order.

mod amqp;
mod batch;
mod compaction;
mod declare;
mod download;
mod engine;
mod kafka;
mod kafka_clients;
mod latency;
mod log_append;
mod log_read;
mod logins;
mod lookup;
mod memory;
mod partitions;
mod producers;
mod queues;
mod restart;
mod security;
mod single;
mod socket;
mod tls;

use log_engine::batch::Codec;

use crate::table::Line;
use kafka_clients::Tool;

/// A group of lines that are measured together.
pub struct Row {
    /// What to type to run it alone.
    pub name: &'static str,
    /// What it measures.
    pub about: &'static str,
    /// Runs it; answers the lines that it has not told by itself.
    pub run: fn() -> Vec<Line>,
}

/// All of them.
pub const ROWS: [Row; 57] = [
    Row { name: "single", about: "one message per HTTP request, beside a bare handler", run: single::leader },
    Row { name: "single-synced", about: "the same with acks=all", run: single::all },
    Row { name: "batch", about: "HTTP batches of 100 and 1,000: binary, JSON, NDJSON", run: batch::run },
    Row { name: "ws-queue", about: "WebSocket: publish, push, ack on a queue", run: socket::queue },
    Row { name: "ws-fanout", about: "WebSocket: one log to 100 subscribers", run: socket::fanout },
    Row { name: "engine-log", about: "the log engine and the journal alone", run: engine::log },
    Row { name: "engine-queue", about: "the queue engine and the journal alone", run: engine::queue },
    Row { name: "queues-many", about: "the queue engine with 1, 10 and 10,000 queues", run: queues::many },
    Row { name: "queues-fanout", about: "one message to 1,000 queues", run: queues::fanout },
    Row { name: "queues-priority", about: "priorities with 1 million ready", run: queues::priority },
    Row { name: "queues-delayed", about: "1 million delayed messages", run: queues::delayed },
    Row { name: "queues-keys", about: "order per key over 100,000 keys", run: queues::keys },
    Row { name: "queues-leases", about: "settling 1 million leases", run: queues::leases },
    Row {
        name: "latency",
        about: "1,000 messages a second over WebSocket beside a bare echo",
        run: latency::run,
    },
    Row { name: "download", about: "reading a 1 GiB log beside a plain file download", run: download::run },
    Row {
        name: "restart-queue",
        about: "restart after kill -9 with 1 and 10 million queued",
        run: restart::queued,
    },
    Row { name: "restart-log", about: "restart after kill -9 with a 1 and a 10 GiB log", run: restart::log },
    Row { name: "restart-names", about: "restart after kill -9 with 10,000 queues", run: restart::names },
    Row { name: "memory", about: "base; per idle queue, partition and connection", run: memory::idle },
    Row { name: "memory-queued", about: "10 million messages queued", run: memory::queued },
    Row { name: "log-append", about: "log appends beside large writes", run: log_append::unsynced },
    Row { name: "log-append-synced", about: "the same, each on disk", run: log_append::synced },
    Row { name: "log-producers", about: "idempotent and transactional appends", run: producers::run },
    Row { name: "log-read", about: "log reads beside sendfile and plain reads", run: log_read::run },
    Row { name: "log-compaction", about: "compaction of 1 GiB", run: compaction::run },
    Row { name: "log-time", about: "finding a time in a log of 10 GiB", run: lookup::time },
    Row { name: "log-offsets", about: "a million committed offsets", run: lookup::offsets },
    Row { name: "log-partitions", about: "10,000 partitions, opened and idle", run: partitions::run },
    Row { name: "permissions", about: "one question to 10,000 permission rules", run: security::permission },
    Row { name: "quotas", about: "measuring one request, with and without quotas", run: security::quotas },
    Row { name: "scram", about: "SCRAM logins, each over a new connection", run: logins::run },
    Row { name: "declare", about: "10,000 durable queues over one connection", run: declare::run },
    Row { name: "amqp", about: "AMQP on one queue, beside RabbitMQ", run: amqp::one_queue },
    Row { name: "amqp-lapin", about: "AMQP on one queue by lapin, beside RabbitMQ", run: amqp::lapin },
    Row { name: "amqp-latency", about: "AMQP at 1,000 and 10,000 messages a second", run: amqp::latency },
    Row { name: "amqp-memory", about: "memory of AMQP connections, queues and messages", run: amqp::memory },
    Row { name: "amqp-fanout", about: "AMQP to 100 queues at once", run: amqp::fanout },
    Row { name: "amqp-priority", about: "AMQP with 1 million ready of ten priorities", run: amqp::priority },
    Row { name: "amqp-queues", about: "AMQP over 10,000 queues", run: amqp::queues },
    Row { name: "amqp-crowd", about: "10 AMQP producers and 10 consumers on one queue", run: amqp::crowd },
    Row { name: "kafka-produce", about: "produce beside Apache Kafka: 100 B, 1 KiB", run: kafka::produce },
    Row { name: "kafka-synced", about: "the same, each batch on disk", run: kafka::produce_synced },
    Row { name: "kafka-single", about: "one record per produce request", run: kafka::single },
    Row { name: "kafka-partitions", about: "produce to 1,000 partitions in turn", run: kafka::partitions },
    Row { name: "kafka-consume", about: "fetch from the page cache and from the disk", run: kafka::consume },
    Row { name: "kafka-latency", about: "1,000 records a second, produced and fetched", run: kafka::latency },
    Row { name: "kafka-start", about: "start, first produce, resident memory", run: kafka::start },
    Row { name: "tls", about: "Kafka inside TLS beside Kafka without it", run: tls::run },
    Row {
        name: "kafka-perf-test",
        about: "kafka-producer-perf-test, 1 and 10",
        run: || kafka_clients::run(Tool::PerfTest, Codec::None),
    },
    Row {
        name: "kafka-perf-test-lz4",
        about: "the same with lz4",
        run: || kafka_clients::run(Tool::PerfTest, Codec::Lz4),
    },
    Row {
        name: "kafka-librdkafka",
        about: "kcat, 1 and 10",
        run: || kafka_clients::run(Tool::Kcat, Codec::None),
    },
    Row {
        name: "kafka-librdkafka-lz4",
        about: "the same with lz4",
        run: || kafka_clients::run(Tool::Kcat, Codec::Lz4),
    },
    Row {
        name: "kafka-verifiable-producer",
        about: "kafka-verifiable-producer, 1 and 10",
        run: || kafka_clients::run(Tool::VerifiableProducer, Codec::None),
    },
    Row {
        name: "kafka-verifiable-producer-lz4",
        about: "the same with lz4",
        run: || kafka_clients::run(Tool::VerifiableProducer, Codec::Lz4),
    },
    Row {
        name: "kafka-verifiable-consumer",
        about: "kafka-verifiable-consumer, 1 and 10",
        run: || kafka_clients::run(Tool::VerifiableConsumer, Codec::None),
    },
    Row {
        name: "kafka-verifiable-consumer-synced",
        about: "the same beside a Kafka that has commits on disk before it answers, too",
        run: kafka_clients::run_synced_commits,
    },
    Row {
        name: "kafka-verifiable-consumer-lz4",
        about: "kafka-verifiable-consumer of what lz4 packed",
        run: || kafka_clients::run(Tool::VerifiableConsumer, Codec::Lz4),
    },
];
