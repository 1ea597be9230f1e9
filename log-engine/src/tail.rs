use std::collections::VecDeque;

use bytes::Bytes;
use segment_store::Lsn;

use crate::Offset;
use crate::batch::BatchHeader;

/// Memory that a batch takes beside its bytes, for counting small ones honestly.
const OVERHEAD: u64 = 128;

/// A batch that has not settled into a segment yet.
#[derive(Clone, Debug)]
pub(crate) struct TailBatch {
    pub base: Offset,
    pub last: Offset,
    pub max_timestamp: i64,
    /// Where the journal holds it.
    pub lsn: Lsn,
    pub bytes: Bytes,
}

impl TailBatch {
    pub(crate) fn new(header: &BatchHeader, lsn: Lsn, bytes: Bytes) -> TailBatch {
        TailBatch {
            base: header.base_offset,
            last: header.last_offset(),
            max_timestamp: header.max_timestamp,
            lsn,
            bytes,
        }
    }

    /// What it costs in memory.
    pub(crate) fn weight(&self) -> u64 {
        self.bytes.len() as u64 + OVERHEAD
    }
}

/// The batches that have not settled, oldest first. Takes no memory while it is empty.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    batches: VecDeque<TailBatch>,
    weight: u64,
    bytes: u64,
}

impl Tail {
    pub(crate) fn push(&mut self, batch: TailBatch) {
        debug_assert!(self.batches.back().is_none_or(|before| before.last < batch.base));
        self.weight += batch.weight();
        self.bytes += batch.bytes.len() as u64;
        self.batches.push_back(batch);
    }

    /// Drops the batches that lie wholly below `offset`, and tells how much memory that frees.
    pub(crate) fn drop_below(&mut self, offset: Offset) -> u64 {
        let before = self.weight;
        while let Some(first) = self.batches.front()
            && first.last < offset
        {
            self.weight -= first.weight();
            self.bytes -= first.bytes.len() as u64;
            self.batches.pop_front();
        }
        if self.batches.is_empty() {
            self.batches = VecDeque::new();
        } else if self.batches.capacity() > 64 && self.batches.len() < self.batches.capacity() / 4 {
            self.batches.shrink_to_fit();
        }
        before - self.weight
    }

    /// Position of the first batch that reaches `offset` or beyond.
    pub(crate) fn find(&self, offset: Offset) -> usize {
        self.batches.partition_point(|batch| batch.last < offset)
    }

    pub(crate) fn range(&self, from: usize) -> impl Iterator<Item = &TailBatch> {
        self.batches.range(from.min(self.batches.len())..)
    }

    /// The oldest batches, up to the one with which there are `bytes` of them.
    pub(crate) fn first_bytes(&self, bytes: u64) -> Vec<TailBatch> {
        let mut have = 0;
        let fits = |batch: &&TailBatch| {
            let had = have;
            have += batch.bytes.len() as u64;
            had < bytes
        };
        self.batches.iter().take_while(fits).cloned().collect()
    }

    pub(crate) fn first(&self) -> Option<&TailBatch> {
        self.batches.front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Bytes of batches.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Memory, bytes of batches included.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }
}
