//! What the log engine writes into the journal and into checkpoints.
use message::Timestamp;

use crate::cleaner::CleanPoint;
use crate::group::Committed;
use crate::segment::{AbortedCount, SegmentState};
use crate::share::ShareRecord;
use crate::transaction::TransactionRecord;
use crate::{LogError, Offset, PartitionId, TopicId};

const APPEND: u8 = 1;
const TOPIC: u8 = 2;
const TOPIC_DELETED: u8 = 3;
const SETTLED: u8 = 4;
const LOG_START: u8 = 5;
const OFFSETS: u8 = 6;
const GROUP_DELETED: u8 = 7;
const PARTITION: u8 = 8;
const COUNTERS: u8 = 9;
const CLEANED: u8 = 40;
const CLEANED_TO: u8 = 41;
const OFFSETS_DELETED: u8 = 60;
const GROUP_OCCUPATION: u8 = 61;

/// Bytes in front of the batch in a record of an append.
pub(crate) const APPEND_OVERHEAD: usize = 5;

/// One record. Folding all of them in order gives the engine's state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LogRecord<'a> {
    /// A batch was appended; it carries its offsets.
    Append { partition: PartitionId, batch: &'a [u8] },
    /// A topic was made or changed: always its whole definition.
    Topic(TopicDefinition<'a>),
    /// A topic was deleted.
    TopicDeleted(TopicId),
    /// Batches moved to the partition's own files, which grew to this.
    Settled { partition: PartitionId, segments: Vec<SegmentState> },
    /// Everything before this offset is gone.
    LogStart { partition: PartitionId, start: Offset },
    /// A group committed offsets.
    Offsets { group: &'a str, commits: Vec<CommittedOffset<'a>> },
    /// Offsets of a group were deleted, or grew too old.
    OffsetsDeleted { group: &'a str, partitions: Vec<PartitionId> },
    /// A group got its first member (absent), or lost its last.
    GroupOccupation { group: &'a str, empty_since: Option<Timestamp> },
    /// A group and its offsets were deleted.
    GroupDeleted(&'a str),
    /// A partition as a checkpoint finds it.
    Partition { partition: PartitionId, start: Offset, settled: Offset, segments: Vec<SegmentState> },
    /// Compaction put these segments in the place of those from `from` up to `to`.
    Cleaned {
        partition: PartitionId,
        from: Offset,
        to: Offset,
        clean: CleanPoint,
        segments: Vec<SegmentState>,
    },
    /// How far compaction has come, in a checkpoint.
    CleanedTo { partition: PartitionId, clean: CleanPoint },
    /// The ids to give next, in a checkpoint.
    Counters { partition: u32, topic: u64 },
    /// Something about transactions or producers.
    Transaction(TransactionRecord<'a>),
    /// Something about share groups.
    Share(ShareRecord<'a>),
}

/// A topic as the journal defines it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TopicDefinition<'a> {
    pub id: TopicId,
    pub name: &'a str,
    pub created: Timestamp,
    pub partitions: Vec<PartitionId>,
    pub config: Vec<(&'a str, &'a str)>,
}

/// An offset as the journal records it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CommittedOffset<'a> {
    pub partition: PartitionId,
    pub offset: Offset,
    /// -1 when it is not known.
    pub leader_epoch: i32,
    pub at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub metadata: &'a str,
}

impl<'a> CommittedOffset<'a> {
    /// Bytes that it takes beside its metadata.
    pub(crate) const LEN: usize = 36;

    pub(crate) fn of(partition: PartitionId, committed: &'a Committed) -> CommittedOffset<'a> {
        let leader_epoch = committed.leader_epoch.and_then(|epoch| i32::try_from(epoch).ok()).unwrap_or(-1);
        CommittedOffset {
            partition,
            offset: committed.offset,
            leader_epoch,
            at: committed.at,
            expires_at: committed.expires_at,
            metadata: &committed.metadata,
        }
    }

    pub(crate) fn committed(&self) -> Committed {
        Committed {
            offset: self.offset,
            leader_epoch: u32::try_from(self.leader_epoch).ok(),
            metadata: self.metadata.into(),
            at: self.at,
            expires_at: self.expires_at,
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.partition.0.to_le_bytes());
        out.extend_from_slice(&self.offset.0.to_le_bytes());
        out.extend_from_slice(&self.leader_epoch.to_le_bytes());
        out.extend_from_slice(&self.at.0.to_le_bytes());
        put_time(out, self.expires_at);
        put_text(out, self.metadata);
    }
}

/// The head of an append's record; the batch follows.
pub(crate) fn append_head(partition: PartitionId) -> [u8; APPEND_OVERHEAD] {
    let [a, b, c, d] = partition.0.to_le_bytes();
    [APPEND, a, b, c, d]
}

impl<'a> LogRecord<'a> {
    /// Writes it behind what `out` holds.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            LogRecord::Append { partition, batch } => {
                out.extend_from_slice(&append_head(*partition));
                out.extend_from_slice(batch);
            }
            LogRecord::Topic(topic) => {
                out.push(TOPIC);
                out.extend_from_slice(&topic.id.0.to_le_bytes());
                put_text(out, topic.name);
                out.extend_from_slice(&topic.created.0.to_le_bytes());
                out.extend_from_slice(&(topic.partitions.len() as u32).to_le_bytes());
                for partition in &topic.partitions {
                    out.extend_from_slice(&partition.0.to_le_bytes());
                }
                out.extend_from_slice(&(topic.config.len() as u32).to_le_bytes());
                for (name, value) in &topic.config {
                    put_text(out, name);
                    put_text(out, value);
                }
            }
            LogRecord::TopicDeleted(id) => {
                out.push(TOPIC_DELETED);
                out.extend_from_slice(&id.0.to_le_bytes());
            }
            LogRecord::Settled { partition, segments } => {
                out.push(SETTLED);
                out.extend_from_slice(&partition.0.to_le_bytes());
                put_segments(out, segments);
            }
            LogRecord::LogStart { partition, start } => {
                out.push(LOG_START);
                out.extend_from_slice(&partition.0.to_le_bytes());
                out.extend_from_slice(&start.0.to_le_bytes());
            }
            LogRecord::Offsets { group, commits } => {
                out.push(OFFSETS);
                put_text(out, group);
                out.extend_from_slice(&(commits.len() as u32).to_le_bytes());
                commits.iter().for_each(|commit| commit.encode(out));
            }
            LogRecord::OffsetsDeleted { group, partitions } => {
                out.push(OFFSETS_DELETED);
                put_text(out, group);
                out.extend_from_slice(&(partitions.len() as u32).to_le_bytes());
                for partition in partitions {
                    out.extend_from_slice(&partition.0.to_le_bytes());
                }
            }
            LogRecord::GroupOccupation { group, empty_since } => {
                out.push(GROUP_OCCUPATION);
                put_text(out, group);
                put_time(out, *empty_since);
            }
            LogRecord::GroupDeleted(group) => {
                out.push(GROUP_DELETED);
                put_text(out, group);
            }
            LogRecord::Partition { partition, start, settled, segments } => {
                out.push(PARTITION);
                out.extend_from_slice(&partition.0.to_le_bytes());
                out.extend_from_slice(&start.0.to_le_bytes());
                out.extend_from_slice(&settled.0.to_le_bytes());
                put_segments(out, segments);
            }
            LogRecord::Cleaned { partition, from, to, clean, segments } => {
                out.push(CLEANED);
                out.extend_from_slice(&partition.0.to_le_bytes());
                out.extend_from_slice(&from.0.to_le_bytes());
                out.extend_from_slice(&to.0.to_le_bytes());
                put_clean_point(out, clean);
                put_segments(out, segments);
            }
            LogRecord::CleanedTo { partition, clean } => {
                out.push(CLEANED_TO);
                out.extend_from_slice(&partition.0.to_le_bytes());
                put_clean_point(out, clean);
            }
            LogRecord::Counters { partition, topic } => {
                out.push(COUNTERS);
                out.extend_from_slice(&partition.to_le_bytes());
                out.extend_from_slice(&topic.to_le_bytes());
            }
            LogRecord::Transaction(record) => record.encode(out),
            LogRecord::Share(record) => record.encode(out),
        }
    }

    /// Reads one record.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<LogRecord<'a>, LogError> {
        let mut from = Fields(bytes);
        if bytes.first().is_some_and(|kind| TransactionRecord::has_kind(*kind)) {
            let record = TransactionRecord::decode(&mut from)?;
            return from.end().map(|()| LogRecord::Transaction(record));
        }
        if bytes.first().is_some_and(|kind| ShareRecord::has_kind(*kind)) {
            let record = ShareRecord::decode(&mut from)?;
            return from.end().map(|()| LogRecord::Share(record));
        }
        let record = match from.byte()? {
            APPEND => return Ok(LogRecord::Append { partition: from.partition()?, batch: from.0 }),
            TOPIC => LogRecord::Topic(TopicDefinition {
                id: TopicId(from.u64()?),
                name: from.text()?,
                created: Timestamp(from.i64()?),
                partitions: from.list(Fields::partition)?,
                config: from.list(|from| Ok((from.text()?, from.text()?)))?,
            }),
            TOPIC_DELETED => LogRecord::TopicDeleted(TopicId(from.u64()?)),
            SETTLED => {
                LogRecord::Settled { partition: from.partition()?, segments: from.list(Fields::segment)? }
            }
            LOG_START => LogRecord::LogStart { partition: from.partition()?, start: Offset(from.i64()?) },
            OFFSETS => {
                LogRecord::Offsets { group: from.text()?, commits: from.list(Fields::committed_offset)? }
            }
            OFFSETS_DELETED => {
                LogRecord::OffsetsDeleted { group: from.text()?, partitions: from.list(Fields::partition)? }
            }
            GROUP_OCCUPATION => LogRecord::GroupOccupation { group: from.text()?, empty_since: from.time()? },
            GROUP_DELETED => LogRecord::GroupDeleted(from.text()?),
            PARTITION => LogRecord::Partition {
                partition: from.partition()?,
                start: Offset(from.i64()?),
                settled: Offset(from.i64()?),
                segments: from.list(Fields::segment)?,
            },
            CLEANED => LogRecord::Cleaned {
                partition: from.partition()?,
                from: Offset(from.i64()?),
                to: Offset(from.i64()?),
                clean: from.clean_point()?,
                segments: from.list(Fields::segment)?,
            },
            CLEANED_TO => LogRecord::CleanedTo { partition: from.partition()?, clean: from.clean_point()? },
            COUNTERS => LogRecord::Counters { partition: from.u32()?, topic: from.u64()? },
            _ => return Err(LogError::Record("unknown kind")),
        };
        from.end().map(|()| record)
    }
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// A moment that may be absent: 0, which no clock shows.
fn put_time(out: &mut Vec<u8>, time: Option<Timestamp>) {
    out.extend_from_slice(&time.unwrap_or_default().0.to_le_bytes());
}

fn put_clean_point(out: &mut Vec<u8>, clean: &CleanPoint) {
    out.extend_from_slice(&clean.to.0.to_le_bytes());
    out.extend_from_slice(&clean.horizon.0.to_le_bytes());
}

fn put_segments(out: &mut Vec<u8>, segments: &[SegmentState]) {
    out.extend_from_slice(&(segments.len() as u32).to_le_bytes());
    for segment in segments {
        out.extend_from_slice(&segment.base.0.to_le_bytes());
        out.extend_from_slice(&segment.end.0.to_le_bytes());
        out.extend_from_slice(&segment.len.to_le_bytes());
        out.extend_from_slice(&segment.index_entries.to_le_bytes());
        out.extend_from_slice(&segment.time_entries.to_le_bytes());
        out.extend_from_slice(&segment.max_timestamp.to_le_bytes());
        out.extend_from_slice(&segment.max_timestamp_offset.0.to_le_bytes());
        out.extend_from_slice(&segment.created.0.to_le_bytes());
        out.extend_from_slice(&segment.written.0.to_le_bytes());
        out.extend_from_slice(&segment.aborted.entries.to_le_bytes());
        out.extend_from_slice(&segment.aborted.crc.to_le_bytes());
        out.extend_from_slice(&segment.generation.to_le_bytes());
    }
}

/// Fields of a record, read one after the other.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn end(&self) -> Result<(), LogError> {
        if self.0.is_empty() { Ok(()) } else { Err(LogError::Record("trailing bytes")) }
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], LogError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(LogError::Record("too short"))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, LogError> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, LogError> {
        self.take().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, LogError> {
        self.take().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, LogError> {
        self.take().map(i64::from_le_bytes)
    }

    pub(crate) fn partition(&mut self) -> Result<PartitionId, LogError> {
        self.u32().map(PartitionId)
    }

    fn time(&mut self) -> Result<Option<Timestamp>, LogError> {
        Ok(Some(Timestamp(self.i64()?)).filter(|time| *time != Timestamp::default()))
    }

    pub(crate) fn committed_offset(&mut self) -> Result<CommittedOffset<'a>, LogError> {
        Ok(CommittedOffset {
            partition: self.partition()?,
            offset: Offset(self.i64()?),
            leader_epoch: self.take().map(i32::from_le_bytes)?,
            at: Timestamp(self.i64()?),
            expires_at: self.time()?,
            metadata: self.text()?,
        })
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, LogError> {
        let len = self.u32()? as usize;
        let (text, rest) = self.0.split_at_checked(len).ok_or(LogError::Record("too short"))?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| LogError::Record("text that is not UTF-8"))
    }

    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, LogError>,
    ) -> Result<Vec<T>, LogError> {
        let count = self.u32()? as usize;
        let mut items = Vec::with_capacity(count.min(self.0.len() / 4));
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn clean_point(&mut self) -> Result<CleanPoint, LogError> {
        Ok(CleanPoint { to: Offset(self.i64()?), horizon: Timestamp(self.i64()?) })
    }

    fn segment(&mut self) -> Result<SegmentState, LogError> {
        Ok(SegmentState {
            base: Offset(self.i64()?),
            end: Offset(self.i64()?),
            len: self.u64()?,
            index_entries: self.u32()?,
            time_entries: self.u32()?,
            max_timestamp: self.i64()?,
            max_timestamp_offset: Offset(self.i64()?),
            created: Timestamp(self.i64()?),
            written: Timestamp(self.i64()?),
            aborted: AbortedCount { entries: self.u32()?, crc: self.u32()? },
            generation: self.u32()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples() -> Vec<LogRecord<'static>> {
        let segment =
            SegmentState { len: 77, end: Offset(9), ..SegmentState::begin(Offset(3), Timestamp(5)) };
        let commit = CommittedOffset {
            partition: PartitionId(4),
            offset: Offset(9),
            leader_epoch: -1,
            at: Timestamp(1),
            expires_at: Some(Timestamp(7)),
            metadata: "m",
        };
        let mut samples = vec![
            LogRecord::Append { partition: PartitionId(7), batch: b"batch" },
            LogRecord::Topic(TopicDefinition {
                id: TopicId(3),
                name: "orders",
                created: Timestamp(8),
                partitions: vec![PartitionId(1), PartitionId(2)],
                config: vec![("retention.ms", "5")],
            }),
            LogRecord::TopicDeleted(TopicId(3)),
            LogRecord::Settled { partition: PartitionId(1), segments: vec![segment, segment] },
            LogRecord::LogStart { partition: PartitionId(1), start: Offset(44) },
            LogRecord::Offsets { group: "g", commits: vec![commit] },
            LogRecord::OffsetsDeleted { group: "g", partitions: vec![PartitionId(1), PartitionId(2)] },
            LogRecord::GroupOccupation { group: "g", empty_since: None },
            LogRecord::GroupOccupation { group: "g", empty_since: Some(Timestamp(8)) },
            LogRecord::GroupDeleted("g"),
            LogRecord::Partition {
                partition: PartitionId(1),
                start: Offset(1),
                settled: Offset(2),
                segments: vec![segment],
            },
            LogRecord::Cleaned {
                partition: PartitionId(1),
                from: Offset(3),
                to: Offset(9),
                clean: CleanPoint { to: Offset(8), horizon: Timestamp(77) },
                segments: vec![segment],
            },
            LogRecord::CleanedTo {
                partition: PartitionId(1),
                clean: CleanPoint { to: Offset(8), horizon: Timestamp(77) },
            },
            LogRecord::Counters { partition: 5, topic: 6 },
        ];
        samples.extend(crate::transaction::samples().into_iter().map(LogRecord::Transaction));
        samples
    }

    #[test]
    fn reads_back_what_it_wrote_and_refuses_cut_records() {
        for record in samples() {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            assert_eq!(LogRecord::decode(&bytes).unwrap(), record);
            if !matches!(record, LogRecord::Append { .. }) {
                for cut in 0..bytes.len() {
                    assert!(LogRecord::decode(&bytes[..cut]).is_err(), "{record:?} cut at {cut}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = LogRecord::decode(&bytes);
        }
    }
}
