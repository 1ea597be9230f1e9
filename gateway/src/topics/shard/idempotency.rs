//! Answers to requests that named themselves, kept so that a repeat gets the first answer instead of a second effect.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use message::{ErrorCode, Timestamp};
use segment_store::{Block, RecordKind};

use crate::refusal::Refusal;
use crate::topics::{IdempotencyKey, Receipt, Receipts};

/// How long and how many answers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencySettings {
    /// For how long a repeat is recognised.
    pub window: Duration,
    /// Most keys kept; the oldest make room.
    pub max_keys: usize,
}

impl Default for IdempotencySettings {
    fn default() -> Self {
        IdempotencySettings { window: Duration::from_secs(24 * 3600), max_keys: 100_000 }
    }
}

struct Answer {
    fingerprint: u64,
    at: Timestamp,
    receipts: Bytes,
}

/// Journal bytes that one message's part of an answer takes at most, the words of a refusal aside.
const ANSWER_BYTES: usize = 96;
/// What a refusal says whose words were not kept.
const AS_BEFORE: &str = "refused as the first time";

/// The kept answers. Each is journaled in the block that holds its request's effect: both are there, or neither.
pub(crate) struct Idempotency {
    settings: IdempotencySettings,
    answers: HashMap<Box<str>, Answer>,
    by_age: VecDeque<(Timestamp, Box<str>)>,
}

impl Idempotency {
    pub(crate) fn new(settings: IdempotencySettings) -> Idempotency {
        Idempotency { settings, answers: HashMap::new(), by_age: VecDeque::new() }
    }

    /// The answer given before, if this request was answered within the window.
    pub(crate) fn find(&self, key: &IdempotencyKey, now: Timestamp) -> Result<Option<Receipts>, Refusal> {
        let Some(answer) = self.answers.get(key.key.as_str()) else { return Ok(None) };
        if now.since(answer.at) >= self.settings.window {
            return Ok(None);
        }
        if answer.fingerprint != key.fingerprint {
            return Err(Refusal::new(
                ErrorCode::IdempotencyMismatch,
                "this idempotency key was used for a different request; use a new key",
            )
            .in_field("Idempotency-Key"));
        }
        decode_receipts(answer.receipts.clone())
            .map(Some)
            .ok_or_else(|| Refusal::new(ErrorCode::Internal, "the kept answer cannot be read"))
    }

    /// Journal bytes that the answer for so many messages takes at most.
    pub(crate) fn answer_bytes(key: &IdempotencyKey, messages: usize) -> usize {
        64 + key.key.len() + messages * ANSWER_BYTES
    }

    /// Keeps an answer, journaled with the effect. The caller kept [`Idempotency::answer_bytes`] of the block free:
    /// where refusals were told at greater length, they are kept without their words.
    pub(crate) fn keep(
        &mut self,
        block: &mut Block,
        key: &IdempotencyKey,
        receipts: &Receipts,
        now: Timestamp,
    ) {
        let mut record = encode(&key.key, key.fingerprint, now, receipts, Words::Kept);
        if record.len() > Idempotency::answer_bytes(key, receipts.len()) {
            record = encode(&key.key, key.fingerprint, now, receipts, Words::Left);
        }
        block.push(RecordKind::GATEWAY, &[&record]);
        self.replay(&record);
        self.forget_old(now);
    }

    /// Folds a journaled answer; damaged ones cannot occur below a block's checksum and are passed over.
    pub(crate) fn replay(&mut self, record: &[u8]) {
        let Some((key, answer)) = decode(Bytes::copy_from_slice(record)) else { return };
        self.by_age.push_back((answer.at, key.clone()));
        self.answers.insert(key, answer);
    }

    /// Drops answers that are past the window or over the number.
    pub(crate) fn forget_old(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.by_age.front() {
            let stale = now.since(*at) >= self.settings.window;
            if !stale && self.by_age.len() <= self.settings.max_keys {
                break;
            }
            let Some((at, key)) = self.by_age.pop_front() else { break };
            if self.answers.get(&key).is_some_and(|answer| answer.at == at) {
                self.answers.remove(&key);
            }
        }
    }

    /// Records that rebuild it.
    pub(crate) fn checkpoint(&self, emit: &mut dyn FnMut(&[u8])) {
        for (at, key) in &self.by_age {
            if let Some(answer) = self.answers.get(key).filter(|answer| answer.at == *at) {
                emit(&assemble(key, answer.fingerprint, answer.at, &answer.receipts));
            }
        }
    }
}

/// Whether a refusal is kept with its sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    Kept,
    Left,
}

fn encode(key: &str, fingerprint: u64, at: Timestamp, receipts: &Receipts, words: Words) -> Vec<u8> {
    assemble(key, fingerprint, at, &encode_receipts(receipts, words))
}

fn assemble(key: &str, fingerprint: u64, at: Timestamp, receipts: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(20 + key.len() + receipts.len());
    out.put_u64(fingerprint);
    out.put_i64(at.0);
    out.put_u32(key.len() as u32);
    out.put_slice(key.as_bytes());
    out.put_slice(receipts);
    out
}

fn decode(mut record: Bytes) -> Option<(Box<str>, Answer)> {
    let fingerprint = record.try_get_u64().ok()?;
    let at = Timestamp(record.try_get_i64().ok()?);
    let key = take_text(&mut record)?;
    Some((key.into_boxed_str(), Answer { fingerprint, at, receipts: record }))
}

/// Consecutive offsets or ids of one place are kept as one run: a batch of a thousand costs a few bytes.
fn encode_receipts(receipts: &Receipts, words: Words) -> Vec<u8> {
    let mut out = Vec::new();
    let mut index = 0;
    while let Some(first) = receipts.get(index) {
        let run =
            receipts[index..].iter().zip(0..).take_while(|(receipt, step)| continues(first, receipt, *step));
        let count = run.count().max(1);
        out.put_u32(count as u32);
        match first {
            Ok(Receipt::Log { partition, offset, timestamp }) => {
                out.put_u8(0);
                out.put_u32(*partition);
                out.put_i64(*offset);
                out.put_i64(*timestamp);
            }
            Ok(Receipt::Queue { id }) => {
                out.put_u8(1);
                out.put_u64(*id);
            }
            Ok(Receipt::Routed { queues, duplicates, logs, held }) => {
                out.put_u8(2);
                out.put_u32(*queues);
                out.put_u32(*duplicates);
                out.put_u32(*logs);
                out.put_u8(u8::from(*held));
            }
            Ok(Receipt::Duplicate { id }) => {
                out.put_u8(5);
                out.put_u64(*id);
            }
            Ok(Receipt::Unconfirmed) => out.put_u8(3),
            Err(refusal) => {
                out.put_u8(4);
                put_text(&mut out, refusal.code.as_str());
                put_text(&mut out, if words == Words::Kept { &refusal.detail } else { AS_BEFORE });
            }
        }
        index += count;
    }
    out
}

fn continues(first: &Result<Receipt, Box<Refusal>>, next: &Result<Receipt, Box<Refusal>>, step: i64) -> bool {
    match (first, next) {
        (
            Ok(Receipt::Log { partition: p, offset: o, timestamp: t }),
            Ok(Receipt::Log { partition, offset, timestamp }),
        ) => p == partition && o + step == *offset && t == timestamp,
        (Ok(Receipt::Queue { id: a }), Ok(Receipt::Queue { id })) => a + step as u64 == *id,
        (first, next) => first == next,
    }
}

fn decode_receipts(mut bytes: Bytes) -> Option<Receipts> {
    let mut receipts = Receipts::new();
    while bytes.has_remaining() {
        let count = bytes.try_get_u32().ok()?;
        match bytes.try_get_u8().ok()? {
            0 => {
                let (partition, offset, timestamp) =
                    (bytes.try_get_u32().ok()?, bytes.try_get_i64().ok()?, bytes.try_get_i64().ok()?);
                let log = |step| Ok(Receipt::Log { partition, offset: offset + i64::from(step), timestamp });
                receipts.extend((0..count).map(log));
            }
            1 => {
                let id = bytes.try_get_u64().ok()?;
                receipts.extend((0..count).map(|step| Ok(Receipt::Queue { id: id + u64::from(step) })));
            }
            2 => {
                let routed = Receipt::Routed {
                    queues: bytes.try_get_u32().ok()?,
                    duplicates: bytes.try_get_u32().ok()?,
                    logs: bytes.try_get_u32().ok()?,
                    held: bytes.try_get_u8().ok()? != 0,
                };
                receipts.extend((0..count).map(|_| Ok(routed)));
            }
            5 => {
                let duplicate = Receipt::Duplicate { id: bytes.try_get_u64().ok()? };
                receipts.extend((0..count).map(|_| Ok(duplicate)));
            }
            3 => receipts.extend((0..count).map(|_| Ok(Receipt::Unconfirmed))),
            _ => {
                let name = take_text(&mut bytes)?;
                let code = ErrorCode::ALL.into_iter().find(|code| code.as_str() == name)?;
                let refusal = Box::new(Refusal::new(code, take_text(&mut bytes)?));
                receipts.extend((0..count).map(|_| Err(refusal.clone())));
            }
        }
    }
    Some(receipts)
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.put_u32(text.len() as u32);
    out.put_slice(text.as_bytes());
}

fn take_text(bytes: &mut Bytes) -> Option<String> {
    let len = bytes.try_get_u32().ok()? as usize;
    let text = (bytes.remaining() >= len).then(|| bytes.split_to(len))?;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use segment_store::Lsn;

    fn key(key: &str, fingerprint: u64) -> IdempotencyKey {
        IdempotencyKey { key: key.into(), fingerprint }
    }

    fn answer() -> Receipts {
        vec![
            Ok(Receipt::Log { partition: 2, offset: 7, timestamp: 5 }),
            Ok(Receipt::Log { partition: 2, offset: 8, timestamp: 5 }),
            Ok(Receipt::Log { partition: 1, offset: 0, timestamp: 5 }),
            Err(Box::new(Refusal::new(ErrorCode::TooLarge, "too large"))),
            Ok(Receipt::Queue { id: 4 }),
            Ok(Receipt::Queue { id: 5 }),
            Ok(Receipt::Duplicate { id: 5 }),
            Ok(Receipt::Routed { queues: 1, duplicates: 1, logs: 0, held: true }),
        ]
    }

    #[test]
    fn a_repeat_gets_the_first_answer_after_a_restart_too() {
        let mut block = Block::for_test(Lsn(0));
        let mut kept = Idempotency::new(IdempotencySettings::default());
        kept.keep(&mut block, &key("a", 1), &answer(), Timestamp(10));
        assert_eq!(kept.find(&key("a", 1), Timestamp(11)), Ok(Some(answer())));

        let mut journal = Idempotency::new(IdempotencySettings::default());
        block.iter().for_each(|(_, _, record)| journal.replay(record));
        assert_eq!(journal.find(&key("a", 1), Timestamp(11)), Ok(Some(answer())));

        let mut checkpoint = Idempotency::new(IdempotencySettings::default());
        kept.checkpoint(&mut |record| checkpoint.replay(record));
        assert_eq!(checkpoint.find(&key("a", 1), Timestamp(11)), Ok(Some(answer())));
    }

    #[test]
    fn an_answer_takes_no_more_than_was_kept_free_for_it() {
        let refused = |n: usize| {
            let code = ErrorCode::ALL[n % ErrorCode::ALL.len()];
            Err(Box::new(Refusal::new(code, format!("{n} {}", "why ".repeat(50)))))
        };
        let receipts: Receipts = (0..500).map(refused).collect();
        let mut block = Block::for_test(Lsn(0));
        let mut kept = Idempotency::new(IdempotencySettings::default());
        let key = key("a", 1);
        kept.keep(&mut block, &key, &receipts, Timestamp(10));
        let (.., record) = block.iter().next().unwrap();
        assert!(record.len() <= Idempotency::answer_bytes(&key, 500), "{}", record.len());
        let again = kept.find(&key, Timestamp(11)).unwrap().unwrap();
        let codes = |receipts: &Receipts| -> Vec<ErrorCode> {
            receipts.iter().map(|receipt| receipt.as_ref().unwrap_err().code).collect()
        };
        assert_eq!(codes(&again), codes(&receipts));
    }

    #[test]
    fn another_request_under_the_same_key_is_refused() {
        let mut block = Block::for_test(Lsn(0));
        let mut kept = Idempotency::new(IdempotencySettings::default());
        kept.keep(&mut block, &key("a", 1), &answer(), Timestamp(10));
        let refused = kept.find(&key("a", 2), Timestamp(11)).unwrap_err();
        assert_eq!(refused.code, ErrorCode::IdempotencyMismatch);
    }

    #[test]
    fn age_and_number_are_bounded() {
        let settings = IdempotencySettings { window: Duration::from_millis(100), max_keys: 3 };
        let mut block = Block::for_test(Lsn(0));
        let mut kept = Idempotency::new(settings);
        for n in 0..5 {
            kept.keep(&mut block, &key(&n.to_string(), 1), &answer(), Timestamp(n));
        }
        assert_eq!(kept.answers.len(), 3);
        assert_eq!(kept.find(&key("1", 1), Timestamp(5)), Ok(None));
        assert_eq!(kept.find(&key("4", 1), Timestamp(104)), Ok(None));
        kept.forget_old(Timestamp(200));
        assert!(kept.answers.is_empty() && kept.by_age.is_empty());
    }
}
