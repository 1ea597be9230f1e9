use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use log_engine::batch::TimestampType;
use log_engine::{Isolation, Offset, PartitionId, PartitionView, Read, TopicConfig};
use message::{ErrorCode, TopicName};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::authorization::Act;
use super::job_spec::StartAt;
use super::partitioner::Partitioner;
use super::record_chunk::RecordChunk;
use super::virtual_hosts::VirtualHost;
use crate::auth::Pass;
use crate::refusal::Refusal;

/// A log, for readers: positions and stored bytes, without a trip to the owner. Cheap to clone.
#[derive(Clone)]
pub struct LogTopic(pub(crate) Arc<LogInner>, pub(crate) Pass);

impl std::fmt::Debug for LogTopic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogTopic({})", self.0.name)
    }
}

pub(crate) struct LogInner {
    pub id: u64,
    pub name: TopicName,
    pub host: VirtualHost,
    pub partitions: Vec<Arc<LogPartition>>,
    pub partitioner: Arc<Partitioner>,
    pub settings: TopicConfig,
    pub decompressed_bytes: usize,
    pub draining: CancellationToken,
}

/// One partition and the bell that rings when it grows.
pub(crate) struct LogPartition {
    pub id: PartitionId,
    pub view: Arc<PartitionView>,
    pub grew: Notify,
}

/// Whole stored batches, as a fetch returns them.
#[derive(Clone, Debug)]
pub struct StoredBatches {
    /// In order; the first may begin before the offset asked for.
    pub batches: Vec<Bytes>,
    /// The end of what can be read.
    pub high_watermark: i64,
    /// Where readers of committed records have to stop.
    pub last_stable: i64,
    /// The first offset that the partition still holds.
    pub log_start: i64,
    /// Producers with aborted transactions among the batches, and where those begin; for readers of committed records.
    pub aborted: Vec<(i64, i64)>,
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionBounds {
    /// The first offset that it still holds.
    pub log_start: i64,
    /// The end of what is there.
    pub high_watermark: i64,
    /// The end of what readers of committed records are shown: where the first open transaction begins.
    pub last_stable_offset: i64,
}

/// Stored bytes that one read passes over at most while there is nothing to show in them.
const PASSED_MAX: usize = 16 << 20;

impl LogTopic {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &TopicName {
        &self.0.name
    }

    /// Its id, which no other log ever gets, also not one of the same name.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// How many partitions it has.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.0.partitions.len() as u32
    }

    pub(crate) fn partition(&self, partition: u32) -> Result<&Arc<LogPartition>, Refusal> {
        self.0.partitions.get(partition as usize).ok_or_else(|| {
            let (name, count) = (&self.0.name, self.partitions());
            let detail = format!("{name} has no partition {partition}; it has {count}, counted from 0");
            Refusal::new(ErrorCode::UnknownPartition, detail).in_field("partition")
        })
    }

    /// Whether records bear the time of their arrival instead of the producer's.
    #[must_use]
    pub fn stamps_arrival(&self) -> bool {
        self.0.settings.timestamp_type() == TimestampType::LogAppendTime
    }

    /// Bytes that a partition holds.
    pub fn size_bytes(&self, partition: u32) -> Result<u64, Refusal> {
        Ok(self.partition(partition)?.view.size_bytes())
    }

    /// The first record not older than a time, by offset and its own timestamp, in milliseconds.
    pub fn find_time(&self, partition: u32, timestamp: i64) -> Result<Option<(i64, i64)>, Refusal> {
        let found = self.partition(partition)?.view.offset_for_time(timestamp)?;
        Ok(found.map(|found| (found.offset.0, found.timestamp)))
    }

    /// The first of the records with the largest timestamp, by offset and that timestamp, in milliseconds.
    pub fn newest(&self, partition: u32) -> Result<Option<(i64, i64)>, Refusal> {
        let found = self.partition(partition)?.view.newest()?;
        Ok(found.map(|found| (found.offset.0, found.timestamp)))
    }

    /// What the partition holds now.
    pub fn bounds(&self, partition: u32) -> Result<PartitionBounds, Refusal> {
        let view = &self.partition(partition)?.view;
        let last_stable_offset = view.last_stable_offset().0;
        Ok(PartitionBounds {
            log_start: view.log_start().0,
            high_watermark: view.high_watermark().0,
            last_stable_offset,
        })
    }

    /// The offset that `start` means now. An offset is taken as it is, whether or not it is there.
    pub fn resolve(&self, partition: u32, start: StartAt) -> Result<i64, Refusal> {
        self.resolve_isolated(partition, start, Isolation::ReadCommitted)
    }

    /// The same for either kind of reader: whether `latest` is behind or before open transactions.
    pub fn resolve_isolated(
        &self,
        partition: u32,
        start: StartAt,
        isolation: Isolation,
    ) -> Result<i64, Refusal> {
        let view = &self.partition(partition)?.view;
        let end = view.readable_end(isolation);
        Ok(match start {
            StartAt::Earliest => view.log_start().0,
            StartAt::Latest => end.0,
            StartAt::Offset(offset) => offset,
            StartAt::Time(ms) => view.offset_for_time_below(ms, end)?.map_or(end.0, |found| found.offset.0),
        })
    }

    /// Batches of committed records from `from` on: at least one if there is any, then up to about `max_bytes`.
    pub fn read(&self, partition: u32, from: i64, max_bytes: usize) -> Result<RecordChunk, Refusal> {
        self.read_isolated(partition, from, max_bytes, Isolation::ReadCommitted)
    }

    /// The same for either kind of reader. A chunk without batches whose next offset lies further on passed over
    /// markers and aborted transactions: read on there.
    pub fn read_isolated(
        &self,
        partition: u32,
        from: i64,
        max_bytes: usize,
        isolation: Isolation,
    ) -> Result<RecordChunk, Refusal> {
        self.allow(Act::Consume)?;
        let view = &self.partition(partition)?.view;
        let (mut at, mut passed) = (Offset(from), 0);
        let read = loop {
            let mut read = view.read_isolated(at, max_bytes, isolation)?;
            passed += read.bytes;
            read.drop_aborted();
            if !read.batches.is_empty() || read.next_offset == at || passed >= PASSED_MAX {
                break read;
            }
            at = read.next_offset;
        };
        Ok(self.chunk(partition, from, read, isolation))
    }

    fn chunk(&self, partition: u32, from: i64, read: Read, isolation: Isolation) -> RecordChunk {
        let end = match isolation {
            Isolation::ReadUncommitted => read.high_watermark,
            Isolation::ReadCommitted => read.last_stable_offset,
        };
        RecordChunk {
            topic: self.0.name.clone(),
            partition,
            from,
            next_offset: read.next_offset.0,
            end: end.0,
            high_watermark: read.high_watermark.0,
            log_start_offset: read.log_start.0,
            batches: read.batches,
            decompressed_bytes: self.0.decompressed_bytes,
        }
    }

    /// The same as stored, for a reader that filters aborted transactions itself.
    pub fn read_stored(
        &self,
        partition: u32,
        from: i64,
        max_bytes: usize,
        isolation: Isolation,
    ) -> Result<StoredBatches, Refusal> {
        self.allow(Act::Consume)?;
        let read = self.partition(partition)?.view.read_isolated(Offset(from), max_bytes, isolation)?;
        Ok(StoredBatches {
            batches: read.batches,
            high_watermark: read.high_watermark.0,
            last_stable: read.last_stable_offset.0,
            log_start: read.log_start.0,
            aborted: read.aborted.iter().map(|one| (one.producer.0, one.first.0)).collect(),
        })
    }

    /// How the partition stands, without any of its batches.
    pub fn read_nothing(&self, partition: u32) -> Result<StoredBatches, Refusal> {
        self.allow(Act::Consume)?;
        let view = &self.partition(partition)?.view;
        Ok(StoredBatches {
            batches: Vec::new(),
            last_stable: view.last_stable_offset().0,
            high_watermark: view.high_watermark().0,
            log_start: view.log_start().0,
            aborted: Vec::new(),
        })
    }

    /// Where a reader has to stop now.
    pub fn readable_end(&self, partition: u32, isolation: Isolation) -> Result<i64, Refusal> {
        Ok(self.partition(partition)?.view.readable_end(isolation).0)
    }

    /// Like [`LogTopic::read_isolated`], waiting up to `wait` while there is nothing. A drain ends the wait early with
    /// an empty chunk.
    pub async fn read_wait(
        &self,
        partition: u32,
        from: i64,
        max_bytes: usize,
        wait: Duration,
        isolation: Isolation,
    ) -> Result<RecordChunk, Refusal> {
        let deadline = Instant::now() + wait;
        let mut watch = self.watch_isolated(partition, from, isolation)?;
        let mut at = from;
        loop {
            let chunk = self.read_isolated(partition, at, max_bytes, isolation)?;
            if !chunk.is_empty() {
                return Ok(chunk);
            }
            let moved = chunk.next_offset > at;
            at = chunk.next_offset;
            let waited = tokio::select! {
                biased;
                () = self.0.draining.cancelled() => false,
                () = std::future::ready(()), if moved && Instant::now() < deadline => true,
                grew = tokio::time::timeout_at(deadline, watch.changed()) => grew.is_ok(),
            };
            if !waited {
                return Ok(chunk);
            }
        }
    }

    /// A watch that rings as soon as the end of the committed records lies beyond `from`.
    pub fn watch_from(&self, partition: u32, from: i64) -> Result<LogWatch, Refusal> {
        self.watch_isolated(partition, from, Isolation::ReadCommitted)
    }

    /// The same for either kind of reader.
    pub fn watch_isolated(
        &self,
        partition: u32,
        from: i64,
        isolation: Isolation,
    ) -> Result<LogWatch, Refusal> {
        self.allow(Act::Consume)?;
        let partition = Arc::clone(self.partition(partition)?);
        Ok(LogWatch { partition, seen: Offset(from), isolation })
    }
}

/// Tells when a partition may hold something new.
pub struct LogWatch {
    partition: Arc<LogPartition>,
    seen: Offset,
    isolation: Isolation,
}

impl LogWatch {
    /// Returns once the end has moved past what it was when this returned last, or when the watch was made.
    pub async fn changed(&mut self) {
        loop {
            let grew = self.partition.grew.notified();
            tokio::pin!(grew);
            grew.as_mut().enable();
            let end = self.partition.view.readable_end(self.isolation);
            if end > self.seen {
                self.seen = end;
                return;
            }
            grew.await;
        }
    }
}
