use std::ops::ControlFlow;

use bytes::Bytes;
use log_engine::Offset;
use log_engine::batch::{BatchHeader, Record, RecordSet};
use message::{ErrorCode, TopicName};

use super::record_batches::CONTENT_TYPE;
use super::view::{HeadersView, MessageView, Place};
use crate::refusal::Refusal;

/// Stored batches of one partition, shared with whoever else reads them; those that its reader is not to see are not
/// among them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RecordChunk {
    /// The log.
    pub topic: TopicName,
    /// The partition.
    pub partition: u32,
    /// The first offset that was asked for; the first batch may start before it.
    pub from: i64,
    /// Records from this offset on are not shown, if stored batches hold such; read on there.
    pub next_offset: i64,
    /// The end of what this reader can be shown now.
    pub end: i64,
    /// The end of what is there now.
    pub high_watermark: i64,
    /// The first offset that the partition still holds.
    pub log_start_offset: i64,
    pub(crate) batches: Vec<Bytes>,
    pub(crate) decompressed_bytes: usize,
}

impl RecordChunk {
    /// Whether there was nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Shows about `records` at most: fewer where offsets are missing.
    #[must_use]
    pub fn limited(mut self, records: usize) -> RecordChunk {
        let most = i64::try_from(records).unwrap_or(i64::MAX);
        let first = self.batches.first().and_then(|batch| BatchHeader::parse(batch).ok());
        let start = first.map_or(self.from, |first| first.base_offset.0.max(self.from));
        self.next_offset = self.next_offset.min(start.saturating_add(most));
        self
    }

    /// The stored bytes, whole batches.
    #[must_use]
    pub fn batches(&self) -> &[Bytes] {
        &self.batches
    }

    /// Shows each record from the offset that was asked for, in order, until `show` has enough.
    pub fn for_each(&self, show: &mut dyn FnMut(MessageView<'_>) -> ControlFlow<()>) -> Result<(), Refusal> {
        self.for_each_record(&mut |record| show(self.view(record)))
    }

    fn for_each_record(&self, show: &mut dyn FnMut(&Record<'_>) -> ControlFlow<()>) -> Result<(), Refusal> {
        for bytes in &self.batches {
            let set =
                RecordSet::open(bytes, self.decompressed_bytes).map_err(|error| self.unreadable(&error))?;
            if set.header().is_control() {
                continue;
            }
            for record in set.iter_from(Offset(self.from)) {
                let record = record.map_err(|error| self.unreadable(&error))?;
                if record.offset.0 >= self.next_offset || show(&record).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The offsets of the records that [`RecordChunk::for_each`] shows.
    pub fn offsets(&self) -> Result<Vec<i64>, Refusal> {
        let mut offsets = Vec::new();
        self.for_each_record(&mut |record| {
            offsets.push(record.offset.0);
            ControlFlow::Continue(())
        })?;
        Ok(offsets)
    }

    fn view<'r>(&self, record: &Record<'r>) -> MessageView<'r> {
        let mut content_type = None;
        let mut headers = Vec::new();
        for (name, value) in record.headers.iter() {
            let text = value.and_then(|value| std::str::from_utf8(value).ok());
            if content_type.is_none() && name == CONTENT_TYPE.as_bytes() && text.is_some() {
                content_type = text;
            } else {
                headers.push((name, value));
            }
        }
        MessageView {
            key: record.key,
            headers: HeadersView::Record(headers),
            content_type,
            timestamp: record.timestamp,
            value: record.value,
            place: Place::Log { partition: self.partition, offset: record.offset.0 },
        }
    }

    fn unreadable(&self, error: &log_engine::batch::BatchError) -> Refusal {
        let (topic, partition, from) = (&self.topic, self.partition, self.from);
        let detail = format!(
            "a batch of {topic}, partition {partition}, read from offset {from}, is damaged: {error}"
        );
        Refusal::new(ErrorCode::DataDamaged, detail)
    }
}
