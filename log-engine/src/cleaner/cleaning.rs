use std::sync::Arc;

use message::Timestamp;
use segment_store::{Block, Lsn};

use super::CleanPoint;
use super::history::LastWords;
use super::job::{CleanJob, CleanOutcome, CleanResult};
use crate::partition::{Freed, Partition};
use crate::record::LogRecord;
use crate::segment::{Segment, SegmentState};
use crate::{LogEngine, LogError, Offset, PartitionId};

/// The pause after a failed attempt.
const RETRY_MS: i64 = 60_000;

/// Which partitions wait for compaction, and whether one is at work.
#[derive(Default)]
pub(crate) struct Cleaning {
    in_flight: bool,
    /// The dirtiest last.
    due: Vec<PartitionId>,
}

/// How much of a partition could be compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dirt {
    /// How many segments from the front.
    segments: usize,
    /// Bytes of them that were not compacted yet, and of all of them.
    dirty: u64,
    total: u64,
}

impl LogEngine {
    /// Whether the shell should take a clean job now.
    #[must_use]
    pub fn wants_clean(&self) -> bool {
        !self.cleaning.in_flight && !self.cleaning.due.is_empty()
    }

    /// The job to run on a blocking thread, if a log is dirty enough and no other job is under way.
    pub fn take_clean_job(&mut self, now: Timestamp) -> Option<CleanJob> {
        if self.cleaning.in_flight {
            return None;
        }
        while let Some(id) = self.cleaning.due.pop() {
            if let Some(job) = self.clean_partition(id, now) {
                self.cleaning.in_flight = true;
                return Some(job);
            }
        }
        None
    }

    fn clean_partition(&mut self, id: PartitionId, now: Timestamp) -> Option<CleanJob> {
        let partition = self.partitions.get_mut(&id)?;
        // Looked at again: the partition may have changed since it was found dirty.
        let dirt = partition.is_cleaning_due(now)?;
        partition.cleaning = true;
        partition.generation += 1;
        let mut holdings = partition.view.holdings.write();
        let segments = holdings.segments.get_mut(..dirt.segments).unwrap_or_default();
        // What is compacted gets no more batches, also if it was the one that grew.
        segments.iter_mut().for_each(|segment| segment.sealed = true);
        let segments = segments.to_vec();
        drop(holdings);
        Some(CleanJob {
            disk: Arc::clone(&self.disk),
            partition: id,
            dir: partition.view.dir().clone(),
            config: partition.config,
            segments,
            dirty_from: partition.clean.to,
            log_start: partition.view.log_start(),
            view: Arc::clone(&partition.view),
            last_words: LastWords::of(&partition.producers),
            generation: partition.generation,
            map_bytes: self.config.cleaner_bytes,
            secret: self.config.hash_secret,
            decompressed_max: self.config.limits.decompressed_bytes,
            now,
        })
    }

    /// Takes a job's result: readers see the new segments, and the block gets a record of it.
    pub fn cleaned(&mut self, block: &mut Block, result: CleanResult, now: Timestamp) -> CleanOutcome {
        self.cleaning.in_flight = false;
        let id = result.partition;
        let mut outcome = CleanOutcome { partition: id, bytes: (0, 0), failed: None };
        let Some(partition) = self.partitions.get_mut(&id) else { return outcome };
        partition.cleaning = false;
        match result.outcome {
            Ok(cleaned) => {
                let len = |segments: &[SegmentState]| segments.iter().map(|segment| segment.len).sum();
                outcome.bytes = (cleaned.bytes_read, len(&cleaned.segments));
                partition.clean_on = cleaned.partly;
                let freed =
                    partition.apply_cleaned((cleaned.from, cleaned.to), &cleaned.segments, cleaned.clean);
                let record = LogRecord::Cleaned {
                    partition: id,
                    from: cleaned.from,
                    to: cleaned.to,
                    clean: cleaned.clean,
                    segments: cleaned.segments,
                };
                let record = self.push(block, &record);
                self.free(freed, record);
            }
            Err(error) => {
                partition.clean_after = Timestamp(now.0.saturating_add(RETRY_MS));
                let name = partition.view.name();
                let error = LogError::io(format!("compacting partition {name}"), error);
                self.settling.disk_full |= matches!(error, LogError::DiskFull);
                outcome.failed = Some(error);
            }
        }
        outcome
    }

    /// Looks for partitions that are dirty enough, the dirtiest last.
    pub(crate) fn find_dirty(&mut self, now: Timestamp) {
        let mut found = Vec::new();
        for (id, partition) in self.partitions.iter().filter(|(_, one)| one.config.cleanup().compact) {
            if let Some(dirt) = partition.is_cleaning_due(now) {
                let share = u128::from(dirt.dirty) * 1_000_000 / u128::from(dirt.total.max(1));
                found.push((share, *id));
            }
        }
        found.sort_unstable();
        self.cleaning.due = found.into_iter().map(|(_, id)| id).collect();
    }
}

impl Partition {
    /// What could be compacted, if it is time for that.
    fn is_cleaning_due(&self, now: Timestamp) -> Option<Dirt> {
        let may = self.config.cleanup().compact
            && !self.cleaning
            && !self.unchecked
            && !self.view.is_deleted()
            && self.clean_after <= now;
        if !may {
            return None;
        }
        let dirt = self.dirt(now);
        if dirt.segments == 0 {
            return None;
        }
        let waited = now.0.saturating_sub(self.config.max_compaction_lag_ms());
        let due = self.config.is_dirty_enough(dirt.dirty, dirt.total)
            || (dirt.dirty > 0
                && (self.clean_on || self.oldest_dirty().is_some_and(|oldest| oldest.0 < waited)))
            || self.clean.horizon <= now;
        due.then_some(dirt)
    }

    fn dirt(&self, now: Timestamp) -> Dirt {
        let stable = self.stable_end();
        let lag = self.config.min_compaction_lag_ms();
        let holdings = self.view.holdings.read();
        let last = holdings.segments.len().saturating_sub(1);
        let mut dirt = Dirt { segments: 0, dirty: 0, total: 0 };
        for (at, segment) in holdings.segments.iter().enumerate() {
            let state = &segment.state;
            let grows = at == last && !segment.sealed && !self.is_complete(state, now);
            let young = lag > 0 && state.end > self.clean.to && now.0.saturating_sub(state.newest().0) < lag;
            if grows || young || state.end > stable {
                break;
            }
            dirt.segments += 1;
            dirt.total += state.len;
            if state.end > self.clean.to {
                dirt.dirty += state.len;
            }
        }
        dirt
    }

    /// Whether the segment that grew last gets no more batches because of its age.
    fn is_complete(&self, state: &SegmentState, now: Timestamp) -> bool {
        !self.settling && self.config.is_segment_old((self.view.id(), state.base), state.created, now)
    }

    /// When the oldest segment was begun that is not compacted as a whole.
    fn oldest_dirty(&self) -> Option<Timestamp> {
        let holdings = self.view.holdings.read();
        holdings.segments.iter().find(|segment| segment.state.end > self.clean.to).map(|s| s.state.created)
    }

    /// Where records begin whose fate is not decided: compaction must not look at them.
    fn stable_end(&self) -> Offset {
        self.view.last_stable_offset()
    }

    /// Puts compacted segments in the place of those of a stretch. Those that retention removed meanwhile stay away.
    pub(crate) fn apply_cleaned(
        &mut self,
        (from, to): (Offset, Offset),
        states: &[SegmentState],
        clean: CleanPoint,
    ) -> Freed {
        let start = self.view.log_start();
        let mut holdings = self.view.holdings.write();
        let first = holdings.segments.partition_point(|segment| segment.state.base < from);
        let after = holdings.segments.partition_point(|segment| segment.state.base < to);
        let mut fresh: Vec<_> =
            states.iter().map(|state| Segment::new(self.view.id(), self.view.dir(), *state)).collect();
        // When nothing of the stretch is left, nothing of its copy is wanted either.
        let wanted = |segment: &Segment| first < after && segment.state.end > start;
        let unwanted: Vec<_> = fresh.extract_if(.., |segment| !wanted(segment)).collect();
        let replaced: Vec<_> = holdings.segments.splice(first..after, fresh).collect();
        self.view.count_bytes(&holdings);
        drop(holdings);
        self.clean = clean;
        self.generation = states.iter().map(|state| state.generation).fold(self.generation, u32::max);
        let segments = replaced.into_iter().chain(unwanted).map(|segment| segment.files).collect();
        Freed { weight: 0, segments, keep_ms: self.config.file_delete_delay_ms() }
    }

    /// Takes what a checkpoint says about compaction.
    pub(crate) fn restore_clean(&mut self, clean: CleanPoint) {
        self.clean = clean;
    }
}

impl LogEngine {
    /// What the journal says about compaction.
    pub(crate) fn replay_cleaned(
        &mut self,
        id: PartitionId,
        stretch: (Offset, Offset),
        states: &[SegmentState],
        clean: CleanPoint,
        lsn: Lsn,
    ) {
        if let Some(partition) = self.partitions.get_mut(&id) {
            let freed = partition.apply_cleaned(stretch, states, clean);
            self.free(freed, lsn);
        }
    }
}
