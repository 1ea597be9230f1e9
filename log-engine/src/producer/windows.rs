use std::collections::BTreeMap;

use message::Timestamp;

use super::{Producer, ProducerEpoch, ProducerId, ProducerTable, Verdict};
use crate::batch::BatchHeader;
use crate::{LogError, Offset, TopicPartition};

/// What is remembered of idempotent producers that write to places other than partitions of logs: the same five batches
/// of each producer and place, under the same rules.
///
/// Pure, as the engine: whoever owns it writes what [`note`](ProducerWindows::note) answers beside what the batch
/// became, in the same block, and hands it to [`replay`](ProducerWindows::replay) after a restart.
#[derive(Debug, Default)]
pub struct ProducerWindows {
    places: BTreeMap<u64, ProducerTable>,
    producers: usize,
}

impl ProducerWindows {
    /// Bytes of one record.
    pub const RECORD_BYTES: usize = 42;

    /// Whether a batch that names its producer is the next one (`None`), or was taken before and where it begins.
    ///
    /// # Errors
    /// When the producer is fenced, left out records, or is one too many.
    pub fn check(
        &self,
        place: u64,
        name: &TopicPartition,
        header: &BatchHeader,
        producers_max: usize,
    ) -> Result<Option<Offset>, LogError> {
        let table = self.places.get(&place);
        let known = table.is_some_and(|table| table.state(ProducerId(header.producer_id)).is_some());
        if !known && self.producers >= producers_max {
            return Err(LogError::TooManyProducers(producers_max));
        }
        let Some(table) = table else { return Ok(None) };
        match table.check(header, name)? {
            Verdict::Duplicate(stored) => Ok(Some(stored.base_offset)),
            Verdict::Next { .. } => Ok(None),
        }
    }

    /// Takes note of a batch that was taken and begins at `base`; answers the record that says so.
    pub fn note(
        &mut self,
        place: u64,
        header: &BatchHeader,
        base: Offset,
        now: Timestamp,
    ) -> [u8; ProducerWindows::RECORD_BYTES] {
        let noted = Noted {
            place,
            producer: Producer {
                id: ProducerId(header.producer_id),
                epoch: ProducerEpoch(header.producer_epoch),
            },
            first: header.base_sequence,
            span: header.last_offset_delta,
            base,
            at: now,
        };
        self.apply(noted);
        noted.encode()
    }

    fn apply(&mut self, noted: Noted) {
        let table = self.places.entry(noted.place).or_default();
        self.producers += usize::from(table.record(&noted.header(), noted.at));
    }

    /// Takes a record back; what is none changes nothing.
    pub fn replay(&mut self, record: &[u8]) {
        if let Some(noted) = record.try_into().ok().map(Noted::decode) {
            self.apply(noted);
        }
    }

    /// Records that rebuild what is known of these places.
    pub fn checkpoint(&self, keep: impl Fn(u64) -> bool, emit: &mut dyn FnMut(&[u8])) {
        for (place, table) in self.places.iter().filter(|(place, _)| keep(**place)) {
            for (id, state) in table.states() {
                for batch in state.batches() {
                    let noted = Noted {
                        place: *place,
                        producer: Producer { id, epoch: state.epoch },
                        first: batch.first.0,
                        span: batch.span,
                        base: batch.base_offset,
                        at: state.seen,
                    };
                    emit(&noted.encode());
                }
            }
        }
    }

    /// Forgets producers that wrote last before `before`, and places that are gone.
    pub fn forget(&mut self, before: Timestamp, keep: impl Fn(u64) -> bool) {
        let producers = &mut self.producers;
        self.places.retain(|place, table| {
            *producers -= if keep(*place) { table.forget_before(before) } else { table.len() };
            keep(*place) && table.len() > 0
        });
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// One batch that was taken.
#[derive(Clone, Copy)]
struct Noted {
    place: u64,
    producer: Producer,
    first: i32,
    span: i32,
    base: Offset,
    at: Timestamp,
}

impl Noted {
    fn header(&self) -> BatchHeader {
        BatchHeader {
            base_offset: self.base,
            total_len: 0,
            leader_epoch: 0,
            crc: 0,
            attributes: 0,
            last_offset_delta: self.span,
            base_timestamp: self.at.0,
            max_timestamp: self.at.0,
            producer_id: self.producer.id.0,
            producer_epoch: self.producer.epoch.0,
            base_sequence: self.first,
            count: self.span.saturating_add(1),
        }
    }

    fn encode(&self) -> [u8; ProducerWindows::RECORD_BYTES] {
        let mut out = [0; ProducerWindows::RECORD_BYTES];
        out[..8].copy_from_slice(&self.place.to_le_bytes());
        out[8..16].copy_from_slice(&self.producer.id.0.to_le_bytes());
        out[16..18].copy_from_slice(&self.producer.epoch.0.to_le_bytes());
        out[18..22].copy_from_slice(&self.first.to_le_bytes());
        out[22..26].copy_from_slice(&self.span.to_le_bytes());
        out[26..34].copy_from_slice(&self.base.0.to_le_bytes());
        out[34..].copy_from_slice(&self.at.0.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; ProducerWindows::RECORD_BYTES]) -> Noted {
        fn part<const N: usize>(bytes: &[u8; ProducerWindows::RECORD_BYTES], at: usize) -> [u8; N] {
            std::array::from_fn(|index| bytes[at + index])
        }
        Noted {
            place: u64::from_le_bytes(part(bytes, 0)),
            producer: Producer {
                id: ProducerId(i64::from_le_bytes(part(bytes, 8))),
                epoch: ProducerEpoch(i16::from_le_bytes(part(bytes, 16))),
            },
            first: i32::from_le_bytes(part(bytes, 18)),
            span: i32::from_le_bytes(part(bytes, 22)),
            base: Offset(i64::from_le_bytes(part(bytes, 26))),
            at: Timestamp(i64::from_le_bytes(part(bytes, 34))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 2;

    fn name() -> TopicPartition {
        TopicPartition { topic: message::TopicName::new("q").unwrap(), partition: 0 }
    }

    fn batch(id: i64, epoch: i16, first: i32, count: i32) -> BatchHeader {
        let producer = Producer { id: ProducerId(id), epoch: ProducerEpoch(epoch) };
        let noted = Noted { place: 0, producer, first, span: count - 1, base: Offset(0), at: Timestamp(0) };
        noted.header()
    }

    fn rebuilt(windows: &ProducerWindows) -> ProducerWindows {
        let mut again = ProducerWindows::default();
        windows.checkpoint(|_| true, &mut |record| again.replay(record));
        again
    }

    #[test]
    fn five_batches_are_recognised_also_after_a_restart() {
        let mut windows = ProducerWindows::default();
        let mut journal = ProducerWindows::default();
        for n in 0..6 {
            let header = batch(1, 0, n * 10, 10);
            assert_eq!(windows.check(7, &name(), &header, MAX).unwrap(), None);
            let record = windows.note(7, &header, Offset(100 + i64::from(n)), Timestamp(5));
            journal.replay(&record);
        }
        for windows in [&windows, &journal, &rebuilt(&windows)] {
            for n in 1..6 {
                let again = windows.check(7, &name(), &batch(1, 0, n * 10, 10), MAX).unwrap();
                assert_eq!(again, Some(Offset(100 + i64::from(n))));
            }
            for wrong in [batch(1, 0, 0, 10), batch(1, 0, 70, 1), batch(1, 0, 50, 3)] {
                let refused = windows.check(7, &name(), &wrong, MAX);
                assert!(matches!(refused, Err(LogError::OutOfOrderSequence { .. })), "{refused:?}");
            }
            assert_eq!(windows.check(7, &name(), &batch(1, 0, 60, 1), MAX).unwrap(), None);
            assert_eq!(windows.check(8, &name(), &batch(1, 0, 3, 1), MAX).unwrap(), None, "elsewhere");
        }
    }

    #[test]
    fn a_later_incarnation_fences_the_earlier() {
        let mut windows = ProducerWindows::default();
        windows.note(7, &batch(1, 0, 0, 1), Offset(1), Timestamp(5));
        windows.note(7, &batch(1, 1, 0, 1), Offset(2), Timestamp(6));
        let windows = rebuilt(&windows);
        let fenced = windows.check(7, &name(), &batch(1, 0, 1, 1), MAX);
        assert!(matches!(fenced, Err(LogError::InvalidProducerEpoch { .. })), "{fenced:?}");
        assert_eq!(windows.check(7, &name(), &batch(1, 1, 0, 1), MAX).unwrap(), Some(Offset(2)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut windows = ProducerWindows::default();
        windows.note(7, &batch(1, 0, 0, 1), Offset(1), Timestamp(5));
        windows.note(8, &batch(2, 0, 0, 1), Offset(1), Timestamp(9));
        let refused = windows.check(7, &name(), &batch(3, 0, 0, 1), MAX);
        assert!(matches!(refused, Err(LogError::TooManyProducers(MAX))), "{refused:?}");
        windows.forget(Timestamp(5), |_| true);
        assert_eq!(windows.check(7, &name(), &batch(3, 0, 0, 1), MAX).unwrap(), None);
        windows.forget(Timestamp(0), |place| place != 8);
        assert!(windows.is_empty() && windows.producers == 0);
    }

    #[test]
    fn bytes_that_are_no_record_change_nothing() {
        let mut windows = ProducerWindows::default();
        windows.replay(&[1; 41]);
        assert!(windows.is_empty());
    }
}
