use std::sync::Arc;

use message::Timestamp;
use segment_store::{Block, Lsn, RecordKind};

use crate::batch::{Batch, BatchHeader, ControlRecord, TimestampType};
use crate::cleaner::CleanPoint;
use crate::engine::Settling;
use crate::producer::{Producer, ProducerEpoch, ProducerId, ProducerTable};
use crate::producers::UNDATED;
use crate::record::append_head;
use crate::segment::{LastPage, Segment, SegmentFiles, SegmentState};
use crate::tail::TailBatch;
use crate::transaction::TransactionOutcome;
use crate::{Offset, PartitionId, PartitionView, TopicConfig, Visible};

/// One partition for its owner.
#[derive(Debug)]
pub(crate) struct Partition {
    pub view: Arc<PartitionView>,
    pub config: TopicConfig,
    pub leader_epoch: i32,
    /// The offset that the next record gets.
    pub next_offset: Offset,
    /// Whether a settle job works on it.
    pub settling: bool,
    /// The page that its last segment ended with when it settled, where the next job goes on.
    pub last_page: Option<LastPage>,
    /// Whether its directory may hold what a crash or a failed write left.
    pub unchecked: bool,
    /// Whether it is on the engine's list of partitions that grew in this drain.
    pub advanced: bool,
    /// When the oldest batch of the tail came.
    pub tail_since: Timestamp,
    /// Who wrote to it lately.
    pub producers: ProducerTable,
    /// Records appended since the last sync that `flush.messages` asked for.
    pub unflushed: u64,
    /// How far compaction has come.
    pub clean: CleanPoint,
    /// Whether a clean job works on it.
    pub cleaning: bool,
    /// Whether the last one left a part for lack of memory.
    pub clean_on: bool,
    /// After a failure, no attempt before this.
    pub clean_after: Timestamp,
    /// The highest that any of its segments has, or was to have.
    pub generation: u32,
}

/// What moving a log's start set free.
#[derive(Debug, Default)]
pub(crate) struct Freed {
    /// Memory of tail batches.
    pub weight: u64,
    /// Segments whose files can go.
    pub segments: Vec<Arc<SegmentFiles>>,
    /// How long they stay in any case, in milliseconds.
    pub keep_ms: i64,
}

impl Partition {
    pub(crate) fn new(view: Arc<PartitionView>, config: TopicConfig, now: Timestamp) -> Partition {
        Partition {
            view,
            config,
            leader_epoch: 0,
            next_offset: Offset(0),
            settling: false,
            last_page: None,
            unchecked: false,
            advanced: false,
            tail_since: now,
            producers: ProducerTable::default(),
            unflushed: 0,
            clean: CleanPoint::START,
            cleaning: false,
            clean_on: false,
            clean_after: Timestamp(0),
            generation: 0,
        }
    }

    /// Gives a batch the next offsets, in the journal and in memory.
    pub(crate) fn place(
        &mut self,
        block: &mut Block,
        batch: Batch,
        settling: &mut Settling,
        advanced: &mut Vec<PartitionId>,
        now: Timestamp,
    ) -> BatchHeader {
        let id = self.view.id();
        let append_time = (self.config.timestamp_type() == TimestampType::LogAppendTime).then_some(now);
        let (header, bytes) = batch.place(self.next_offset, self.leader_epoch, append_time);
        let lsn = block.push(RecordKind::LOG, &[&append_head(id), &bytes]);
        let batch = TailBatch::new(&header, lsn, bytes);
        settling.add(batch.weight(), lsn);
        if self.push(batch, now) {
            settling.dirty.push(id);
        }
        if !std::mem::replace(&mut self.advanced, true) {
            advanced.push(id);
        }
        header
    }

    /// Takes note of a marker that has its place; tells whether the producer was unknown.
    pub(crate) fn end_transaction(
        &mut self,
        producer: Producer,
        outcome: TransactionOutcome,
        marker: Offset,
        now: Timestamp,
    ) -> bool {
        let (new, aborted) = self.producers.end(producer, outcome, marker, now);
        if let Some(aborted) = aborted {
            self.view.holdings.write().aborted.push_back(aborted);
        }
        new
    }

    /// Takes note of what a batch from the journal says of its producer.
    pub(crate) fn replay_producer(&mut self, header: &BatchHeader, batch: &[u8]) {
        if !header.is_control() {
            self.producers.record(header, UNDATED);
            return;
        }
        let outcome = match ControlRecord::read(batch) {
            Some(ControlRecord::Commit) => TransactionOutcome::Commit,
            Some(ControlRecord::Abort) => TransactionOutcome::Abort,
            None => return,
        };
        let producer =
            Producer { id: ProducerId(header.producer_id), epoch: ProducerEpoch(header.producer_epoch) };
        self.end_transaction(producer, outcome, header.base_offset, UNDATED);
    }

    /// Takes a batch that has its place, and tells whether the tail was empty before.
    pub(crate) fn push(&mut self, batch: TailBatch, now: Timestamp) -> bool {
        self.next_offset = batch.last.next();
        self.view.add_bytes(batch.bytes.len() as u64);
        let mut holdings = self.view.holdings.write();
        let first = holdings.tail.is_empty();
        holdings.tail.push(batch);
        drop(holdings);
        self.view.set_log_end(self.next_offset);
        if first {
            self.tail_since = now;
        }
        first
    }

    /// How far readers may see once everything up to now is as durable as was asked.
    pub(crate) fn visible(&self) -> Visible {
        let stable = self.producers.first_open().unwrap_or(self.next_offset);
        Visible { end: self.next_offset, stable }
    }

    /// Where the journal holds the oldest batch that has not settled.
    pub(crate) fn oldest_lsn(&self) -> Option<Lsn> {
        self.view.holdings.read().tail.first().map(|batch| batch.lsn)
    }

    /// Whether there is a tail, and its segment should be closed by now.
    pub(crate) fn is_tail_old(&self, now: Timestamp) -> bool {
        let Some(base) = self.view.holdings.read().tail.first().map(|batch| batch.base) else { return false };
        self.config.is_segment_old((self.view.id(), base), self.tail_since, now)
    }

    /// Memory of the batches that have not settled.
    pub(crate) fn tail_weight(&self) -> u64 {
        self.view.holdings.read().tail.weight()
    }

    /// Where the tail begins: everything before it is in segments, or gone.
    pub(crate) fn settled_end(&self) -> Offset {
        self.view.holdings.read().tail.first().map_or(self.next_offset, |batch| batch.base)
    }

    /// Takes over what settling wrote, and drops what it covers from the tail.
    pub(crate) fn apply_settled(&mut self, states: &[SegmentState]) -> Freed {
        let mut holdings = self.view.holdings.write();
        for state in states {
            match holdings.segments.iter_mut().rev().find(|segment| segment.state.base == state.base) {
                Some(segment) => segment.update(*state),
                None => {
                    if let Some(last) = holdings.segments.last_mut() {
                        last.sealed = true;
                    }
                    holdings.segments.push(Segment::new(self.view.id(), self.view.dir(), *state));
                }
            }
        }
        let end = states.last().map_or(Offset(0), |state| state.end);
        let weight = holdings.tail.drop_below(end);
        holdings.drop_aborted_below(end);
        drop(holdings);
        self.next_offset = self.next_offset.max(end);
        self.view.set_log_end(self.next_offset);
        let freed = self.move_start(self.view.log_start());
        Freed { weight: weight + freed.weight, ..freed }
    }

    /// Takes what a checkpoint says. The log may start inside a batch that has not settled and is yet to come from
    /// the journal.
    pub(crate) fn restore(&mut self, start: Offset, settled: Offset, states: &[SegmentState]) {
        self.next_offset = settled;
        self.view.set_log_end(settled);
        self.view.set_log_start(start);
        let mut holdings = self.view.holdings.write();
        for (number, state) in states.iter().enumerate() {
            let mut segment = Segment::new(self.view.id(), self.view.dir(), *state);
            segment.sealed |= number + 1 < states.len();
            self.generation = self.generation.max(state.generation);
            holdings.segments.push(segment);
        }
        self.view.count_bytes(&holdings);
    }

    /// Drops what lies before `start`: batches of the tail, and whole segments. The segment that a settle job may be
    /// adding to stays until the job has reported.
    pub(crate) fn move_start(&mut self, start: Offset) -> Freed {
        self.view.set_log_start(start);
        self.next_offset = self.next_offset.max(start);
        self.view.set_log_end(self.next_offset);
        let mut holdings = self.view.holdings.write();
        let weight = holdings.tail.drop_below(start);
        holdings.drop_aborted_below(start);
        let mut gone = holdings.segments.partition_point(|segment| segment.state.end <= start);
        if self.settling {
            gone = gone.min(holdings.segments.len().saturating_sub(1));
        }
        let segments = holdings.segments.drain(..gone).map(|segment| segment.files).collect();
        if holdings.segments.is_empty() {
            holdings.segments = Vec::new();
        }
        self.view.count_bytes(&holdings);
        Freed { weight, segments, keep_ms: self.config.file_delete_delay_ms() }
    }
}
