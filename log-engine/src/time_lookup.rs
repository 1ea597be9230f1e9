use crate::batch::{BatchHeader, RecordSet};
use crate::segment::newest_in_batch;
use crate::{LogError, Offset, PartitionView};

/// Bytes read at once while looking for a time.
const READ_BYTES: usize = 64 << 10;
/// Batches without a record that are passed over while looking for a record's time.
const EMPTY_MAX: usize = 64;
/// Batches of the tail looked at under one lock.
const TAIL_RUN_MAX: usize = 4096;

/// The answer to "where does this time begin?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOffset {
    /// The first record that is at least as new.
    pub offset: Offset,
    /// That record's own timestamp, in milliseconds.
    pub timestamp: i64,
}

impl PartitionView {
    /// The first visible record whose timestamp is `timestamp` (milliseconds) or later, also inside compressed
    /// batches; none when all are older. Damaged stretches are passed over.
    pub fn offset_for_time(&self, timestamp: i64) -> Result<Option<TimedOffset>, LogError> {
        self.offset_for_time_below(timestamp, self.high_watermark())
    }

    /// The same among the records below `end`, which lies at or below the high watermark: the last stable offset for
    /// a reader of committed records.
    pub fn offset_for_time_below(
        &self,
        timestamp: i64,
        end: Offset,
    ) -> Result<Option<TimedOffset>, LogError> {
        let mut from = self.log_start();
        while from < end {
            let Some(start) = self.time_candidate(from, timestamp)? else { return Ok(None) };
            // A whole batch or stretch without a match moves on by at least one record.
            match self.scan_for_time(start, timestamp)? {
                Ok(found) => return Ok((found.offset < end).then_some(found)),
                Err(next) => from = next.max(from.next()),
            }
        }
        Ok(None)
    }

    /// The timestamp, in milliseconds, of the first visible record at or after `from`; none when there is no such record,
    /// or its producer gave it no time. Takes one look into an index, unless compaction or markers of transactions left
    /// batches without records there.
    pub fn timestamp_from(&self, from: Offset) -> Result<Option<i64>, LogError> {
        let mut at = from.max(self.log_start());
        for _ in 0..EMPTY_MAX {
            let read = match self.read(at, 1) {
                Err(LogError::Damaged { next, .. }) => {
                    at = next;
                    continue;
                }
                read => read?,
            };
            for batch in read.batches.iter().filter(|batch| !is_marker(batch)) {
                let records = RecordSet::open(batch, self.settings.decompressed_max)?;
                if let Some(record) = records.iter_from(at).next() {
                    return Ok(Some(record?.timestamp).filter(|time| *time >= 0));
                }
            }
            if read.next_offset <= at {
                break;
            }
            at = read.next_offset;
        }
        Ok(None)
    }

    /// The first visible record that has the largest timestamp of all.
    pub fn newest(&self) -> Result<Option<TimedOffset>, LogError> {
        let end = self.high_watermark();
        let largest = {
            let holdings = self.holdings.read();
            let settled = holdings.segments.iter().map(|segment| segment.state.max_timestamp);
            let visible = holdings.tail.range(0).take_while(|batch| batch.last < end);
            settled.chain(visible.map(|batch| batch.max_timestamp)).max()
        };
        largest.map_or(Ok(None), |largest| self.offset_for_time(largest))
    }

    /// An offset at or after `from`, with nothing as new as `timestamp` between the two.
    fn time_candidate(&self, from: Offset, timestamp: i64) -> Result<Option<Offset>, LogError> {
        let segment = {
            let holdings = self.holdings.read();
            let at = holdings.segments.partition_point(|segment| segment.state.end <= from);
            let later = holdings.segments.get(at..).unwrap_or_default();
            later.iter().find(|segment| segment.state.max_timestamp >= timestamp).cloned()
        };
        let Some(segment) = segment else { return Ok(self.tail_candidate(from, timestamp)) };
        let start = from.max(segment.state.base);
        let trouble = |error| LogError::io(format!("reading the time index of {}", self.name()), error);
        let cache = &self.settings.cache;
        let before = cache.times(&segment).map_err(trouble)?.before(timestamp);
        let Some((recorded, offset)) = before.filter(|(_, offset)| *offset > start) else {
            return Ok(Some(start));
        };
        // The entry's batch itself is too old, but tells whether the entry is true.
        if newest_in_batch(cache, &segment, offset).map_err(trouble)? == Some(recorded) {
            return Ok(Some(offset.next()));
        }
        cache.rebuild_anew(&segment).map_err(trouble)?;
        let before = cache.times(&segment).map_err(trouble)?.before(timestamp);
        Ok(Some(before.map_or(start, |(_, offset)| offset.max(start))))
    }

    fn tail_candidate(&self, from: Offset, timestamp: i64) -> Option<Offset> {
        let mut from = from;
        loop {
            let holdings = self.holdings.read();
            let mut last = None;
            for batch in holdings.tail.range(holdings.tail.find(from)).take(TAIL_RUN_MAX) {
                if batch.max_timestamp >= timestamp {
                    return Some(batch.base.max(from));
                }
                last = Some(batch.last);
            }
            from = last?.next();
        }
    }

    /// Reads on from `start`: the match, or where nothing was found up to.
    fn scan_for_time(&self, start: Offset, timestamp: i64) -> Result<Result<TimedOffset, Offset>, LogError> {
        let read = match self.read(start, READ_BYTES) {
            Err(LogError::Damaged { next, .. }) => return Ok(Err(next)),
            read => read?,
        };
        for batch in &read.batches {
            let Ok(header) = BatchHeader::parse(batch) else { continue };
            if header.max_timestamp < timestamp {
                continue;
            }
            let records = RecordSet::open(batch, self.settings.decompressed_max)?;
            if let Some((offset, timestamp)) = records.iter_from(start).find_time(timestamp)? {
                return Ok(Ok(TimedOffset { offset, timestamp }));
            }
        }
        Ok(Err(read.next_offset))
    }
}

fn is_marker(batch: &[u8]) -> bool {
    BatchHeader::parse(batch).is_ok_and(|header| header.is_control())
}
