use bytes::{Bytes, BytesMut};
use message::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::Offset;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const DEEP: usize = 1 << 20;
const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// One record "123" as a Kafka client wrote it.
const FROM_A_CLIENT: &[u8] = b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00;\x00\x00\x00\x01\x02\x03\x18\xa2p\
    \x00\x00\x00\x00\x00\x00\x00\x00\x01]\xff{\x06<\x00\x00\x01]\xff{\x06<\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
    \xff\xff\xff\xff\x00\x00\x00\x01\x12\x00\x00\x00\x01\x06123\x00";

fn sample(codec: Codec) -> Batch {
    let mut builder = BatchBuilder::new(NOW);
    builder.push(Some(b"key"), Some(b"value"), &[(b"a", Some(b"1")), (b"b", None)], None);
    builder.push(None, None, &[], Some(NOW.0 - 5000));
    builder.push(Some(b""), Some(&[9; 300]), &[], Some(NOW.0 + 70_000));
    builder.build_compressed(codec).unwrap()
}

#[test]
fn takes_what_kafka_clients_write_and_writes_the_same() {
    let batch = Batch::validate(BytesMut::from(FROM_A_CLIENT), DEEP).unwrap();
    let set = RecordSet::open(batch.as_bytes(), 0).unwrap();
    let records: Vec<_> = set.iter().map(Result::unwrap).collect();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].key, records[0].value), (None, Some(&b"123"[..])));
    let mut builder = BatchBuilder::new(Timestamp(batch.header().base_timestamp));
    builder.push(records[0].key, records[0].value, &[], None);
    let (_, own) = builder.build().place(Offset(0), 1, None);
    assert_eq!(own, FROM_A_CLIENT);
}

#[test]
fn reads_back_every_field_in_every_codec() {
    for codec in ALL {
        let batch = Batch::validate(BytesMut::from(sample(codec).as_bytes()), DEEP).unwrap();
        let (header, bytes) = batch.place(Offset(1000), 3, None);
        assert!(checksum_matches(&bytes), "placing does not touch what the checksum covers");
        assert_eq!((header.max_timestamp, header.last_offset()), (NOW.0 + 70_000, Offset(1002)));
        let set = RecordSet::open(&bytes, 1 << 20).unwrap();
        let records: Vec<_> = set.iter().map(Result::unwrap).collect();
        let headers: Vec<_> = records[0].headers.iter().collect();
        assert_eq!(headers, [(&b"a"[..], Some(&b"1"[..])), (&b"b"[..], None)]);
        assert_eq!((records[1].key, records[1].value, records[1].timestamp), (None, None, NOW.0 - 5000));
        assert_eq!(records[2].value, Some(&[9; 300][..]));
        let offsets: Vec<_> = set.iter_from(Offset(1001)).map(|record| record.unwrap().offset.0).collect();
        assert_eq!(offsets, [1001, 1002]);
        assert_eq!(set.slice_of(&bytes, records[2].value.unwrap()), Bytes::from(vec![9; 300]));
    }
}

#[test]
fn append_time_replaces_the_producers() {
    let (header, bytes) = sample(Codec::Lz4).place(Offset(5), 0, Some(Timestamp(42)));
    assert!(checksum_matches(&bytes));
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    let set = RecordSet::open(&bytes, 1 << 20).unwrap();
    assert!(set.iter().all(|record| record.unwrap().timestamp == 42));
}

#[test]
fn refuses_what_contradicts_itself() {
    let sound = sample(Codec::None);
    let refused = |change: &dyn Fn(&mut Vec<u8>), seal: bool| {
        let mut bytes = sound.as_bytes().to_vec();
        change(&mut bytes);
        if seal {
            super::header::seal(&mut bytes);
        }
        Batch::validate(BytesMut::from(&bytes[..]), DEEP).err()
    };
    assert_eq!(refused(&|_| {}, false), None);
    assert_eq!(refused(&|bytes| bytes.truncate(20), false), Some(BatchError::Truncated(41)));
    assert_eq!(refused(&|bytes| bytes.truncate(bytes.len() - 1), false), Some(BatchError::Truncated(1)));
    assert_eq!(refused(&|bytes| bytes.push(0), false), Some(BatchError::Trailing(1)));
    assert_eq!(refused(&|bytes| bytes[16] = 1, false), Some(BatchError::Magic(1)));
    assert_eq!(refused(&|bytes| bytes[70] ^= 1, false), Some(BatchError::Checksum));
    for (byte, value) in
        [(26, 9), (60, 2), (60, 4), (60, 0), (22, 0x20), (22, 0x40), (22, 8), (22, 5), (61, 0)]
    {
        assert!(refused(&|bytes| bytes[byte] = value, true).is_some(), "byte {byte} = {value}");
    }
}

/// A batch with this content in place of its records, compressed so, and everything else as it was.
fn with_content(codec: Codec, change: impl FnOnce(&mut Vec<u8>)) -> BytesMut {
    let plain = sample(Codec::None);
    let mut content = plain.as_bytes()[HEADER_LEN..].to_vec();
    change(&mut content);
    let mut bytes = BytesMut::new();
    recompression::encode(&mut bytes, plain.header(), &content, Compression::usual(codec)).unwrap();
    bytes
}

#[test]
fn what_is_compressed_is_checked_like_what_is_not() {
    for codec in ALL {
        let refused = |change: &dyn Fn(&mut Vec<u8>)| {
            let error = Batch::validate(with_content(codec, change), DEEP).err();
            error.map(|error| (error.code(), error))
        };
        assert_eq!(refused(&|_| {}), None, "{codec:?}");
        // The second record says that it is the first; the last one is cut off, or more follows; a header without name.
        let second = sample(Codec::None).as_bytes()[HEADER_LEN] as usize / 2 + 1;
        for broken in [
            &(|bytes: &mut Vec<u8>| bytes[second + 4] = 0) as &dyn Fn(&mut Vec<u8>),
            &|bytes| bytes.truncate(second),
            &|bytes| bytes.push(0),
            &|bytes| bytes.extend_from_within(..second),
            &|bytes| bytes[0] = 0x7f,
        ] {
            let (code, error) = refused(broken).unwrap_or_else(|| panic!("{codec:?} was taken"));
            assert_eq!(code, message::ErrorCode::InvalidRecord, "{codec:?}: {error}");
        }
        let mut garbage = sample(codec).as_bytes().to_vec();
        garbage.truncate(HEADER_LEN);
        garbage.extend([0xab; 60]);
        let length = (garbage.len() - 12) as i32;
        garbage[8..12].copy_from_slice(&length.to_be_bytes());
        super::header::seal(&mut garbage);
        let error = Batch::validate(BytesMut::from(&garbage[..]), DEEP).unwrap_err();
        assert_eq!(error.code(), message::ErrorCode::InvalidRecord, "{codec:?}: {error}");
    }
}

#[test]
fn a_largest_timestamp_that_is_not_is_put_right() {
    for codec in ALL {
        for claimed in [-1, NOW.0, i64::MAX] {
            let mut bytes = sample(codec).as_bytes().to_vec();
            bytes[35..43].copy_from_slice(&claimed.to_be_bytes());
            super::header::seal(&mut bytes);
            let batch = Batch::validate(BytesMut::from(&bytes[..]), DEEP).unwrap();
            assert_eq!(batch.as_bytes(), sample(codec).as_bytes(), "{codec:?} {claimed}");
            assert_eq!(batch.header().max_timestamp, NOW.0 + 70_000);
        }
    }
}

#[test]
fn only_a_named_producer_needs_an_epoch_and_a_sequence() {
    let told = |id: i64, epoch: i16, sequence: i32| {
        let mut bytes = FROM_A_CLIENT.to_vec();
        bytes[43..51].copy_from_slice(&id.to_be_bytes());
        bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
        bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
        super::header::seal(&mut bytes);
        Batch::validate(BytesMut::from(&bytes[..]), DEEP).is_ok()
    };
    for (epoch, sequence) in [(-1, -1), (0, 0), (-1, 0)] {
        assert!(told(-1, epoch, sequence), "no producer, epoch {epoch}, sequence {sequence}");
    }
    assert!(told(7, 0, 0));
    for (epoch, sequence) in [(-1, -1), (-1, 0), (0, -1)] {
        assert!(!told(7, epoch, sequence), "producer 7, epoch {epoch}, sequence {sequence}");
    }
}

#[test]
fn a_bomb_is_not_opened() {
    for codec in &ALL[1..] {
        let mut builder = BatchBuilder::new(NOW);
        builder.push(None, Some(&vec![0; 4 << 20]), &[], None);
        let batch = builder.build_compressed(*codec).unwrap();
        assert_eq!(RecordSet::open(batch.as_bytes(), 1 << 20).err(), Some(BatchError::TooLarge(1 << 20)));
        let bytes = BytesMut::from(batch.as_bytes());
        assert_eq!(Batch::validate(bytes, 1 << 20).err(), Some(BatchError::TooLarge(1 << 20)));
    }
}

/// Reads everything there is; the point is that it ends without a panic.
fn exhaust(bytes: &[u8]) {
    let _ = BatchHeader::parse(bytes);
    let _ = Batch::validate(BytesMut::from(bytes), DEEP);
    if let Ok(set) = RecordSet::open(bytes, 1 << 16) {
        for record in set.iter().flatten() {
            let _ = record.headers.iter().count();
        }
        let _ = set.iter_from(Offset(2)).count();
        let _ = set.iter().find_time(NOW.0);
    }
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(
        codec in 0usize..5,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut: prop::sample::Index,
        seal: bool,
    ) {
        let mut bytes = sample(ALL[codec]).as_bytes().to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if seal {
            super::header::seal(&mut bytes);
        }
        exhaust(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        exhaust(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        exhaust(&bytes);
    }
}
