use std::io;

use bytes::Bytes;

use super::cache::OpenSegment;
use super::offset_index::IndexedBatch;
use super::salvage::{Found, Salvage, read_full};
use super::{Segment, SegmentCache};
use crate::Offset;
use crate::batch::{BatchHeader, checksum_matches};

/// The least that is read from a file at once.
const READ_MIN: u64 = 16 << 10;
/// The most, however much the caller would take.
const READ_MAX: u64 = 8 << 20;
/// What lies between an index entry and the batch that is looked for, as a rule.
const INDEX_SLACK: u64 = 4 << 10;

/// What to read from a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    /// The first offset.
    pub from: Offset,
    /// Batches that reach this offset are not visible yet.
    pub limit: Offset,
    /// Bytes to read at most.
    pub max_bytes: u64,
    /// Whether the first batch is wanted however large it is.
    pub at_least_one: bool,
    /// Whether checksums are compared.
    pub verify: bool,
}

/// Why a segment could not be read at an offset.
#[derive(Debug)]
pub(crate) enum SegmentFault {
    /// The operating system refused.
    Io(io::Error),
    /// These offsets are damaged; `next` can be read again.
    Lost { first: Offset, next: Offset },
}

impl From<io::Error> for SegmentFault {
    fn from(error: io::Error) -> SegmentFault {
        SegmentFault::Io(error)
    }
}

/// How far a quick pass over a segment came.
enum Pass {
    /// As far as was asked; the next offset.
    Done(Offset),
    /// Nowhere: what is wanted may lie before the batch that it began with.
    Beyond,
    /// To something that does not look right.
    Doubt,
}

/// Reads whole batches and answers the offset after them, which is `from` when nothing is visible there.
pub(crate) fn read(
    cache: &SegmentCache,
    segment: &Segment,
    want: &Want,
    out: &mut Vec<Bytes>,
) -> Result<Offset, SegmentFault> {
    let open = match cache.open(segment) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SegmentFault::Lost { first: segment.state.base, next: segment.state.end });
        }
        open => open?,
    };
    let had = out.len();
    let index = cache.offsets(segment, &open)?;
    let floor = index.floor(want.from);
    // A large batch need not be read to be stepped over: the one behind it is in the index, too.
    if let (Some(floor), Some(above)) = (floor, index.above(want.from))
        && above.position - floor.position > READ_MIN
        && let Pass::Done(next) = pass(segment, &open, want, Some(above), out)?
    {
        return Ok(next);
    }
    if out.len() == had
        && let Pass::Done(next) = pass(segment, &open, want, floor, out)?
    {
        return Ok(next);
    }
    if let Some(last) = out.get(had..).and_then(<[Bytes]>::last) {
        // What is sound goes out first; the next read meets the doubt at its start.
        if let Ok(header) = BatchHeader::parse(last) {
            return Ok(header.next_offset());
        }
    }
    careful(cache, segment, &open, want, out)
}

/// The largest timestamp of the batch that ends at `last`, without reading its records; none where the index does not
/// lead to such a batch.
pub(crate) fn newest_in_batch(
    cache: &SegmentCache,
    segment: &Segment,
    last: Offset,
) -> io::Result<Option<i64>> {
    let open = cache.open(segment)?;
    let Some(entry) = cache.offsets(segment, &open)?.floor(last) else { return Ok(None) };
    let mut buffer = vec![0; READ_MIN.min(segment.state.len.saturating_sub(entry.position)) as usize];
    let read = read_full(open.log.as_ref(), &mut buffer, entry.position)?;
    let mut rest = buffer.get(..read).unwrap_or_default();
    while let Ok(header) = BatchHeader::parse(rest)
        && header.last_offset() <= last
    {
        if header.last_offset() == last {
            return Ok(Some(header.max_timestamp));
        }
        rest = rest.get(header.total_len..).unwrap_or_default();
    }
    Ok(None)
}

/// Reads in large pieces from an entry of the index on, or from the segment's start, trusting what fits together.
fn pass(
    segment: &Segment,
    open: &OpenSegment,
    want: &Want,
    entry: Option<IndexedBatch>,
    out: &mut Vec<Bytes>,
) -> io::Result<Pass> {
    let state = &segment.state;
    let mut position = entry.map_or(0, |entry| entry.position);
    let mut expected = if entry.is_none() { Some(state.base) } else { None };
    let mut next = want.from;
    let (mut taken, mut one) = (0, !want.at_least_one);
    let mut size = (want.max_bytes + INDEX_SLACK).clamp(READ_MIN, READ_MAX);
    while position < state.len {
        let mut buffer = vec![0; size.min(state.len - position) as usize];
        let read = read_full(open.log.as_ref(), &mut buffer, position)?;
        if read < buffer.len() {
            return Ok(Pass::Doubt);
        }
        let chunk = Bytes::from(buffer);
        let mut at = 0;
        while let Some(rest) = chunk.get(at..)
            && !rest.is_empty()
        {
            let header = match BatchHeader::parse(rest) {
                Ok(header) => header,
                Err(crate::batch::BatchError::Truncated(_)) if position + (at as u64) + 61 <= state.len => {
                    break;
                }
                Err(_) => return Ok(Pass::Doubt),
            };
            let fits = match expected {
                Some(expected) => header.base_offset == expected,
                None => entry.is_some_and(|entry| header.last_offset() == entry.last_offset),
            };
            let inside = header.total_len as u64 <= state.len - position - at as u64;
            if !fits || !inside || header.last_offset() >= state.end {
                return Ok(Pass::Doubt);
            }
            if expected.is_none() && header.base_offset > want.from {
                return Ok(Pass::Beyond);
            }
            if header.last_offset() >= want.limit {
                return Ok(Pass::Done(next));
            }
            let len = header.total_len;
            if header.last_offset() >= want.from {
                if one && taken + len as u64 > want.max_bytes {
                    return Ok(Pass::Done(next));
                }
                if len > rest.len() {
                    break;
                }
                let batch = chunk.slice(at..at + len);
                if want.verify && !checksum_matches(&batch) {
                    return Ok(Pass::Doubt);
                }
                out.push(batch);
                (taken, one, next) = (taken + len as u64, true, header.next_offset());
            } else if len > rest.len() {
                // A batch to step over: its content is not needed.
                expected = Some(header.next_offset());
                at += len;
                break;
            }
            expected = Some(header.next_offset());
            at += len;
        }
        position += at as u64;
        size = (want.max_bytes.saturating_sub(taken)).clamp(READ_MIN, READ_MAX);
        if at == 0 {
            // The batch here is larger than what was read at once.
            size = BatchHeader::parse(&chunk).map_or(READ_MIN, |header| header.total_len as u64);
            if size <= chunk.len() as u64 {
                return Ok(Pass::Doubt);
            }
        }
    }
    Ok(if next > want.from || state.end <= want.from { Pass::Done(next) } else { Pass::Doubt })
}

/// Finds the batch that holds `from`, checking every one on the way; or tells what is lost there.
fn careful(
    cache: &SegmentCache,
    segment: &Segment,
    open: &OpenSegment,
    want: &Want,
    out: &mut Vec<Bytes>,
) -> Result<Offset, SegmentFault> {
    let state = &segment.state;
    let mut salvage = Salvage::new(open.log.as_ref(), state);
    let (mut position, mut expected) = start(cache, segment, open, want.from, &mut salvage)?;
    loop {
        match salvage.step(position, expected)? {
            Found::Batch { position: at, header } if header.last_offset() >= want.from => {
                if header.last_offset() >= want.limit {
                    return Ok(want.from);
                }
                let mut bytes = vec![0; header.total_len];
                if read_full(open.log.as_ref(), &mut bytes, at)? < bytes.len() {
                    return Err(SegmentFault::Lost { first: header.base_offset, next: state.end });
                }
                if want.at_least_one || bytes.len() as u64 <= want.max_bytes {
                    out.push(Bytes::from(bytes));
                    return Ok(header.next_offset());
                }
                return Ok(want.from);
            }
            Found::Batch { position: at, header } => {
                (position, expected) = (at + header.total_len as u64, header.next_offset());
            }
            Found::Lost { first, next, .. } if next > want.from => {
                return Err(SegmentFault::Lost { first, next });
            }
            Found::Lost { next, position: at, .. } => (position, expected) = (at, next),
            Found::End => return Ok(want.from),
        }
    }
}

/// A batch beyond doubt at or before `from`: the one that the index names, or that an index made anew names.
fn start(
    cache: &SegmentCache,
    segment: &Segment,
    open: &OpenSegment,
    from: Offset,
    salvage: &mut Salvage<'_>,
) -> io::Result<(u64, Offset)> {
    for attempt in 0..2 {
        if attempt == 1 {
            cache.rebuild(segment, open)?;
        }
        let Some(entry) = cache.offsets(segment, open)?.floor(from) else { continue };
        // Any base will do here: that the last offset is the entry's makes up for it.
        if let Some(header) = salvage.trusted(entry.position, segment.state.base)?
            && header.last_offset() == entry.last_offset
        {
            return Ok((entry.position, header.base_offset));
        }
    }
    Ok((0, segment.state.base))
}
