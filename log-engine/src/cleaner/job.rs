use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use message::Timestamp;
use segment_store::{Disk, OpenMode};

use super::CleanPoint;
use super::history::{Aborted, LastWords, OpenTransactions};
use super::offset_map::OffsetMap;
use super::rewriting::Rewriting;
use super::verdict::{BatchVerdict, Rules};
use crate::batch::{
    BatchError, BatchHeader, Codec, Compression, Filtered, RecordSet, emptied, filter, with_horizon,
};
use crate::segment::{
    Found, PartitionDir, Salvage, Segment, SegmentFiles, SegmentName, SegmentState, WriterConfig,
};
use crate::transaction::AbortedTransaction;
use crate::{Offset, PartitionId, PartitionView, TopicConfig};

/// Segments that one pass may leave, so that the record of them stays small.
const SEGMENTS_MAX: u64 = 2048;

/// Work for a blocking thread: writes the compacted part of a partition anew.
///
/// Like a [`crate::SettleJob`] it shares nothing with the engine that changes. Its result goes to
/// [`crate::LogEngine::cleaned`]; one that never comes back loses nothing.
pub struct CleanJob {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) partition: PartitionId,
    pub(super) dir: PartitionDir,
    pub(super) config: TopicConfig,
    /// The segments that may be compacted, oldest first. Holding them keeps their files.
    pub(super) segments: Vec<Segment>,
    /// Where the part begins that is not compacted yet.
    pub(super) dirty_from: Offset,
    pub(super) log_start: Offset,
    /// For looking aborted transactions up.
    pub(super) view: Arc<PartitionView>,
    pub(super) last_words: LastWords,
    /// What the new segments get.
    pub(super) generation: u32,
    /// Memory for keys.
    pub(super) map_bytes: usize,
    pub(super) secret: (u64, u64),
    pub(super) decompressed_max: usize,
    pub(super) now: Timestamp,
}

/// What a [`CleanJob`] did.
pub struct CleanResult {
    pub(super) partition: PartitionId,
    pub(super) outcome: io::Result<Cleaned>,
}

/// Segments to be put in the place of others.
pub(super) struct Cleaned {
    /// The stretch whose segments are replaced.
    pub from: Offset,
    pub to: Offset,
    pub segments: Vec<SegmentState>,
    pub clean: CleanPoint,
    /// Whether memory for keys ended before the dirty part did.
    pub partly: bool,
    pub bytes_read: u64,
}

/// What a finished job changed.
#[derive(Debug)]
pub struct CleanOutcome {
    /// The partition.
    pub partition: PartitionId,
    /// Bytes of its segments before and after.
    pub bytes: (u64, u64),
    /// Why it could not be done, if it could not. It is tried again after a pause; nothing is lost.
    pub failed: Option<crate::LogError>,
}

impl CleanJob {
    /// Bytes of the segments that it may read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.state.len).sum()
    }

    /// Does the work; blocks on the disk.
    #[must_use]
    pub fn run(self) -> CleanResult {
        let outcome = self.clean();
        if outcome.is_err() {
            self.remove_attempt();
        }
        CleanResult { partition: self.partition, outcome }
    }

    /// Gives the room of an attempt that failed back. What cannot be removed now goes after the next start.
    fn remove_attempt(&self) {
        let dir = self.dir.path();
        for entry in self.disk.list(&dir).unwrap_or_default() {
            if SegmentName::parse(&entry.name).is_some_and(|name| name.generation == self.generation) {
                let _ = self.disk.remove(&dir.join(&entry.name));
            }
        }
    }

    fn clean(&self) -> io::Result<Cleaned> {
        let end = self.segments.last().map_or(self.dirty_from, |segment| segment.state.end);
        let keys = u64::try_from(end.0 - self.dirty_from.0).unwrap_or(0);
        let mut map = OffsetMap::new(self.secret, keys, self.map_bytes);
        let transactions = self.view.aborted_transactions(self.log_start, end).map_err(io::Error::other)?;
        let aborted = Aborted::new(&transactions);
        let mapped_to = self.fill(&mut map, &aborted, end)?;
        let rules = Rules {
            map: &map,
            mapped_to,
            log_start: self.log_start,
            aborted: &aborted,
            last_words: &self.last_words,
            now: self.now,
        };
        // What lies before has no records of aborted transactions any more.
        let transactions = transactions.into_iter().filter(|transaction| transaction.last >= mapped_to);
        let rewritten = self.segments.partition_point(|segment| segment.state.base < mapped_to);
        let rewritten = self.segments.get(..rewritten).unwrap_or_default();
        let bytes_read = rewritten.iter().map(|segment| segment.state.len).sum();
        let (segments, horizon) = self.rewrite(rewritten, &rules, transactions.collect(), bytes_read)?;
        Ok(Cleaned {
            from: rewritten.first().map_or(self.dirty_from, |segment| segment.state.base),
            to: rewritten.last().map_or(self.dirty_from, |segment| segment.state.end),
            segments,
            clean: CleanPoint { to: mapped_to, horizon },
            partly: mapped_to < end,
            bytes_read,
        })
    }

    /// Takes note of the keys of the dirty part, as far as memory reaches; answers where that is.
    fn fill(&self, map: &mut OffsetMap, aborted: &Aborted, end: Offset) -> io::Result<Offset> {
        let mut mapped_to = end;
        for segment in self.segments.iter().filter(|segment| segment.state.end > self.dirty_from) {
            let flow = self.walk(segment, |header, bytes| {
                if header.last_offset() < self.dirty_from
                    || header.is_control()
                    || header.count == 0
                    || aborted.contains(header)
                {
                    return Ok(ControlFlow::Continue(()));
                }
                let set = RecordSet::open(bytes, self.decompressed_max).map_err(unreadable)?;
                for record in set.iter_from(self.dirty_from) {
                    let record = record.map_err(unreadable)?;
                    let Some(key) = record.key else { continue };
                    if map.put(key, record.offset).is_err() {
                        mapped_to = record.offset;
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if flow.is_break() {
                break;
            }
        }
        Ok(mapped_to)
    }

    fn rewrite(
        &self,
        segments: &[Segment],
        rules: &Rules<'_>,
        aborted: VecDeque<AbortedTransaction>,
        bytes: u64,
    ) -> io::Result<(Vec<SegmentState>, Timestamp)> {
        let dir = self.dir.path();
        let config = WriterConfig {
            segment_bytes: self.config.segment_bytes().max(bytes / SEGMENTS_MAX),
            index_bytes: self.config.segment_index_bytes(),
            index_interval: self.config.index_interval_bytes(),
            preallocate: false,
            now: self.now,
        };
        let mut out = Rewriting::new(self.disk.as_ref(), &dir, config, self.generation, aborted);
        let mut open = OpenTransactions::default();
        for segment in segments {
            out.enter(segment);
            let _ = self.walk(segment, |header, bytes| {
                self.judge(header, bytes, rules, &mut open, &mut out)?;
                Ok(ControlFlow::Continue(()))
            })?;
        }
        out.finish()
    }

    fn judge(
        &self,
        header: &BatchHeader,
        bytes: &[u8],
        rules: &Rules<'_>,
        open: &mut OpenTransactions,
        out: &mut Rewriting<'_>,
    ) -> io::Result<()> {
        let horizon = Timestamp(self.now.0.saturating_add(self.config.delete_retention_ms()));
        match rules.batch(header, open) {
            BatchVerdict::Keep => {
                open.keep(header);
                out.keep(header, bytes)
            }
            BatchVerdict::Await => {
                let set = RecordSet::open(bytes, self.decompressed_max).map_err(unreadable)?;
                let (header, bytes) = with_horizon(&set, horizon).map_err(unreadable)?;
                out.keep(&header, &bytes)
            }
            BatchVerdict::Discard => self.discard(header, out),
            BatchVerdict::Records => {
                let set = RecordSet::open(bytes, self.decompressed_max).map_err(unreadable)?;
                let compression = self.compression(header.codec().map_err(unreadable)?);
                let keeps = |record: &crate::batch::Record<'_>| rules.keeps(header, record);
                match filter(&set, horizon, compression, keeps).map_err(unreadable)? {
                    Filtered::Nothing => self.discard(header, out),
                    Filtered::Same => {
                        open.keep(header);
                        out.keep(header, bytes)
                    }
                    Filtered::Some(header, bytes) => {
                        open.keep(&header);
                        out.keep(&header, &bytes)
                    }
                }
            }
        }
    }

    /// A batch without records goes, unless it carries its producer's last word.
    fn discard(&self, header: &BatchHeader, out: &mut Rewriting<'_>) -> io::Result<()> {
        if !self.last_words.contains(header) {
            return out.drop(header);
        }
        let (header, bytes) = emptied(header);
        out.keep(&header, &bytes)
    }

    /// A batch keeps its codec; the topic says how hard that tries.
    fn compression(&self, codec: Codec) -> Compression {
        self.config.compression().filter(|own| own.codec() == codec).unwrap_or(Compression::usual(codec))
    }

    /// Hands out every batch of a segment, in order. Damage ends the work: what cannot be read must not look as if it
    /// had been compacted away.
    fn walk(
        &self,
        segment: &Segment,
        mut see: impl FnMut(&BatchHeader, &[u8]) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<ControlFlow<()>> {
        let file = self.disk.open(&segment.files.path(SegmentFiles::LOG), OpenMode::Read)?;
        let mut salvage = Salvage::new(file.as_ref(), &segment.state);
        let (mut position, mut expected) = (0, segment.state.base);
        loop {
            match salvage.step(position, expected)? {
                Found::Batch { position: at, header } => {
                    if see(&header, salvage.batch(at, &header)?)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    (position, expected) = (at + header.total_len as u64, header.next_offset());
                }
                Found::Lost { first, next, .. } => {
                    let what = format!("the records {first} up to, not including, {next} are damaged");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
                Found::End => return Ok(ControlFlow::Continue(())),
            }
        }
    }
}

fn unreadable(error: BatchError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
