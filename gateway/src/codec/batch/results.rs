//! What became of published messages; consecutive receipts collapse to runs.

use bytes::Bytes;
use message::ErrorCode;

use super::frame::{BatchError, BatchHeader, BatchKind, HEADER_BYTES, Take, patch_u32, put_text};
use crate::refusal::Refusal;
use crate::topics::Receipt;

const LOG: u8 = 1;
const QUEUE: u8 = 2;
const UNCONFIRMED: u8 = 3;
const REFUSED: u8 = 4;
const ROUTED: u8 = 5;
const DUPLICATE: u8 = 6;

/// One entry of decoded results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunResult {
    /// So many messages got this receipt and the ones that follow it: the offset or id counts up by one.
    Run(Receipt, u32),
    /// One message was refused.
    Refused {
        /// An `ErrorCode` by name.
        code: String,
        /// What happened and what to do.
        detail: String,
        /// The field at fault; empty when none is named.
        field: String,
        /// Whether the same message may be taken later.
        retryable: bool,
    },
}

/// Appends one batch of results.
pub fn encode_results(out: &mut Vec<u8>, receipts: &[Result<Receipt, Box<Refusal>>]) {
    let start = out.len();
    out.extend_from_slice(
        &BatchHeader { kind: BatchKind::Results, count: receipts.len() as u32, length: 0 }.encode(),
    );
    let mut rest = receipts;
    while let Some((first, tail)) = rest.split_first() {
        rest = match first {
            Err(refusal) => {
                put_refusal(out, refusal);
                tail
            }
            Ok(first) => {
                let run =
                    1 + tail.iter().zip(1u32..).take_while(|(next, n)| follows(first, next, *n)).count();
                put_run(out, first, run as u32);
                rest.get(run..).unwrap_or_default()
            }
        };
    }
    let length = (out.len() - start - HEADER_BYTES) as u32;
    patch_u32(out, start + 12, length);
}

/// Whether `next` is the `n`th after `first` in the same run.
fn follows(first: &Receipt, next: &Result<Receipt, Box<Refusal>>, n: u32) -> bool {
    match (first, next) {
        (
            Receipt::Log { partition, offset, timestamp },
            Ok(Receipt::Log { partition: same, offset: later, timestamp: when }),
        ) => partition == same && offset.checked_add(i64::from(n)) == Some(*later) && timestamp == when,
        (Receipt::Queue { id }, Ok(Receipt::Queue { id: later })) => {
            id.checked_add(u64::from(n)) == Some(*later)
        }
        (Receipt::Unconfirmed, Ok(Receipt::Unconfirmed)) => true,
        (Receipt::Routed { .. } | Receipt::Duplicate { .. }, Ok(next)) => first == next,
        _ => false,
    }
}

fn put_run(out: &mut Vec<u8>, first: &Receipt, run: u32) {
    let tag = match first {
        Receipt::Log { .. } => LOG,
        Receipt::Queue { .. } => QUEUE,
        Receipt::Duplicate { .. } => DUPLICATE,
        Receipt::Routed { .. } => ROUTED,
        Receipt::Unconfirmed => UNCONFIRMED,
    };
    out.push(tag);
    out.extend_from_slice(&run.to_be_bytes());
    match first {
        Receipt::Log { partition, offset, timestamp } => {
            out.extend_from_slice(&partition.to_be_bytes());
            out.extend_from_slice(&offset.to_be_bytes());
            out.extend_from_slice(&timestamp.to_be_bytes());
        }
        Receipt::Queue { id } => out.extend_from_slice(&id.to_be_bytes()),
        Receipt::Duplicate { id } => out.extend_from_slice(&id.to_be_bytes()),
        Receipt::Routed { queues, duplicates, logs, held } => {
            for count in [queues, duplicates, logs] {
                out.extend_from_slice(&count.to_be_bytes());
            }
            out.push(u8::from(*held));
        }
        Receipt::Unconfirmed => {}
    }
}

fn put_refusal(out: &mut Vec<u8>, refusal: &Refusal) {
    out.push(REFUSED);
    out.extend_from_slice(&1u32.to_be_bytes());
    let code: ErrorCode = refusal.code;
    out.push(u8::from(code.is_retryable()));
    put_text(out, code.as_str());
    put_text(out, &refusal.detail);
    put_text(out, refusal.field.as_deref().unwrap_or_default());
}

/// Reads one batch of results: what a client does.
pub fn decode_results(body: &Bytes) -> Result<Vec<RunResult>, BatchError> {
    let mut from = Take::new(body);
    let (count, mut part) = BatchHeader::expect(&mut from, BatchKind::Results)?;
    let mut results = Vec::new();
    let mut seen = 0u32;
    while part.left() > 0 {
        let tag = part.u8()?;
        let run = part.u32()?;
        seen = seen.checked_add(run).ok_or(BatchError::Count(count))?;
        results.push(match tag {
            LOG => RunResult::Run(
                Receipt::Log { partition: part.u32()?, offset: part.i64()?, timestamp: part.i64()? },
                run,
            ),
            QUEUE => RunResult::Run(Receipt::Queue { id: part.u64()? }, run),
            DUPLICATE => RunResult::Run(Receipt::Duplicate { id: part.u64()? }, run),
            ROUTED => {
                let (queues, duplicates, logs) = (part.u32()?, part.u32()?, part.u32()?);
                let held = part.u8()? != 0;
                RunResult::Run(Receipt::Routed { queues, duplicates, logs, held }, run)
            }
            UNCONFIRMED => RunResult::Run(Receipt::Unconfirmed, run),
            REFUSED => {
                let retryable = part.u8()? != 0;
                let mut text = || Ok(part.text()?.ok_or(BatchError::Part(seen, "text"))?.to_owned());
                RunResult::Refused { code: text()?, detail: text()?, field: text()?, retryable }
            }
            _ => return Err(BatchError::Part(seen, "result tag")),
        });
    }
    if seen == count { Ok(results) } else { Err(BatchError::Count(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn consecutive_receipts_collapse() {
        let log = |partition, offset| Ok(Receipt::Log { partition, offset, timestamp: 9 });
        let refused =
            || Err(Box::new(Refusal::new(ErrorCode::TooLarge, "too large").in_field("/messages/3")));
        let receipts = vec![log(0, 5), log(0, 6), log(0, 7), refused(), log(0, 8), log(1, 9)];
        let mut out = Vec::new();
        encode_results(&mut out, &receipts);
        let results = decode_results(&out.into()).unwrap();
        assert_eq!(results.len(), 4);
        assert_eq!(results[0], RunResult::Run(Receipt::Log { partition: 0, offset: 5, timestamp: 9 }, 3));
        let RunResult::Refused { code, field, .. } = &results[1] else { panic!("{results:?}") };
        assert_eq!((code.as_str(), field.as_str()), ("too_large", "/messages/3"));
        assert_eq!(results[3], RunResult::Run(Receipt::Log { partition: 1, offset: 9, timestamp: 9 }, 1));
    }

    fn receipt() -> impl Strategy<Value = Receipt> {
        prop_oneof![
            (0u32..2, 0i64..4, 0i64..2).prop_map(|(partition, offset, timestamp)| Receipt::Log {
                partition,
                offset,
                timestamp
            }),
            (0u64..4).prop_map(|id| Receipt::Queue { id }),
            (0u64..4).prop_map(|id| Receipt::Duplicate { id }),
            (0u32..2, 0u32..2, 0u32..2, any::<bool>()).prop_map(|(queues, duplicates, logs, held)| {
                Receipt::Routed { queues, duplicates, logs, held }
            }),
            Just(Receipt::Unconfirmed),
        ]
    }

    proptest! {
        #[test]
        fn runs_spell_out_to_what_was_sent(receipts in prop::collection::vec(receipt(), 0..30)) {
            let mut out = Vec::new();
            encode_results(&mut out, &receipts.iter().copied().map(Ok).collect::<Vec<_>>());
            let mut spelt = Vec::new();
            for result in decode_results(&out.into()).unwrap() {
                let RunResult::Run(first, run) = result else { panic!("nothing was refused") };
                spelt.extend((0..run).map(|n| match first {
                    Receipt::Log { partition, offset, timestamp } => {
                        Receipt::Log { partition, offset: offset + i64::from(n), timestamp }
                    }
                    Receipt::Queue { id } => Receipt::Queue { id: id + u64::from(n) },
                    same @ (Receipt::Routed { .. } | Receipt::Duplicate { .. } | Receipt::Unconfirmed) => same,
                }));
            }
            prop_assert_eq!(spelt, receipts);
        }

        #[test]
        fn hostile_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut framed = BatchHeader { kind: BatchKind::Results, count: 1, length: bytes.len() as u32 }.encode().to_vec();
            framed.extend(bytes);
            let _ = decode_results(&framed.into());
        }
    }
}
