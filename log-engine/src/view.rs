use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use message::TopicName;
use parking_lot::RwLock;

use crate::segment::{self, PartitionDir, Segment, SegmentCache, SegmentFault, Want};
use crate::tail::Tail;
use crate::transaction::{AbortedTransaction, Isolation, drop_aborted};
use crate::{LogError, Offset, PartitionId, TopicPartition};

/// Batches taken from the tail under one lock, so that readers never hold up the writer for long.
const TAIL_RUN_MAX: usize = 512;

/// What all partitions' readers share.
pub(crate) struct ReadSettings {
    pub cache: SegmentCache,
    pub verify: bool,
    pub decompressed_max: usize,
}

/// One partition for its readers, on any thread, without a trip to its owner.
///
/// What was appended is seen once the owner's shell has called [`PartitionView::advance`], which it does when the
/// records are as durable as their producers asked for.
pub struct PartitionView {
    id: PartitionId,
    name: TopicPartition,
    dir: PartitionDir,
    pub(crate) settings: Arc<ReadSettings>,
    log_start: AtomicI64,
    high_watermark: AtomicI64,
    last_stable: AtomicI64,
    log_end: AtomicI64,
    bytes: AtomicU64,
    deleted: AtomicBool,
    pub(crate) holdings: RwLock<Holdings>,
}

/// Where the records are. Segments end where the tail begins, except where records were lost.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    pub segments: Vec<Segment>,
    pub tail: Tail,
    /// The transactions that markers in the tail aborted, in their order.
    pub aborted: VecDeque<AbortedTransaction>,
}

impl Holdings {
    /// Drops the transactions that ended below `offset`.
    pub(crate) fn drop_aborted_below(&mut self, offset: Offset) {
        let gone = self.aborted.partition_point(|transaction| transaction.last < offset);
        self.aborted.drain(..gone);
    }
}

/// How far a partition may be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visible {
    /// The offset after the last visible record: the high watermark.
    pub end: Offset,
    /// Every transaction with records below has ended: the last stable offset.
    pub stable: Offset,
}

/// What a read found.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// Whole stored batches, in order. The first may begin before the offset asked for.
    pub batches: Vec<Bytes>,
    /// Where to read on.
    pub next_offset: Offset,
    /// The offset after the last visible record.
    pub high_watermark: Offset,
    /// Where readers of committed records have to stop.
    pub last_stable_offset: Offset,
    /// The first offset held.
    pub log_start: Offset,
    /// Bytes of all batches.
    pub bytes: usize,
    /// The aborted transactions that have records among the batches; only looked up for readers of committed records.
    pub aborted: Vec<AbortedTransaction>,
}

impl Read {
    /// Leaves only the batches that a reader of committed records is to see; the next offset stays.
    pub fn drop_aborted(&mut self) {
        drop_aborted(&mut self.batches, &self.aborted);
        self.bytes = self.batches.iter().map(Bytes::len).sum();
    }
}

/// Whether reading on may find more.
enum Progress {
    More,
    Enough,
}

/// Where a record is to be looked for.
enum Place {
    Segment(Box<Segment>),
    Tail,
    Lost { first: Offset, next: Offset },
}

impl PartitionView {
    pub(crate) fn new(
        id: PartitionId,
        name: TopicPartition,
        dir: PartitionDir,
        settings: Arc<ReadSettings>,
    ) -> PartitionView {
        PartitionView {
            id,
            name,
            dir,
            settings,
            log_start: AtomicI64::new(0),
            high_watermark: AtomicI64::new(0),
            last_stable: AtomicI64::new(0),
            log_end: AtomicI64::new(0),
            bytes: AtomicU64::new(0),
            deleted: AtomicBool::new(false),
            holdings: RwLock::default(),
        }
    }

    /// The partition's id.
    #[must_use]
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// The partition as clients name it.
    #[must_use]
    pub fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// Its topic's name.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        &self.name.topic
    }

    /// Its number in the topic, from 0 on.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.name.partition
    }

    pub(crate) fn dir(&self) -> &PartitionDir {
        &self.dir
    }

    /// The first offset held.
    #[must_use]
    pub fn log_start(&self) -> Offset {
        Offset(self.log_start.load(Ordering::Acquire))
    }

    /// Where a reader begins that wants everything: the same as [`PartitionView::log_start`].
    #[must_use]
    pub fn earliest(&self) -> Offset {
        self.log_start()
    }

    /// The offset after the last visible record.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        Offset(self.high_watermark.load(Ordering::Acquire))
    }

    /// Every transaction with records below this offset has ended (KIP-98): where readers of committed records stop.
    #[must_use]
    pub fn last_stable_offset(&self) -> Offset {
        let stable = Offset(self.last_stable.load(Ordering::Acquire));
        // Records of an open transaction may have been deleted.
        stable.max(self.log_start()).min(self.high_watermark())
    }

    /// Where a reader has to stop.
    #[must_use]
    pub fn readable_end(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark(),
            Isolation::ReadCommitted => self.last_stable_offset(),
        }
    }

    /// Where a reader begins that wants only what is new: the same as [`PartitionView::high_watermark`].
    #[must_use]
    pub fn latest(&self) -> Offset {
        self.high_watermark()
    }

    /// The offset that the next record gets; records from the high watermark on are not visible yet.
    #[must_use]
    pub fn log_end(&self) -> Offset {
        Offset(self.log_end.load(Ordering::Acquire))
    }

    /// Bytes of all batches held, settled or not.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Makes more visible. Called by the shell when it releases a group of appends.
    pub fn advance(&self, visible: Visible) {
        self.high_watermark.fetch_max(visible.end.0, Ordering::AcqRel);
        self.last_stable.fetch_max(visible.stable.0, Ordering::AcqRel);
    }

    pub(crate) fn set_log_start(&self, offset: Offset) {
        self.log_start.fetch_max(offset.0, Ordering::AcqRel);
    }

    pub(crate) fn set_log_end(&self, offset: Offset) {
        self.log_end.fetch_max(offset.0, Ordering::AcqRel);
    }

    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn count_bytes(&self, holdings: &Holdings) {
        let settled: u64 = holdings.segments.iter().map(|segment| segment.state.len).sum();
        self.bytes.store(settled + holdings.tail.bytes(), Ordering::Relaxed);
    }

    /// Reads visible batches from the one that holds `from` on, up to `max_bytes`; but always one if there is any.
    /// Records of open and of aborted transactions are among them.
    ///
    /// At the end of the log the answer is empty. Where records are damaged the error names exactly the lost
    /// offsets; reading goes on behind them.
    pub fn read(&self, from: Offset, max_bytes: usize) -> Result<Read, LogError> {
        self.read_isolated(from, max_bytes, Isolation::ReadUncommitted)
    }

    /// The same for either kind of reader. One of committed records gets no batch beyond the last stable offset; the
    /// answer names the aborted transactions among those that it gets, as Kafka's clients want them
    /// ([`Read::drop_aborted`] for readers that do not filter themselves).
    pub fn read_isolated(
        &self,
        from: Offset,
        max_bytes: usize,
        isolation: Isolation,
    ) -> Result<Read, LogError> {
        // In this order: the last stable offset never lies beyond the end that was seen after it.
        let last_stable_offset = self.last_stable_offset();
        let high_watermark = self.high_watermark();
        let limit = match isolation {
            Isolation::ReadUncommitted => high_watermark,
            Isolation::ReadCommitted => last_stable_offset,
        };
        self.check_range(from)?;
        let mut read = Read {
            next_offset: from,
            high_watermark,
            last_stable_offset,
            log_start: self.log_start(),
            ..Read::default()
        };
        while read.next_offset < limit && (read.batches.is_empty() || read.bytes < max_bytes) {
            match self.read_more(&mut read, limit, max_bytes) {
                Ok(Progress::More) => {}
                Ok(Progress::Enough) => break,
                // What was read so far goes out; the next read meets the trouble at its start.
                Err(_) if !read.batches.is_empty() => break,
                // Retention may have passed by in the meantime.
                Err(error) => return self.check_range(from).and(Err(error)),
            }
        }
        if isolation == Isolation::ReadCommitted && !read.batches.is_empty() {
            read.aborted = self.aborted_transactions(from, read.next_offset)?;
        }
        Ok(read)
    }

    /// The aborted transactions that may have records from `from` up to, not including, `to`, which lies at or below
    /// the last stable offset; by where they ended.
    pub fn aborted_transactions(
        &self,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<AbortedTransaction>, LogError> {
        let overlaps = |transaction: &AbortedTransaction| transaction.last >= from && transaction.first < to;
        let mut found = Vec::new();
        // Markers below are dealt with. What settles meanwhile is met in a segment.
        let mut done = from;
        loop {
            let segment = {
                let holdings = self.holdings.read();
                let at = holdings.segments.partition_point(|segment| segment.state.end <= done);
                let later = holdings.segments.get(at..).unwrap_or_default();
                let Some(segment) = later.iter().find(|segment| segment.state.aborted.entries > 0) else {
                    let tail = holdings.aborted.iter().filter(|transaction| transaction.last >= done);
                    found.extend(tail.copied().filter(overlaps));
                    return Ok(found);
                };
                segment.clone()
            };
            let aborted = self.settings.cache.aborted(&segment, &|| self.segments_before(&segment));
            let aborted = aborted.map_err(|error| {
                LogError::io(format!("reading the transaction index of {}", self.name), error)
            })?;
            let start = aborted.partition_point(|transaction| transaction.last < done);
            for transaction in aborted.get(start..).unwrap_or_default() {
                if overlaps(transaction) {
                    found.push(*transaction);
                }
                // Whatever ended later begins behind this.
                if transaction.stable >= to {
                    return Ok(found);
                }
            }
            done = segment.state.end;
        }
    }

    fn segments_before(&self, segment: &Segment) -> Vec<Segment> {
        let holdings = self.holdings.read();
        let earlier = holdings.segments.iter().take_while(|earlier| earlier.state.base < segment.state.base);
        earlier.cloned().collect()
    }

    /// Whether the topic was deleted; then nothing can be read any more.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    pub(crate) fn set_deleted(&self) {
        self.deleted.store(true, Ordering::Release);
    }

    fn check_range(&self, from: Offset) -> Result<(), LogError> {
        if self.is_deleted() {
            return Err(LogError::GonePartition(self.id));
        }
        let (start, end) = (self.log_start(), self.log_end());
        if from < start || from > end {
            return Err(LogError::OffsetOutOfRange { requested: from, start, end: self.high_watermark() });
        }
        Ok(())
    }

    fn read_more(&self, read: &mut Read, limit: Offset, max_bytes: usize) -> Result<Progress, LogError> {
        let from = read.next_offset;
        let progress = |next| if next > from { Progress::More } else { Progress::Enough };
        match self.find(from) {
            // What settles in between is found in a segment at the next turn.
            Place::Tail if !self.read_tail(read, limit, max_bytes) => Ok(Progress::More),
            Place::Tail => Ok(progress(read.next_offset)),
            Place::Lost { first, next } => Err(self.damaged(first, next)),
            Place::Segment(segment) => {
                let want = Want {
                    from,
                    limit,
                    max_bytes: max_bytes.saturating_sub(read.bytes) as u64,
                    at_least_one: read.batches.is_empty(),
                    verify: self.settings.verify,
                };
                let had = read.batches.len();
                match segment::read(&self.settings.cache, &segment, &want, &mut read.batches) {
                    Ok(next) => {
                        read.next_offset = next;
                        read.bytes += read.batches.iter().skip(had).map(Bytes::len).sum::<usize>();
                        Ok(progress(next))
                    }
                    Err(SegmentFault::Lost { first, next }) => Err(self.damaged(first, next)),
                    Err(SegmentFault::Io(error)) => {
                        Err(LogError::io(format!("reading partition {} at offset {from}", self.name), error))
                    }
                }
            }
        }
    }

    fn damaged(&self, first: Offset, next: Offset) -> LogError {
        LogError::Damaged { partition: self.name.clone(), first: first.max(self.log_start()), next }
    }

    fn find(&self, offset: Offset) -> Place {
        let holdings = self.holdings.read();
        let at = holdings.segments.partition_point(|segment| segment.state.end <= offset);
        if let Some(segment) = holdings.segments.get(at) {
            if segment.state.base <= offset {
                return Place::Segment(Box::new(segment.clone()));
            }
            let first = at.checked_sub(1).and_then(|before| holdings.segments.get(before));
            let first = first.map_or(self.log_start(), |segment| segment.state.end);
            return Place::Lost { first, next: segment.state.base };
        }
        let at = holdings.tail.find(offset);
        // Under the lock the log's end is at most what segments and tail hold, unless records were lost.
        let next = holdings.tail.range(at).next().map_or(self.log_end(), |batch| batch.base);
        if next <= offset {
            return Place::Tail;
        }
        let before = at.checked_sub(1).and_then(|at| holdings.tail.range(at).next());
        let first = match (before, holdings.segments.last()) {
            (Some(batch), _) => batch.last.next(),
            (None, Some(segment)) => segment.state.end,
            (None, None) => self.log_start(),
        };
        Place::Lost { first, next }
    }

    /// Takes visible batches from the tail; false when the one to begin with is not there (any more).
    fn read_tail(&self, read: &mut Read, limit: Offset, max_bytes: usize) -> bool {
        let holdings = self.holdings.read();
        let at = holdings.tail.find(read.next_offset);
        let mut batches = holdings.tail.range(at).take(TAIL_RUN_MAX).peekable();
        if batches.peek().is_none_or(|batch| batch.base > read.next_offset) {
            return false;
        }
        for batch in batches {
            let fits = read.batches.is_empty() || read.bytes + batch.bytes.len() <= max_bytes;
            if batch.base > read.next_offset || batch.last >= limit || !fits {
                break;
            }
            read.bytes += batch.bytes.len();
            read.next_offset = batch.last.next();
            read.batches.push(batch.bytes.clone());
        }
        true
    }
}

impl std::fmt::Debug for PartitionView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartitionView")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("log_start", &self.log_start())
            .field("high_watermark", &self.high_watermark())
            .field("log_end", &self.log_end())
            .finish_non_exhaustive()
    }
}
