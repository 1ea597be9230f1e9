use message::Timestamp;

use super::{Batch, BatchBuilder, BatchHeader, RecordSet};
use crate::producer::Producer;

/// A transaction's end, as the one record of a control batch says it (Kafka's `ControlRecordType` and
/// `EndTransactionMarker`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// The producer's records since its last marker do not count.
    Abort,
    /// The producer's records since its last marker count.
    Commit,
}

/// Version of key and value.
const VERSION: i16 = 0;
/// There is one coordinator, and never another.
const COORDINATOR_EPOCH: i32 = 0;

impl ControlRecord {
    /// Bytes of the batch that says it.
    pub(crate) const BATCH_LEN: usize = 78;

    fn kind(self) -> i16 {
        match self {
            ControlRecord::Abort => 0,
            ControlRecord::Commit => 1,
        }
    }

    /// What a whole control batch says; none when it says something else, or nothing any more.
    #[must_use]
    pub fn read(batch: &[u8]) -> Option<ControlRecord> {
        let header = BatchHeader::parse(batch).ok().filter(BatchHeader::is_control)?;
        let records = RecordSet::open(batch, header.total_len).ok()?;
        let key = records.iter().next()?.ok()?.key?;
        let kind = i16::from_be_bytes(*key.get(2..4)?.first_chunk()?);
        [ControlRecord::Abort, ControlRecord::Commit].into_iter().find(|known| known.kind() == kind)
    }

    /// The batch that says it.
    pub(crate) fn batch(self, producer: Producer, now: Timestamp) -> Batch {
        let [a, b] = VERSION.to_be_bytes();
        let [c, d] = self.kind().to_be_bytes();
        let [e, f, g, h] = COORDINATOR_EPOCH.to_be_bytes();
        let mut builder = BatchBuilder::with_capacity(now, ControlRecord::BATCH_LEN);
        builder.push(Some(&[a, b, c, d]), Some(&[a, b, e, f, g, h]), &[], None);
        builder.build_marker(producer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::producer::{ProducerEpoch, ProducerId};

    #[test]
    fn a_marker_reads_back() {
        let producer = Producer { id: ProducerId(7), epoch: ProducerEpoch(3) };
        for control in [ControlRecord::Abort, ControlRecord::Commit] {
            let batch = control.batch(producer, Timestamp(1_700_000_000_000));
            assert_eq!(batch.len(), ControlRecord::BATCH_LEN);
            assert_eq!(ControlRecord::read(batch.as_bytes()), Some(control));
            let header = batch.header();
            assert!(header.is_control() && header.is_transactional());
            assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 3, -1));
        }
    }

    #[test]
    fn records_say_nothing() {
        let mut builder = BatchBuilder::new(Timestamp(5));
        builder.push(Some(&[0, 0, 0, 1]), None, &[], None);
        assert_eq!(ControlRecord::read(builder.build().as_bytes()), None);
    }
}
