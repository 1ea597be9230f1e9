use std::io;

use segment_store::DiskFile;

use super::salvage::{Found, Salvage};
use super::{SegmentState, offset_index, time_index};
use crate::Offset;
use crate::batch::BatchHeader;

/// The entries that batches bring to the two indexes of a segment, in the order of the log.
#[derive(Debug)]
pub(super) struct IndexBuilder {
    base: Offset,
    interval: u64,
    since_entry: u64,
    max_timestamp: i64,
    max_timestamp_offset: Offset,
    last_timestamp: i64,
    pub offsets: Vec<u8>,
    pub times: Vec<u8>,
}

impl IndexBuilder {
    /// Goes on where a segment stands. The first batch gets an entry, whatever the interval.
    pub(super) fn resume(state: &SegmentState, interval: u64) -> IndexBuilder {
        IndexBuilder {
            base: state.base,
            interval,
            since_entry: interval,
            max_timestamp: state.max_timestamp,
            max_timestamp_offset: state.max_timestamp_offset,
            // Entries rise strictly; what the segment's largest timestamp was is at most repeated as the next entry.
            last_timestamp: if state.time_entries > 0 { state.max_timestamp } else { -1 },
            offsets: Vec::new(),
            times: Vec::new(),
        }
    }

    /// Takes note of the batch at `position`.
    pub(super) fn add(&mut self, header: &BatchHeader, position: u64) {
        self.add_parts(header.last_offset(), header.max_timestamp, header.total_len as u64, position);
    }

    pub(super) fn add_parts(&mut self, last: Offset, max_timestamp: i64, len: u64, position: u64) {
        if max_timestamp > self.max_timestamp {
            self.max_timestamp = max_timestamp;
            self.max_timestamp_offset = last;
        }
        if self.since_entry >= self.interval {
            self.since_entry = 0;
            let relative = (last.0 - self.base.0) as u32;
            self.offsets.extend_from_slice(&offset_index::encode(relative, position as u32));
            self.mark_time();
        }
        self.since_entry += len;
    }

    /// Adds the largest timestamp so far, unless it is there.
    pub(super) fn mark_time(&mut self) {
        if self.max_timestamp > self.last_timestamp {
            self.last_timestamp = self.max_timestamp;
            let relative = (self.max_timestamp_offset.0 - self.base.0) as u32;
            self.times.extend_from_slice(&time_index::encode(self.max_timestamp, relative));
        }
    }

    pub(super) fn max_timestamp(&self) -> (i64, Offset) {
        (self.max_timestamp, self.max_timestamp_offset)
    }
}

/// Reads a whole segment and makes its indexes anew; damaged batches get no entry.
pub(super) fn rebuild(file: &dyn DiskFile, state: &SegmentState, interval: u64) -> io::Result<IndexBuilder> {
    let mut builder = IndexBuilder::resume(&SegmentState::begin(state.base, state.created), interval);
    let mut salvage = Salvage::new(file, state);
    let (mut position, mut expected) = (0, state.base);
    loop {
        match salvage.step(position, expected)? {
            Found::Batch { position: at, header } => {
                builder.add(&header, at);
                (position, expected) = (at + header.total_len as u64, header.next_offset());
            }
            Found::Lost { next, position: at, .. } => (position, expected) = (at, next),
            Found::End => {
                builder.mark_time();
                return Ok(builder);
            }
        }
    }
}
