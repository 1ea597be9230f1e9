//! Batches without some of their records, as compaction leaves them.
use bytes::{BufMut, BytesMut};
use message::Timestamp;

use super::header::{self, BatchHeader};
use super::records::RawRecord;
use super::varint::{self, Numbers};
use super::{BatchError, Codec, Compression, HEADER_LEN, Record, RecordSet, TimestampType, recompression};
use crate::Offset;

/// What is left of a batch.
#[derive(Debug)]
pub(crate) enum Filtered {
    /// Everything, unchanged.
    Same,
    /// Not one record.
    Nothing,
    /// Some of it: another batch in its place, of the same span of offsets.
    Some(BatchHeader, BytesMut),
}

/// Takes the records out of a batch that `keep` refuses. A batch in which a tombstone stays gets `horizon` as the time
/// until which it does, unless it has one (bit 6 of the attributes; the base timestamp is then the horizon).
pub(crate) fn filter(
    set: &RecordSet<'_>,
    horizon: Timestamp,
    compression: Compression,
    mut keep: impl FnMut(&Record<'_>) -> bool,
) -> Result<Filtered, BatchError> {
    let header = *set.header();
    let mut kept = Vec::with_capacity(header.count as usize);
    let (mut left, mut tombstone) = (0, false);
    for raw in set.iter().raw() {
        let record = raw?.record;
        let stays = keep(&record);
        kept.push(stays);
        left += i32::from(stays);
        tombstone |= stays && record.value.is_none();
    }
    let horizon = (tombstone && !header.has_delete_horizon()).then_some(horizon);
    if left == header.count && horizon.is_none() {
        return Ok(Filtered::Same);
    }
    if left == 0 {
        return Ok(Filtered::Nothing);
    }
    let kept = set.iter().raw().zip(kept).filter_map(|(raw, stays)| stays.then_some(raw));
    write(&header, kept, left, horizon, compression).map(|(header, bytes)| Filtered::Some(header, bytes))
}

/// The same batch with a horizon, after which it may go: for a transaction's marker.
pub(crate) fn with_horizon(
    set: &RecordSet<'_>,
    horizon: Timestamp,
) -> Result<(BatchHeader, BytesMut), BatchError> {
    let header = *set.header();
    write(&header, set.iter().raw(), header.count, Some(horizon), Compression::usual(header.codec()?))
}

fn write<'r>(
    header: &BatchHeader,
    records: impl Iterator<Item = Result<RawRecord<'r>, BatchError>>,
    count: i32,
    horizon: Option<Timestamp>,
    compression: Compression,
) -> Result<(BatchHeader, BytesMut), BatchError> {
    let mut content = BytesMut::new();
    let mut newest = i64::MIN;
    for raw in records {
        let raw = raw?;
        newest = newest.max(raw.record.timestamp);
        match horizon {
            None => content.extend_from_slice(raw.whole),
            Some(horizon) => put_relative(&mut content, header, &raw, horizon),
        }
    }
    let mut header = BatchHeader { count, ..*header };
    if header.timestamp_type() == TimestampType::CreateTime {
        header.max_timestamp = newest;
    }
    if let Some(horizon) = horizon {
        header.base_timestamp = horizon.0;
        header.set_delete_horizon(true);
    }
    let mut bytes = BytesMut::with_capacity(HEADER_LEN + content.len());
    let header = recompression::encode(&mut bytes, &header, &content, compression)?;
    Ok((header, bytes))
}

/// Writes a record whose timestamp counts from `base` instead of the batch's old base.
fn put_relative(out: &mut BytesMut, header: &BatchHeader, raw: &RawRecord<'_>, base: Timestamp) {
    // With the broker's timestamp the records' own mean nothing; they keep their distance.
    let timestamp = header.base_timestamp.wrapping_add(raw.timestamp_delta).wrapping_sub(base.0);
    let offset = raw.record.offset.0 - header.base_offset.0;
    let len = 1 + varint::len(timestamp) + varint::len(offset) + raw.rest.len();
    let mut numbers = Numbers::new();
    numbers.varint(len as i64).byte(raw.attributes).varint(timestamp).varint(offset).flush(out);
    out.put_slice(raw.rest);
}

/// A batch without records in the place of this one: it keeps what it says about its producer.
pub(crate) fn emptied(header: &BatchHeader) -> (BatchHeader, BytesMut) {
    let mut header = BatchHeader { base_timestamp: -1, max_timestamp: -1, count: 0, ..*header };
    header.set_delete_horizon(false);
    header.set_codec(Codec::None);
    seal(header)
}

/// A batch without records that fills a gap between `first` and `last`, which both belong to it, so that offsets stay
/// without holes and a hole is always damage.
pub(crate) fn filler(first: Offset, last: Offset, leader_epoch: i32) -> (BatchHeader, BytesMut) {
    seal(BatchHeader {
        base_offset: first,
        total_len: HEADER_LEN,
        leader_epoch,
        crc: 0,
        attributes: 0,
        last_offset_delta: i32::try_from(last.0 - first.0).unwrap_or(i32::MAX),
        base_timestamp: -1,
        max_timestamp: -1,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        count: 0,
    })
}

fn seal(mut header: BatchHeader) -> (BatchHeader, BytesMut) {
    header.total_len = HEADER_LEN;
    let mut head = [0; HEADER_LEN];
    header::write(&mut head, &header);
    header.crc = header::seal(&mut head);
    (header, BytesMut::from(&head[..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, checksum_matches};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);
    const LATER: Timestamp = Timestamp(NOW.0 + 86_400_000);
    const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    fn sample(codec: Codec) -> bytes::Bytes {
        let mut builder = BatchBuilder::new(NOW);
        builder.push(Some(b"a"), Some(b"1"), &[(b"h", Some(b"x"))], None);
        builder.push(Some(b"b"), None, &[], Some(NOW.0 - 9));
        builder.push(Some(b"c"), Some(b"3"), &[], Some(NOW.0 + 77));
        builder.build_compressed(codec).unwrap().place(Offset(40), 2, None).1
    }

    fn shown(bytes: &[u8]) -> Vec<(i64, i64, Vec<u8>, bool)> {
        let set = RecordSet::open(bytes, 1 << 20).unwrap();
        let records = set.iter().map(Result::unwrap);
        records.map(|r| (r.offset.0, r.timestamp, r.key.unwrap().to_vec(), r.value.is_some())).collect()
    }

    #[test]
    fn what_stays_keeps_offset_timestamp_and_content() {
        for codec in ALL {
            let bytes = sample(codec);
            let set = RecordSet::open(&bytes, 1 << 20).unwrap();
            let all = shown(&bytes);
            let compression = Compression::usual(codec);
            let filtered = filter(&set, LATER, compression, |record| record.key != Some(b"b")).unwrap();
            let Filtered::Some(header, left) = filtered else { panic!("some should be left") };
            assert!(checksum_matches(&left));
            assert_eq!(shown(&left), [all[0].clone(), all[2].clone()], "{codec:?}");
            assert_eq!((header.base_offset, header.last_offset()), (Offset(40), Offset(42)));
            assert_eq!((header.codec(), header.max_timestamp), (Ok(codec), NOW.0 + 77));
            assert!(!header.has_delete_horizon());
            let without = filter(&set, LATER, compression, |record| record.value.is_none()).unwrap();
            let Filtered::Some(header, left) = without else { panic!("the tombstone should be left") };
            assert_eq!(shown(&left), [all[1].clone()]);
            assert_eq!((header.has_delete_horizon(), header.base_timestamp), (true, LATER.0));
            assert_eq!(header.max_timestamp, NOW.0 - 9);
            // The horizon stays what it was, and what has one is left alone.
            let set = RecordSet::open(&left, 1 << 20).unwrap();
            assert!(matches!(filter(&set, NOW, compression, |_| true), Ok(Filtered::Same)));
            assert!(matches!(filter(&set, NOW, compression, |_| false), Ok(Filtered::Nothing)));
        }
    }

    #[test]
    fn emptied_batches_and_fillers_are_sound_and_keep_their_span() {
        let bytes = sample(Codec::Zstd);
        let whole = BatchHeader::parse(&bytes).unwrap();
        for (header, bytes) in [emptied(&whole), filler(Offset(40), Offset(42), 2)] {
            assert!(checksum_matches(&bytes));
            assert_eq!(BatchHeader::parse(&bytes).unwrap(), header);
            assert_eq!((header.base_offset, header.last_offset(), header.count), (Offset(40), Offset(42), 0));
            assert_eq!(shown(&bytes), []);
        }
    }
}
