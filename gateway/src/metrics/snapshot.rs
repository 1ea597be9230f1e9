use std::collections::BTreeMap;

use super::histogram::HistogramFigures;

/// What the seam knows at one moment. Read-outs only: nothing in it is kept up to date.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The journal.
    pub journal: JournalFigures,
    /// From taking a group of commands to releasing its answers.
    pub commit: HistogramFigures,
    /// One `fdatasync` of the journal.
    pub sync: HistogramFigures,
    /// Messages, since the start.
    pub totals: Totals,
    /// Every queue.
    pub queues: Vec<QueueFigures>,
    /// Every log.
    pub logs: Vec<LogFigures>,
    /// Every consumer group.
    pub groups: Vec<GroupFigures>,
}

/// The journal.
#[derive(Clone, Copy, Debug, Default)]
pub struct JournalFigures {
    /// Bytes written since the start.
    pub written_bytes: u64,
    /// Bytes of segments that are still needed.
    pub retained_bytes: u64,
    /// Bytes that publishes may still take before the disk counts as full.
    pub room_bytes: u64,
    /// Free bytes of the file system that the journal is on, where that is known.
    pub free_bytes: Option<u64>,
}

/// Messages since the start, both models together unless said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Taken from publishers.
    pub received: u64,
    /// Taken with a promise that was kept (`acks` other than `none`).
    pub confirmed: u64,
    /// Put into at least one queue or log.
    pub routed: u64,
    /// Published to an exchange that had nowhere to put it.
    pub unroutable_dropped: u64,
    /// Handed to consumers.
    pub delivered: u64,
    /// Of those, handed to subscriptions that settle nothing. Queues only.
    pub pushed_for_good: u64,
    /// Of those, taken by whoever came for a message, to be settled. Queues only.
    pub taken: u64,
    /// Of those, taken by whoever came for a message, for good. Queues only.
    pub taken_for_good: u64,
    /// Handed out again. Queues only.
    pub redelivered: u64,
    /// Settled for good. Queues only.
    pub acknowledged: u64,
    /// Leases that ran out. Queues only.
    pub leases_expired: u64,
    /// Dead-lettered because their time ran out.
    pub dead_lettered_expired: u64,
    /// Dead-lettered because a consumer rejected them.
    pub dead_lettered_rejected: u64,
    /// Dead-lettered because the queue was at its limit.
    pub dead_lettered_maxlen: u64,
    /// Dead-lettered because they were handed out too often.
    pub dead_lettered_delivery_limit: u64,
}

impl Totals {
    /// Handed to subscriptions that settle them.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.delivered.saturating_sub(self.pushed_for_good + self.taken + self.taken_for_good)
    }
}

/// One queue.
#[derive(Clone, Debug, Default)]
pub struct QueueFigures {
    /// Its name.
    pub name: String,
    /// Messages that a consumer could get now.
    pub ready: u64,
    /// Messages under a lease.
    pub unacked: u64,
    /// Messages whose time has not come.
    pub delayed: u64,
    /// Bytes of bodies.
    pub bytes: u64,
    /// Subscriptions.
    pub consumers: u64,
}

impl QueueFigures {
    /// All messages that the queue holds.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.ready + self.unacked + self.delayed
    }
}

/// One log.
#[derive(Clone, Debug, Default)]
pub struct LogFigures {
    /// Its name.
    pub name: String,
    /// Its partitions, in order.
    pub partitions: Vec<PartitionFigures>,
}

/// One partition.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartitionFigures {
    /// First offset that can be read.
    pub oldest: i64,
    /// The next offset.
    pub current: i64,
    /// Bytes kept.
    pub bytes: u64,
}

/// One consumer group.
#[derive(Clone, Debug, Default)]
pub struct GroupFigures {
    /// Its name.
    pub name: String,
    /// Members now.
    pub members: u64,
    /// What it committed.
    pub partitions: Vec<GroupPartitionFigures>,
}

impl GroupFigures {
    /// Records behind the end, per log.
    #[must_use]
    pub fn lag_by_topic(&self) -> BTreeMap<&str, u64> {
        let mut lag = BTreeMap::new();
        for it in &self.partitions {
            *lag.entry(it.topic.as_str()).or_default() += it.lag;
        }
        lag
    }
}

/// One partition that a group committed.
#[derive(Clone, Debug, Default)]
pub struct GroupPartitionFigures {
    /// The log.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The committed offset.
    pub committed: i64,
    /// Records behind the end.
    pub lag: u64,
    /// The age of the oldest of them; 0 when there is none. Absent when it has no time.
    pub lag_seconds: Option<f64>,
}
