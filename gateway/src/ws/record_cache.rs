use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

use super::encoding::Encoding;
use super::records::{EncodedRecords, RecordMark};
use crate::codec::batch::BatchWriter;
use crate::codec::render::{ValueMode, write_message};
use crate::refusal::Refusal;
use crate::topics::{LogTopic, MessageView, RecordChunk};

/// Stored bytes that are read and encoded at a time.
const READ_BYTES: usize = 64 << 10;
/// Most stretches that are kept for one partition.
const KEPT_STRETCHES: usize = 64;
/// Most bytes that are kept for one partition.
const KEPT_BYTES: usize = 1 << 20;

/// What a stretch looks like: one encoding of one partition of one log.
type Form = (usize, u32, Encoding, u8);

/// The records that subscribers read lately, encoded once for all that read them the same way.
///
/// It holds what somebody reads now and forgets a partition with its last reader.
#[derive(Default)]
pub struct RecordCache {
    partitions: Mutex<HashMap<Form, Weak<PartitionRecords>>>,
}

/// The recent stretches of one partition in one form.
pub struct PartitionRecords {
    log: LogTopic,
    partition: u32,
    encoding: Encoding,
    values: ValueMode,
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    stretches: VecDeque<Arc<EncodedRecords>>,
    bytes: usize,
}

impl RecordCache {
    /// The place that all readers of a partition in this form share.
    pub fn partition(
        &self,
        log: &LogTopic,
        partition: u32,
        encoding: Encoding,
        values: ValueMode,
    ) -> Arc<PartitionRecords> {
        // The values only change what JSON looks like. A log of the same name that was made anew is another log; the
        // entry keeps its log alive, so that no other can take its identity.
        let values = if encoding == Encoding::Json { values } else { ValueMode::Auto };
        let form = (Arc::as_ptr(&log.0).addr(), partition, encoding, values as u8);
        let mut partitions = self.partitions.lock();
        if let Some(found) = partitions.get(&form).and_then(Weak::upgrade) {
            return found;
        }
        if partitions.len() >= 64 && partitions.len() == partitions.capacity() {
            partitions.retain(|_, kept| kept.strong_count() > 0);
        }
        let log = log.clone();
        let made = Arc::new(PartitionRecords { log, partition, encoding, values, recent: Mutex::default() });
        partitions.insert(form, Arc::downgrade(&made));
        made
    }
}

impl PartitionRecords {
    /// A stretch that covers `from`; `None` at the end of the log.
    pub fn read(&self, from: i64) -> Result<Option<Arc<EncodedRecords>>, Refusal> {
        if let Some(found) = self.recent.lock().stretches.iter().rev().find(|records| records.covers(from)) {
            return Ok(Some(Arc::clone(found)));
        }
        let chunk = self.log.read(self.partition, from, READ_BYTES)?;
        if chunk.next_offset <= from {
            return Ok(None);
        }
        let records = Arc::new(encode(&chunk, self.encoding, self.values)?);
        self.recent.lock().keep(Arc::clone(&records));
        Ok(Some(records))
    }

    /// Whether something can be read at `offset` now.
    pub fn has(&self, offset: i64) -> bool {
        self.log.bounds(self.partition).is_ok_and(|bounds| bounds.last_stable_offset > offset)
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &LogTopic {
        &self.log
    }
}

impl Recent {
    fn keep(&mut self, records: Arc<EncodedRecords>) {
        self.bytes += records.bytes();
        self.stretches.push_back(records);
        while self.stretches.len() > 1 && (self.stretches.len() > KEPT_STRETCHES || self.bytes > KEPT_BYTES) {
            self.bytes -= self.stretches.pop_front().map_or(0, |old| old.bytes());
        }
    }
}

/// Encodes a chunk. A record that cannot be read ends the stretch before it; as the first one it is an error.
fn encode(chunk: &RecordChunk, encoding: Encoding, values: ValueMode) -> Result<EncodedRecords, Refusal> {
    let mut content = Vec::with_capacity(READ_BYTES);
    let mut marks: Vec<RecordMark> = Vec::new();
    // Only to write messages with: the batch's own header is written where the stretch is used.
    let mut batch = BatchWriter::messages(&mut Vec::new());
    let mut push = |view: MessageView<'_>| {
        let crate::topics::Place::Log { offset, .. } = view.place else { return ControlFlow::Continue(()) };
        if !marks.is_empty() {
            content.extend_from_slice(encoding.separator());
        }
        let start = content.len() as u32;
        match encoding {
            Encoding::Json => write_message(&mut content, &view, values),
            Encoding::Binary => batch.push(&mut content, &view),
        }
        let weight = view.key.map_or(0, <[u8]>::len) + view.value.map_or(0, <[u8]>::len);
        marks.push(RecordMark { offset, start, end: content.len() as u32, weight: weight as u32 });
        ControlFlow::Continue(())
    };
    let outcome = chunk.for_each(&mut push);
    let next = match (outcome, marks.last()) {
        (Ok(()), _) => chunk.next_offset,
        (Err(_), Some(last)) => last.offset + 1,
        (Err(refusal), None) => return Err(refusal),
    };
    Ok(EncodedRecords {
        from: chunk.from,
        next,
        high_watermark: chunk.high_watermark,
        log_start: chunk.log_start_offset,
        content: Bytes::from(content),
        marks: marks.into(),
    })
}
