use std::io;
use std::sync::Arc;

use message::Timestamp;
use segment_store::{Block, Lsn};

use crate::engine::{Doomed, DoomedFiles};
use crate::partition::Freed;
use crate::record::LogRecord;
use crate::segment::SegmentState;
use crate::settle::{
    PartitionSettle, Removal, SEGMENTS_MAX, SettleJob, SettleOutcome, SettleResult, Settled,
};
use crate::{LogEngine, LogError, PartitionId};

/// Partitions in one job at most: each takes a sync of its own.
const PARTITIONS_MAX: usize = 1024;
/// What partitions with unsettled batches hold on average before settling is worth its syncs. Those that hold most settle
/// first, few at a time: where all are written alike, each brings twice as much.
const WORTHWHILE_BYTES: u64 = 256 << 10;
/// Bytes of one partition in one job, if there are batches beyond them: what settled leaves memory only when the job ends,
/// and until then the journal must be kept, and synced by a checkpoint.
const PARTITION_BYTES_MAX: u64 = 16 << 20;
/// Partitions without new batches whose directories are looked through in one job after a restart.
const CHECKS_MAX: usize = 128;
/// The pause after a failed attempt.
const RETRY_MS: i64 = 1000;

impl LogEngine {
    /// Whether the shell should take a settle job now.
    #[must_use]
    pub fn wants_settle(&self) -> bool {
        let settling = &self.settling;
        if settling.in_flight || settling.blocked_until.is_some() {
            return false;
        }
        self.has_much_unsettled()
            || settling.removal_due
            || !settling.aged.is_empty()
            || !settling.unchecked.is_empty()
            || settling.wanted_below > Lsn(0)
    }

    /// Whether memory alone makes settling worth its while.
    fn has_much_unsettled(&self) -> bool {
        self.settling.unsettled >= self.settles_from()
    }

    /// Unsettled bytes from which on records settle.
    fn settles_from(&self) -> u64 {
        let worthwhile = self.settling.dirty.len() as u64 * WORTHWHILE_BYTES;
        self.config.settle_bytes.max(worthwhile).min(self.config.unsettled_bytes_max / 2)
    }

    /// About how much settles in one job. What settled leaves memory when its job ends: with all partitions in one job as
    /// much again would come in meanwhile, and each would bring less for the same memory.
    fn job_bytes(&self) -> u64 {
        self.config.settle_bytes.max(self.settles_from() / 4)
    }

    /// Whether as much as a job takes came in on top of what settling began with: a shell that stops taking appends until
    /// the job's result is back spares memory that makes nothing faster, and its callers the refusal that comes at the
    /// limit.
    #[must_use]
    pub fn is_overrun(&self) -> bool {
        let enough = self.settles_from() + self.job_bytes();
        self.settling.in_flight
            && self.settling.unsettled >= enough.min(self.config.unsettled_bytes_max / 4 * 3)
    }

    /// Asks for everything that the journal holds below `lsn` to be settled, because it wants that room back.
    pub fn settle_below(&mut self, lsn: Lsn) {
        if self.oldest_needed().is_some_and(|oldest| oldest < lsn) {
            self.settling.wanted_below = self.settling.wanted_below.max(lsn);
        }
    }

    /// The job to run on a blocking thread, if there is something to do and no other job is under way.
    /// `durable` is how far the journal is synced: only what is given up durably is removed.
    pub fn take_settle_job(&mut self, durable: Lsn, now: Timestamp) -> Option<SettleJob> {
        if self.settling.in_flight || self.settling.blocked_until.is_some() {
            return None;
        }
        let removals = self.take_removals(durable, now);
        let mut partitions = Vec::new();
        for id in self.choose() {
            partitions.extend(self.settle_partition(id, true));
        }
        let unchecked = self.settling.unchecked.len().saturating_sub(CHECKS_MAX);
        for id in self.settling.unchecked.split_off(unchecked) {
            partitions.extend(self.settle_partition(id, false));
        }
        self.settling.removal_due = false;
        if partitions.is_empty() && removals.is_empty() {
            return None;
        }
        self.settling.in_flight = true;
        let (disk, buffers) = (Arc::clone(&self.disk), Arc::clone(&self.settling.buffers));
        Some(SettleJob { disk, buffers, partitions, removals, now })
    }

    /// Which partitions to settle: those that hold the journal back, then the largest, until they make a job.
    fn choose(&mut self) -> Vec<PartitionId> {
        let aged = std::mem::take(&mut self.settling.aged);
        let wanted = self.settling.wanted_below;
        self.settling.dirty.sort_unstable();
        self.settling.dirty.dedup();
        let mut ranked = Vec::with_capacity(self.settling.dirty.len());
        for id in &self.settling.dirty {
            let Some(partition) = self.partitions.get(id) else { continue };
            let Some(oldest) = partition.oldest_lsn() else { continue };
            let urgent = oldest < wanted || aged.contains(id);
            ranked.push((std::cmp::Reverse(urgent), std::cmp::Reverse(partition.tail_weight()), *id));
        }
        ranked.sort_unstable();
        let enough = self.has_much_unsettled().then(|| self.job_bytes());
        let mut covered = 0;
        let mut records = 0;
        let mut chosen = Vec::new();
        for (urgent, weight, id) in ranked {
            let Some(partition) = self.partitions.get(&id) else { continue };
            records += settled_len(weight.0, partition.config.segment_bytes());
            let full = chosen.len() >= PARTITIONS_MAX || records > Self::RECORDS_LEN_MAX as u64;
            let is_enough = enough.map_or(!urgent.0, |enough| covered >= enough);
            if is_enough || (full && !chosen.is_empty()) {
                break;
            }
            // What failed to be written, or may not be while it is compacted, tries in each job and keeps nobody from it.
            if !partition.unchecked {
                covered += weight.0;
            }
            chosen.push(id);
        }
        chosen
    }

    fn settle_partition(&mut self, id: PartitionId, write: bool) -> Option<PartitionSettle> {
        let partition = self.partitions.get_mut(&id)?;
        // A clean job writes files that the journal does not know yet: they are not to be taken for leftovers.
        if partition.settling
            || (!write && !partition.unchecked)
            || (partition.unchecked && partition.cleaning)
        {
            return None;
        }
        partition.settling = true;
        let last = partition.last_page.take();
        let holdings = partition.view.holdings.read();
        let known = |offsets: &[crate::segment::Segment]| offsets.iter().map(|s| s.state.name()).collect();
        Some(PartitionSettle {
            id,
            dir: partition.view.dir().clone(),
            config: partition.config,
            active: holdings.segments.last().filter(|last| !last.sealed).map(|last| last.state),
            last,
            check: partition.unchecked.then(|| known(&holdings.segments)),
            since: partition.tail_since,
            batches: if write { holdings.tail.first_bytes(PARTITION_BYTES_MAX) } else { Vec::new() },
            aborted: if write { holdings.aborted.iter().copied().collect() } else { Vec::new() },
        })
    }

    /// Takes a job's result: what settled leaves memory, and the block gets a record of it.
    pub fn settled(&mut self, block: &mut Block, result: SettleResult, now: Timestamp) -> SettleOutcome {
        self.settling.in_flight = false;
        let mut outcome = SettleOutcome::default();
        for (id, written) in result.partitions {
            let Some(partition) = self.partitions.get_mut(&id) else { continue };
            partition.settling = false;
            match written {
                Ok(Settled { states, last }) => {
                    partition.unchecked = false;
                    partition.last_page = last;
                    if states.is_empty() {
                        continue;
                    }
                    let freed = partition.apply_settled(&states);
                    outcome.freed_bytes += freed.weight;
                    let record = self.push(block, &LogRecord::Settled { partition: id, segments: states });
                    self.free(freed, record);
                }
                Err(error) => {
                    // Half-written files are put right by the next attempt.
                    partition.unchecked = true;
                    self.settling.blocked_until = Some(Timestamp(now.0.saturating_add(RETRY_MS)));
                    let name = partition.view.name();
                    let error = LogError::io(format!("writing segments of partition {name}"), error);
                    self.settling.disk_full |= matches!(error, LogError::DiskFull);
                    outcome.failed.push((id, error));
                }
            }
        }
        if outcome.failed.is_empty() {
            self.settling.disk_full = false;
        }
        for (removal, _) in result.not_removed {
            let what = DoomedFiles::Other(removal);
            self.settling.doomed.push(Doomed { record: Lsn(0), not_before: now, what });
        }
        let partitions = &self.partitions;
        self.settling
            .dirty
            .retain(|id| partitions.get(id).is_some_and(|partition| partition.oldest_lsn().is_some()));
        self.settling.oldest_known = None;
        if self.settling.unsettled < self.settles_from() / 2 {
            self.settling.buffers.give_up();
        }
        if self.oldest_needed().is_none_or(|oldest| oldest >= self.settling.wanted_below) {
            self.settling.wanted_below = Lsn(0);
        }
        outcome
    }

    /// The oldest position of the journal that logs need beside a checkpoint of their present state: where it holds the
    /// oldest unsettled batch. None when nothing is needed. Remembered, for the shell asks after every group.
    pub fn oldest_needed(&mut self) -> Option<Lsn> {
        if let Some(known) = self.settling.oldest_known {
            return known;
        }
        let partitions = self.settling.dirty.iter().filter_map(|id| self.partitions.get(id));
        let oldest = partitions.filter_map(crate::partition::Partition::oldest_lsn).min();
        self.settling.oldest_known = Some(oldest);
        oldest
    }

    /// Takes note of what moving a log's start gave up.
    pub(crate) fn free(&mut self, freed: Freed, record: Lsn) {
        self.settling.unsettled -= freed.weight;
        self.settling.oldest_known = None;
        let not_before = Timestamp(self.ticked.0.saturating_add(freed.keep_ms));
        for files in freed.segments {
            self.settling.doomed.push(Doomed { record, not_before, what: DoomedFiles::Segment(files) });
            self.settling.removal_due = true;
        }
    }

    fn take_removals(&mut self, durable: Lsn, now: Timestamp) -> Vec<Removal> {
        let mut removals = Vec::new();
        let settings = &self.settings;
        let full = self.settling.disk_full;
        self.settling.doomed.retain_mut(|doomed| {
            if doomed.record >= durable && doomed.record != Lsn(0) {
                return true;
            }
            if doomed.not_before > now && !full {
                return true;
            }
            match &mut doomed.what {
                DoomedFiles::Segment(files) => {
                    if Arc::strong_count(files) > 1 {
                        return true;
                    }
                    settings.cache.close(files.partition, files.name);
                    removals.extend(files.paths().map(Removal::File));
                }
                DoomedFiles::Other(removal) => removals.push(removal.clone()),
            }
            false
        });
        removals
    }

    /// Lets settling try again once the pause after a failure is over; answers when that is.
    pub(crate) fn unblock_settling(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.settling.blocked_until.is_some_and(|until| until <= now) {
            self.settling.blocked_until = None;
        }
        self.settling.blocked_until
    }
}

/// Bytes that the record of what settled may take for a partition with such a tail.
fn settled_len(weight: u64, segment_bytes: u64) -> u64 {
    16 + SegmentState::RECORD_LEN * (2 + weight / segment_bytes.max(1)).min(SEGMENTS_MAX as u64 + 1)
}

/// The directories under the logs' root that belong to no topic.
pub(crate) fn orphans(engine: &LogEngine) -> io::Result<Vec<Removal>> {
    let root = std::path::Path::new(crate::segment::PartitionDir::ROOT);
    let live: std::collections::HashSet<String> = engine
        .topics
        .values()
        .map(|topic| crate::segment::PartitionDir::topic_dir_name(topic.name.as_str(), topic.id))
        .collect();
    let entries = engine.disk.list(root)?;
    let orphans = entries.into_iter().filter(|entry| entry.is_dir && !live.contains(&entry.name));
    Ok(orphans.map(|entry| Removal::Directory(root.join(entry.name))).collect())
}
