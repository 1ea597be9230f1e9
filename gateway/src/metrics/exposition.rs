use std::sync::atomic::Ordering::Relaxed;

use prometheus::TextEncoder;

use super::family::Families;
use super::http_counters::HttpCounters;
use super::objects::per_object;
use super::snapshot::Snapshot;
use crate::auth::{Guard, LoginCounts};
use crate::http::server::Connections;
use crate::shovel::ShovelFigures;

/// How much `/metrics` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Sums: as many series with ten topics as with ten thousand.
    Aggregated,
    /// And a series for every queue, partition and group.
    PerObject,
}

/// What the process knows besides the seam.
#[derive(Clone, Copy, Debug)]
pub struct Process<'a> {
    /// Requests.
    pub http: &'a HttpCounters,
    /// Connections.
    pub connections: &'a Connections,
    /// Who counts how often quotas held somebody up, once the data is open.
    pub guard: Option<&'a Guard>,
    /// When the server started, in seconds since the epoch.
    pub started_at: f64,
    /// Logins, once the data is open.
    pub logins: Option<&'a LoginCounts>,
    /// Shovels, once the data is open.
    pub shovels: Option<ShovelFigures>,
    /// When the server's certificate ends, in seconds since the epoch; without TLS there is none.
    pub certificate_ends_at: Option<i64>,
}

/// The text that Prometheus reads (exposition format 0.0.4).
pub fn render(
    process: &Process<'_>,
    snapshot: Option<&Snapshot>,
    detail: Detail,
) -> Result<String, prometheus::Error> {
    let mut families = Families::default();
    server(&mut families, process);
    security(&mut families, process);
    if let Some(guard) = process.guard {
        quotas(&mut families, guard);
    }
    if let Some(figures) = process.shovels {
        shovels(&mut families, figures);
    }
    if let Some(snapshot) = snapshot {
        totals(&mut families, snapshot);
        storage(&mut families, snapshot);
        sums(&mut families, snapshot, detail);
        if detail == Detail::PerObject {
            per_object(&mut families, snapshot);
        }
    }
    TextEncoder::new().encode_to_string(&families.done())
}

fn server(families: &mut Families, process: &Process<'_>) {
    let version = env!("CARGO_PKG_VERSION");
    families
        .gauges("sluice_build_info", "Always 1; the labels tell the version")
        .sample(&[("version", version)], 1.0);
    // RabbitMQ's dashboards join every panel with this one.
    families
        .gauges("rabbitmq_identity_info", "Always 1; names the node for dashboards made for RabbitMQ")
        .sample(
            &[
                ("rabbitmq_node", "sluice@localhost"),
                ("rabbitmq_cluster", "sluice"),
                ("rabbitmq_cluster_permanent_id", "sluice"),
            ],
            1.0,
        );
    families.gauge(
        "process_start_time_seconds",
        "When the server started, since the epoch",
        process.started_at,
    );
    if let Some(bytes) = super::process::resident_bytes() {
        families.gauge("process_resident_memory_bytes", "Memory held by the process", bytes as f64);
    }
    let connections = process.connections;
    families.gauge(
        "sluice_http_connections",
        "Connections that are open, WebSockets included",
        connections.open() as f64,
    );
    families.counter("sluice_http_connections_accepted_total", "Connections taken", connections.accepted());
    families.counter(
        "sluice_http_connections_refused_total",
        "Connections turned away at the limit",
        connections.refused(),
    );
    families.counter(
        "sluice_http_connections_timed_out_total",
        "Connections closed because nothing moved",
        connections.timed_out(),
    );
    families.gauge(
        "sluice_http_requests_in_flight",
        "Requests that wait for their answer",
        process.http.in_flight() as f64,
    );
    let mut requests =
        families.counters("sluice_http_requests_total", "Requests answered, by route, method and status");
    for (route, method, status, count) in process.http.counted() {
        let status = status.to_string();
        requests.sample(&[("route", route.label()), ("method", method), ("status", &status)], count as f64);
    }
}

fn security(families: &mut Families, process: &Process<'_>) {
    if let Some(logins) = process.logins {
        let mut by_result = families.counters("sluice_logins_total", "Logins through every door, by result");
        by_result.sample(&[("result", "succeeded")], logins.succeeded.load(Relaxed) as f64);
        by_result.sample(&[("result", "failed")], logins.failed.load(Relaxed) as f64);
        families.counter(
            "sluice_access_denied_total",
            "Things that somebody who had logged in was not allowed to do",
            logins.denied.load(Relaxed),
        );
    }
    if let Some(ends_at) = process.certificate_ends_at {
        families.gauge(
            "sluice_tls_certificate_not_after_seconds",
            "When the server's certificate ends, since the epoch",
            ends_at as f64,
        );
    }
}

/// What quotas held up; a limit that never did is left out.
fn quotas(families: &mut Families, guard: &Guard) {
    let held_up: Vec<_> = guard.quotas().throttles().filter(|one| one.times > 0).collect();
    let mut times = families.counters(
        "sluice_quota_throttled_total",
        "Times that a quota held somebody up or refused them, by door and limit",
    );
    for one in &held_up {
        times.sample(&[("door", one.door), ("quota", one.measure.as_str())], one.times as f64);
    }
    let mut seconds = families.counters(
        "sluice_quota_throttled_seconds_total",
        "Time that clients were told to wait because of quotas",
    );
    for one in &held_up {
        seconds.sample(&[("door", one.door), ("quota", one.measure.as_str())], one.seconds);
    }
}

fn shovels(families: &mut Families, figures: ShovelFigures) {
    let ShovelFigures { starting, running, blocked, terminated, forwarded, failures } = figures;
    let mut states = families.gauges("sluice_shovels", "Shovels, by what they do");
    for (state, count) in
        [("starting", starting), ("running", running), ("blocked", blocked), ("terminated", terminated)]
    {
        states.sample(&[("state", state)], count as f64);
    }
    families.counter(
        "sluice_shovel_forwarded_messages_total",
        "Messages that shovels sent on, those counted again that were sent again",
        forwarded,
    );
    families.counter(
        "sluice_shovel_failures_total",
        "Times that a shovel stopped because something failed",
        failures,
    );
}

fn totals(families: &mut Families, snapshot: &Snapshot) {
    let totals = &snapshot.totals;
    let counters = [
        ("rabbitmq_global_messages_received_total", "Messages taken from publishers", totals.received),
        ("rabbitmq_global_messages_confirmed_total", "Messages confirmed to publishers", totals.confirmed),
        (
            "rabbitmq_global_messages_routed_total",
            "Messages put into at least one queue or log",
            totals.routed,
        ),
        (
            "rabbitmq_global_messages_unroutable_dropped_total",
            "Messages that no binding took",
            totals.unroutable_dropped,
        ),
        ("rabbitmq_global_messages_delivered_total", "Messages handed to consumers", totals.delivered),
        ("rabbitmq_global_messages_redelivered_total", "Messages handed out again", totals.redelivered),
        ("rabbitmq_global_messages_acknowledged_total", "Messages settled by consumers", totals.acknowledged),
        (
            "rabbitmq_global_messages_dead_lettered_expired_total",
            "Messages dead-lettered: time to live",
            totals.dead_lettered_expired,
        ),
        (
            "rabbitmq_global_messages_dead_lettered_rejected_total",
            "Messages dead-lettered: rejected",
            totals.dead_lettered_rejected,
        ),
        (
            "rabbitmq_global_messages_dead_lettered_maxlen_total",
            "Messages dead-lettered: queue full",
            totals.dead_lettered_maxlen,
        ),
        (
            "rabbitmq_global_messages_dead_lettered_delivery_limit_total",
            "Messages dead-lettered: delivered too often",
            totals.dead_lettered_delivery_limit,
        ),
        ("sluice_leases_expired_total", "Leases that ran out", totals.leases_expired),
    ];
    for (name, help, value) in counters {
        families.counter(name, help, value);
    }
}

fn storage(families: &mut Families, snapshot: &Snapshot) {
    let journal = &snapshot.journal;
    families.counter(
        "sluice_journal_written_bytes_total",
        "Bytes written to the journal",
        journal.written_bytes,
    );
    families.gauge(
        "sluice_journal_retained_bytes",
        "Bytes of journal segments still needed",
        journal.retained_bytes as f64,
    );
    families.gauge(
        "sluice_journal_room_bytes",
        "Bytes that publishes may take before the disk counts as full",
        journal.room_bytes as f64,
    );
    families.histogram(
        "sluice_commit_seconds",
        "From taking a group of commands to answering it",
        &snapshot.commit,
    );
    families.histogram("sluice_journal_sync_seconds", "One fdatasync of the journal", &snapshot.sync);
}

/// Sums over all objects. Where a series per object has the same name the sum must not be there too: it would be
/// counted twice.
fn sums(families: &mut Families, snapshot: &Snapshot, detail: Detail) {
    let mut topics = families.gauges("sluice_topics", "Topics, by model");
    topics.sample(&[("model", "queue")], snapshot.queues.len() as f64);
    topics.sample(&[("model", "log")], snapshot.logs.len() as f64);
    families.gauge("rabbitmq_queues", "Queues", snapshot.queues.len() as f64);
    let consumers: u64 = snapshot.queues.iter().map(|queue| queue.consumers).sum();
    families.gauge("rabbitmq_consumers", "Subscriptions to queues", consumers as f64);
    families.gauge("sluice_groups", "Consumer groups", snapshot.groups.len() as f64);
    if detail == Detail::PerObject {
        return;
    }
    let queues = |read: fn(&super::QueueFigures) -> u64| snapshot.queues.iter().map(read).sum::<u64>() as f64;
    families.gauge(
        "rabbitmq_queue_messages_ready",
        "Messages ready to be delivered",
        queues(|queue| queue.ready),
    );
    families.gauge(
        "rabbitmq_queue_messages_unacked",
        "Messages under a lease",
        queues(|queue| queue.unacked),
    );
    families.gauge(
        "rabbitmq_queue_messages",
        "Messages ready, under a lease, or delayed",
        queues(super::QueueFigures::messages),
    );
    families.gauge("rabbitmq_queue_messages_bytes", "Bytes of message bodies", queues(|queue| queue.bytes));
    families.gauge(
        "sluice_queue_messages_delayed",
        "Messages whose time has not come",
        queues(|queue| queue.delayed),
    );
    let partitions = || snapshot.logs.iter().flat_map(|log| &log.partitions);
    families.gauge("kafka_topic_partitions", "Partitions of all logs", partitions().count() as f64);
    let bytes: u64 = partitions().map(|partition| partition.bytes).sum();
    families.gauge("sluice_log_partition_bytes", "Bytes kept of all partitions", bytes as f64);
    let members: u64 = snapshot.groups.iter().map(|group| group.members).sum();
    families.gauge("kafka_consumergroup_members", "Members of all groups", members as f64);
    let lag: u64 = snapshot.groups.iter().flat_map(|group| &group.partitions).map(|it| it.lag).sum();
    families.gauge("kafka_consumergroup_lag_sum", "Records behind the end, over all groups", lag as f64);
    let ages = snapshot.groups.iter().flat_map(|group| &group.partitions).filter_map(|it| it.lag_seconds);
    families.gauge(
        "kafka_consumergroup_group_lag_seconds",
        "Age of the oldest record that a group has not committed, the largest of all groups",
        ages.fold(0.0, f64::max),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_certificate_is_told_where_there_is_one() {
        let (http, connections) = (HttpCounters::default(), Connections::default());
        let told = |certificate_ends_at| {
            let process = Process {
                guard: None,
                http: &http,
                connections: &connections,
                started_at: 0.0,
                logins: None,
                shovels: None,
                certificate_ends_at,
            };
            render(&process, None, Detail::Aggregated).unwrap()
        };
        assert!(
            told(Some(1_800_000_000)).contains("\nsluice_tls_certificate_not_after_seconds 1800000000\n")
        );
        assert!(!told(None).contains("sluice_tls"));
    }
}
