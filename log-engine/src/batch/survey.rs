use super::varint::Cursor;
use super::{BatchError, BatchHeader, RecordHeaders, RecordSet, TimestampType};

/// Bytes in which the numbers of a plain record lie that come before its key, or its value where it has none: six of three bytes
/// each at most.
const WINDOW: usize = 18;
/// The length of a field that is not there, as it is written.
const NULL: u32 = 1;

/// What the records of a batch are like, found out when they were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Survey {
    /// The first record without a key, counted from 0.
    pub keyless: Option<u32>,
    /// The smallest timestamp; the largest number there is when no record has one.
    pub oldest: i64,
    /// The largest timestamp; -1 when no record has one.
    pub newest: i64,
}

/// One record that was looked at.
struct Seen {
    /// Bytes of all of it.
    len: usize,
    /// Its timestamp, relative to the batch's base.
    timestamp_delta: i64,
    has_key: bool,
}

impl RecordSet<'_> {
    /// Checks that the records are numbered from 0 without gaps and fill the batch exactly; tells what they are like.
    ///
    /// Whatever a producer sends passes here, record by record.
    pub(super) fn survey(&self) -> Result<Survey, BatchError> {
        self.survey_with(plain_record)
    }

    fn survey_with(&self, plain: impl Fn(&[u8], i32) -> Option<Seen>) -> Result<Survey, BatchError> {
        let header = self.header();
        let (base, kind) = (header.base_timestamp, header.timestamp_type());
        let mut survey = Survey { keyless: None, oldest: i64::MAX, newest: -1 };
        let mut rest = self.content();
        for number in 0..header.count {
            let seen = match plain(rest, number) {
                Some(seen) => seen,
                None => any_record(rest, number, header)?,
            };
            rest = rest.get(seen.len..).unwrap_or_default();
            let timestamp = match kind {
                TimestampType::CreateTime => base.wrapping_add(seen.timestamp_delta),
                TimestampType::LogAppendTime => header.max_timestamp,
            };
            if timestamp != -1 {
                survey.oldest = survey.oldest.min(timestamp);
                survey.newest = survey.newest.max(timestamp);
            }
            if !seen.has_key && survey.keyless.is_none() {
                survey.keyless = Some(number as u32);
            }
        }
        match rest.is_empty() {
            true => Ok(survey),
            false => Err(BatchError::Malformed("bytes follow its records")),
        }
    }
}

/// Looks at a record as most are: sound, without headers, none of its numbers large. Of any other it says nothing.
///
/// Nothing is handed out of it and no error is made up for it, which takes a third of the time of reading one that may be
/// anything.
#[inline]
fn plain_record(bytes: &[u8], number: i32) -> Option<Seen> {
    let window: &[u8; WINDOW] = bytes.first_chunk()?;
    let (len, begin) = small(window, 0)?;
    let (timestamp, at) = small(window, begin + 1)?;
    let (offset, at) = small(window, at)?;
    let (key, at) = small(window, at)?;
    let (value, at) = match field_len(key)? {
        None => small(window, at)?,
        Some(key_len) => {
            let behind = at + key_len;
            let (value, at) = small(bytes.get(behind..)?.first_chunk()?, 0)?;
            (value, behind + at)
        }
    };
    let headers = at + field_len(value)?.unwrap_or(0);
    let len = begin + field_len(len)??;
    let is_plain = offset == number as u32 * 2 && bytes.get(headers) == Some(&0) && headers + 1 == len;
    let timestamp_delta = i64::from(timestamp >> 1) ^ -i64::from(timestamp & 1);
    is_plain.then_some(Seen { len, timestamp_delta, has_key: key != NULL })
}

/// A number of at most three bytes as it is written, zigzag, and where the next begins.
#[inline]
fn small(window: &[u8; WINDOW], at: usize) -> Option<(u32, usize)> {
    let byte = |at: usize| window.get(at).map(|byte| u32::from(*byte));
    let first = byte(at)?;
    if first < 0x80 {
        return Some((first, at + 1));
    }
    let second = byte(at + 1)?;
    if second < 0x80 {
        return Some((first & 0x7f | second << 7, at + 2));
    }
    let third = byte(at + 2)?;
    (third < 0x80).then_some((first & 0x7f | (second & 0x7f) << 7 | third << 14, at + 3))
}

/// The length of a field, none where there is no field. Other negative lengths mean nothing.
#[inline]
fn field_len(zigzag: u32) -> Option<Option<usize>> {
    match zigzag {
        NULL => Some(None),
        even if even & 1 == 0 => Some(Some(even as usize / 2)),
        _ => None,
    }
}

/// Looks at a record that may be anything.
fn any_record(bytes: &[u8], number: i32, batch: &BatchHeader) -> Result<Seen, BatchError> {
    let mut rest = Cursor::new(bytes);
    let mut body = rest.record()?;
    body.byte()?;
    let timestamp_delta = body.varlong()?;
    let offset = body.varint()?;
    if offset < 0 || offset > batch.last_offset_delta {
        return Err(BatchError::Malformed("a record's offset lies outside its batch"));
    }
    if offset != number {
        return Err(BatchError::Malformed("its records are not numbered in order"));
    }
    let has_key = body.nullable()?.is_some();
    body.nullable()?;
    RecordHeaders::read(&mut body)?;
    Ok(Seen { len: bytes.len() - rest.rest().len(), timestamp_delta, has_key })
}

#[cfg(test)]
mod tests {
    use message::Timestamp;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::{BatchBuilder, HEADER_LEN};
    use super::*;

    /// Key, value, headers, and how much later than the batch it says to be.
    type Fields = (Option<Vec<u8>>, Option<Vec<u8>>, usize, i64);

    fn field() -> impl Strategy<Value = Option<Vec<u8>>> {
        let len = prop_oneof![4 => 0..40usize, 2 => 60..70usize, 1 => 8_100..8_300usize];
        proptest::option::of(len.prop_map(|len| vec![7; len]))
    }

    fn fields() -> impl Strategy<Value = Fields> {
        let later = prop_oneof![3 => 0..3i64, 1 => -70..70i64, 1 => -10_000..10_000i64, 1 => any::<i32>().prop_map(i64::from)];
        (field(), field(), prop_oneof![5 => Just(0), 1 => 1..3usize], later)
    }

    fn batch(records: &[Fields]) -> Vec<u8> {
        let start = 1_700_000_000_000;
        let mut builder = BatchBuilder::new(Timestamp(start));
        for (key, value, headers, later) in records {
            let headers: Vec<(&[u8], Option<&[u8]>)> = vec![(b"h", Some(b"v")); *headers];
            builder.push(key.as_deref(), value.as_deref(), &headers, Some(start + later));
        }
        builder.build().as_bytes().to_vec()
    }

    proptest! {
        /// The short way finds what the long way finds, and refuses what that refuses, for the same reason.
        #[test]
        fn plain_records_are_seen_as_any_other(
            records in vec(fields(), 1..80),
            damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let mut batch = batch(&records);
            for (at, byte) in damage {
                let at = HEADER_LEN + at.index(batch.len() - HEADER_LEN);
                batch[at] = byte;
            }
            let set = RecordSet::open(&batch, 1 << 20).expect("its header is sound");
            prop_assert_eq!(set.survey(), set.survey_with(|_, _| None));
        }
    }

    #[test]
    fn most_records_are_plain() {
        let records = [(None, Some(vec![1; 100]), 0, 0), (Some(vec![1; 9]), Some(vec![1; 2000]), 0, 5)];
        let batch = batch(&records.iter().cloned().cycle().take(200).collect::<Vec<_>>());
        let set = RecordSet::open(&batch, 1 << 20).expect("sound");
        let (mut rest, mut plain) = (set.content(), 0);
        while let Some(seen) = plain_record(rest, plain) {
            (rest, plain) = (&rest[seen.len..], plain + 1);
        }
        assert_eq!((plain, rest.len()), (200, 0));
    }
}
