use message::Timestamp;

use super::{ProducerEpoch, Sequence};
use crate::Offset;
use crate::batch::BatchHeader;

/// Batches of one producer in one partition that are recognised when they come again: as many as a producer may have
/// in flight (`max.in.flight.requests.per.connection` with idempotence, KIP-98 and KAFKA-5494).
pub(crate) const WINDOW: usize = 5;

/// A batch that was stored, for whoever sends it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchMark {
    pub first: Sequence,
    pub last: Sequence,
    pub base_offset: Offset,
    /// The batch's last offset less its base offset.
    pub span: i32,
    pub timestamp: i64,
}

impl BatchMark {
    const NONE: BatchMark = BatchMark {
        first: Sequence(-1),
        last: Sequence(-1),
        base_offset: Offset(-1),
        span: 0,
        timestamp: -1,
    };

    pub(crate) fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.span))
    }
}

/// What a partition remembers of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerState {
    pub epoch: ProducerEpoch,
    /// When it last wrote, by the broker's clock.
    pub seen: Timestamp,
    /// Where its open transaction begins in this partition.
    pub transaction: Option<Offset>,
    batches: [BatchMark; WINDOW],
    count: u8,
}

impl ProducerState {
    pub(crate) fn new(epoch: ProducerEpoch, seen: Timestamp) -> ProducerState {
        ProducerState { epoch, seen, transaction: None, batches: [BatchMark::NONE; WINDOW], count: 0 }
    }

    /// The batches that are remembered, oldest first.
    pub(crate) fn batches(&self) -> &[BatchMark] {
        self.batches.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// The number of the last record, if its batch is remembered.
    pub(crate) fn last_sequence(&self) -> Option<Sequence> {
        self.batches().last().map(|batch| batch.last)
    }

    /// The stored batch that has the same numbers as one of this epoch.
    pub(crate) fn duplicate(&self, first: Sequence, last: Sequence) -> Option<&BatchMark> {
        self.batches().iter().rev().find(|batch| batch.first == first && batch.last == last)
    }

    /// Takes note of a batch; the oldest makes room.
    pub(crate) fn remember(&mut self, batch: BatchMark) {
        if usize::from(self.count) == WINDOW {
            self.batches.rotate_left(1);
            self.batches[WINDOW - 1] = batch;
        } else {
            self.batches[usize::from(self.count)] = batch;
            self.count += 1;
        }
    }

    /// Goes on as a new incarnation, whose records are numbered from 0 again.
    pub(crate) fn begin_epoch(&mut self, epoch: ProducerEpoch) {
        self.epoch = epoch;
        self.count = 0;
    }
}

impl BatchMark {
    /// What is kept of a batch that has its place.
    pub(crate) fn of(header: &BatchHeader) -> BatchMark {
        let first = Sequence(header.base_sequence);
        BatchMark {
            first,
            last: first.plus(header.last_offset_delta),
            base_offset: header.base_offset,
            span: header.last_offset_delta,
            timestamp: header.max_timestamp,
        }
    }
}
