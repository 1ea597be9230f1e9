//! What the seam counts and how it fares, for metrics and readiness.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use log_engine::GroupDescription;
use message::ErrorCode;
use parking_lot::Mutex;
use queue_engine::{Delivery, QueueTotals};
use segment_store::DiskSpace;

use super::group_lag::Age;
use super::queue_topic::LOOK;
use super::shard::Turn;
use super::{LogTopic, Topics};
use crate::metrics::{
    GroupFigures, GroupPartitionFigures, Histogram, JournalFigures, LogFigures, PartitionFigures,
    QueueFigures, Snapshot, Totals,
};
use crate::refusal::Refusal;

/// Counters that only grow, and the two ways of being unwell. Written by the owner, read by anybody.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    pub commit: Histogram,
    pub sync: Histogram,
    pub received: AtomicU64,
    pub confirmed: AtomicU64,
    pub routed: AtomicU64,
    pub unroutable: AtomicU64,
    pub delivered: AtomicU64,
    pub redelivered: AtomicU64,
    pub acknowledged: AtomicU64,
    pub written_bytes: AtomicU64,
    pub disk_full: AtomicBool,
    pub memory_high: AtomicBool,
    pub failed: Mutex<Option<String>>,
    /// What queues that were deleted had counted.
    pub gone_queues: Mutex<QueueTotals>,
}

/// Why publishers have to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The process holds more memory than it should.
    Memory,
    /// There is no room for more messages.
    Disk,
}

impl Alarm {
    /// What RabbitMQ calls it.
    #[must_use]
    pub fn resource(self) -> &'static str {
        match self {
            Alarm::Memory => "memory",
            Alarm::Disk => "disk",
        }
    }

    /// How AMQP clients are told, in RabbitMQ's words.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Alarm::Memory => "low on memory",
            Alarm::Disk => "low on disk",
        }
    }
}

impl Vitals {
    pub(crate) fn count(counter: &AtomicU64, by: usize) {
        counter.fetch_add(by as u64, Relaxed);
    }

    pub(crate) fn count_deliveries(&self, run: &[Delivery]) {
        Vitals::count(&self.delivered, run.len());
        Vitals::count(&self.redelivered, run.iter().filter(|delivery| delivery.redelivered).count());
    }

    /// A deleted queue's counts stay in the sums: a counter that falls reads as a restart.
    pub(crate) fn keep_counts_of(&self, gone: &QueueTotals) {
        let mut kept = self.gone_queues.lock();
        add(&mut kept, gone);
    }
}

fn add(sum: &mut QueueTotals, one: &QueueTotals) {
    sum.pushed_for_good += one.pushed_for_good;
    sum.taken += one.taken;
    sum.taken_for_good += one.taken_for_good;
    sum.leases_expired += one.leases_expired;
    sum.dead_expired += one.dead_expired;
    sum.dead_rejected += one.dead_rejected;
    sum.dead_maxlen += one.dead_maxlen;
    sum.dead_delivery_limit += one.dead_delivery_limit;
}

impl Topics {
    /// Whether requests should come here: not while it goes down, not when the disk is full, not after storage failed.
    pub fn readiness(&self) -> Result<(), Refusal> {
        self.check_not_draining()?;
        if let Some(why) = self.vitals().failed.lock().as_ref() {
            let detail = format!("storage failed ({why}); restart the server to recover");
            return Err(Refusal::new(ErrorCode::StorageFailed, detail));
        }
        if self.vitals().disk_full.load(Relaxed) {
            return Err(Refusal::new(ErrorCode::DiskFull, "the disk is full; free space, nothing is lost"));
        }
        Ok(())
    }

    /// Says whether the process holds more memory than it should.
    pub fn set_memory_alarm(&self, raised: bool) {
        self.vitals().memory_high.store(raised, Relaxed);
    }

    /// Why publishers have to wait, if they have to. Two atomic loads.
    #[must_use]
    pub fn alarm(&self) -> Option<Alarm> {
        match (self.vitals().memory_high.load(Relaxed), self.vitals().disk_full.load(Relaxed)) {
            (true, _) => Some(Alarm::Memory),
            (false, true) => Some(Alarm::Disk),
            (false, false) => None,
        }
    }

    /// Refuses messages from doors that cannot tell their clients to wait. The disk is asked when they arrive.
    pub(crate) fn check_takes_messages(&self) -> Result<(), Refusal> {
        self.check_not_draining()?;
        if self.vitals().memory_high.load(Relaxed) {
            let detail = "the server holds as much memory as it may; try again when messages were consumed";
            return Err(Refusal::new(ErrorCode::LowMemory, detail));
        }
        Ok(())
    }

    /// Whether there is no room for more messages.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.vitals().disk_full.load(Relaxed)
    }

    /// What publishers have to wait for.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        let raised = [(&self.vitals().memory_high, Alarm::Memory), (&self.vitals().disk_full, Alarm::Disk)];
        raised.into_iter().filter(|(flag, _)| flag.load(Relaxed)).map(|(_, alarm)| alarm).collect()
    }

    /// How much the disk holds, and how much of that is free, where it tells.
    pub async fn disk_space(&self) -> Result<Option<DiskSpace>, Refusal> {
        self.shard().call(LOOK, |turn: &mut Turn<'_>| turn.journal.disk_space()).await
    }

    /// Everything that metrics show, at one moment.
    pub async fn snapshot(&self) -> Result<Snapshot, Refusal> {
        let look = |turn: &mut Turn<'_>| {
            let queues: Vec<_> = turn.engines.queue.queues().collect();
            let log = &turn.engines.log;
            let groups: Vec<_> = log.groups().filter_map(|name| log.describe_group(name).ok()).collect();
            let journal = &turn.journal;
            (queues, groups, journal.retained_bytes(), (journal.room(), journal.disk_space()))
        };
        let (queues, groups, retained_bytes, (room_bytes, disk)) = self.shard().call(LOOK, look).await?;
        let groups = self.with_ages(groups).await;
        let vitals = self.vitals();
        let mut sums = *vitals.gone_queues.lock();
        queues.iter().for_each(|queue| add(&mut sums, &queue.totals));
        let logs = self.directory().logs();
        Ok(Snapshot {
            journal: JournalFigures {
                written_bytes: vitals.written_bytes.load(Relaxed),
                retained_bytes,
                room_bytes,
                free_bytes: disk.map(|disk| disk.free),
            },
            commit: vitals.commit.figures(),
            sync: vitals.sync.figures(),
            totals: totals(vitals, &sums),
            queues: queues.iter().map(queue_figures).collect(),
            logs: logs.iter().map(log_figures).collect(),
            groups: groups.iter().map(|(group, ages)| group_figures(group, ages)).collect(),
        })
    }
}

fn totals(vitals: &Vitals, sums: &QueueTotals) -> Totals {
    Totals {
        received: vitals.received.load(Relaxed),
        confirmed: vitals.confirmed.load(Relaxed),
        routed: vitals.routed.load(Relaxed),
        unroutable_dropped: vitals.unroutable.load(Relaxed),
        delivered: vitals.delivered.load(Relaxed),
        pushed_for_good: sums.pushed_for_good,
        taken: sums.taken,
        taken_for_good: sums.taken_for_good,
        redelivered: vitals.redelivered.load(Relaxed),
        acknowledged: vitals.acknowledged.load(Relaxed),
        leases_expired: sums.leases_expired,
        dead_lettered_expired: sums.dead_expired,
        dead_lettered_rejected: sums.dead_rejected,
        dead_lettered_maxlen: sums.dead_maxlen,
        dead_lettered_delivery_limit: sums.dead_delivery_limit,
    }
}

fn queue_figures(queue: &queue_engine::QueueInfo) -> QueueFigures {
    QueueFigures {
        name: queue.name.to_string(),
        ready: queue.ready,
        unacked: queue.leased,
        delayed: queue.delayed,
        bytes: queue.bytes,
        consumers: queue.consumers,
    }
}

fn log_figures(log: &LogTopic) -> LogFigures {
    let partitions = log.0.partitions.iter().map(|partition| PartitionFigures {
        oldest: partition.view.log_start().0,
        current: partition.view.high_watermark().0,
        bytes: partition.view.size_bytes(),
    });
    LogFigures { name: log.name().to_string(), partitions: partitions.collect() }
}

fn group_figures(group: &GroupDescription, ages: &[Age]) -> GroupFigures {
    let partitions = group.partitions.iter().zip(ages).filter_map(|(one, age)| {
        Some(GroupPartitionFigures {
            topic: one.partition.topic.to_string(),
            partition: one.partition.partition,
            committed: one.committed.as_ref()?.offset.0,
            lag: one.lag,
            lag_seconds: age.seconds(),
        })
    });
    GroupFigures {
        name: group.listing.name.to_string(),
        members: group.members.len() as u64,
        partitions: partitions.collect(),
    }
}
