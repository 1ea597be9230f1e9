//! What is told of a message's failed attempts, and what a failure does.
use ::message::{HeaderTable, HeaderTableBuilder, HeaderValue, Timestamp};
use segment_store::Block;

use crate::MessageId;
use crate::dead_letter::Reason;
use crate::engine::Core;
use crate::fields::{Fields, Malformed, put_varint};
use crate::header_edit;
use crate::queue::{Queue, after};
use crate::record::Record;
use crate::runs::{Run, Runs};
use crate::slots::{NEVER, State};

/// How an attempt ended that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The consumer returned the message.
    Returned,
    /// The lease ended by itself.
    LeaseExpired,
    /// The consumer rejected the message.
    Rejected,
}

impl Outcome {
    const ALL: [Outcome; 3] = [Outcome::Returned, Outcome::LeaseExpired, Outcome::Rejected];

    /// The name that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Returned => "returned",
            Outcome::LeaseExpired => "lease_expired",
            Outcome::Rejected => "rejected",
        }
    }

    /// The outcome of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }

    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_number(number: u8) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.number() == number)
    }
}

/// One attempt that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FailedAttempt {
    /// Which delivery it was, from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub at: Timestamp,
    /// Until when the message was to wait; `None` when there was no wait, or no further attempt.
    pub retry_at: Option<Timestamp>,
}

impl FailedAttempt {
    /// Most attempts that a message's history tells of: the latest ones.
    pub const MOST_TOLD: usize = 64;

    /// Most bytes that one takes in a record.
    pub(crate) const BOUND: usize = 1 + 5 + 10 + 10;

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.push(self.outcome.number());
        put_varint(out, u64::from(self.attempt));
        put_varint(out, self.at.0 as u64);
        put_varint(out, self.retry_at.map_or(0, |at| (at.0 as u64).saturating_add(1)));
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<FailedAttempt, Malformed> {
        Ok(FailedAttempt {
            outcome: Outcome::from_number(fields.byte()?).ok_or(Malformed)?,
            attempt: fields.number()?,
            at: Timestamp(fields.varint()? as i64),
            retry_at: fields.varint()?.checked_sub(1).map(|at| Timestamp(at as i64)),
        })
    }
}

/// Failed attempts that are not written down yet; those of one kind go into one record.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    kinds: Vec<(FailedAttempt, Runs)>,
    count: usize,
}

impl Failures {
    /// Most bytes that one failure takes in a block.
    pub(crate) const BOUND: usize =
        1 + FailedAttempt::BOUND + 10 + Run::BOUND + segment_store::RECORD_OVERHEAD;

    fn push(&mut self, queue: &Queue, sequence: u64, failed: FailedAttempt) {
        self.count += 1;
        if self.kinds.last().is_none_or(|(last, _)| *last != failed) {
            self.kinds.push((failed, Runs::default()));
        }
        self.kinds.last_mut().into_iter().for_each(|(_, runs)| runs.push(queue.id, sequence));
    }

    /// Whether the block takes one more.
    pub(crate) fn have_room(&self, block: &Block) -> bool {
        block.remaining() >= (self.count + 1) * Failures::BOUND
    }
}

impl Core {
    /// Writes failed attempts down; the caller made sure that the block has room.
    pub(crate) fn write_failures(&mut self, block: &mut Block, failures: Failures) {
        for (failed, runs) in failures.kinds {
            self.write(block, &Record::Failed { failed, runs });
        }
    }
}

impl Queue {
    /// The failed attempts of a message, the earliest first.
    pub(crate) fn history(&self, sequence: u64) -> &[FailedAttempt] {
        self.histories.as_ref().and_then(|all| all.get(&sequence)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn tell(&mut self, sequence: u64, failed: FailedAttempt) {
        let history = self.histories.get_or_insert_default().entry(sequence).or_default();
        if history.len() == FailedAttempt::MOST_TOLD {
            history.remove(0);
        }
        history.push(failed);
    }
}

impl Core {
    /// Ends an attempt that failed, on a queue with a retry policy: the message waits `wait_ms`, or as the policy says,
    /// or leaves because it failed too often.
    pub(crate) fn fail(
        &mut self,
        queue: &mut Queue,
        sequence: u64,
        outcome: Outcome,
        wait_ms: Option<u64>,
        now: Timestamp,
        failures: &mut Failures,
    ) {
        let Some(slot) = queue.slots.get(sequence) else { return };
        let (attempt, strikes) = (u32::from(slot.attempts), slot.strikes());
        let policy_ms = |queue: &Queue| {
            queue.options.retry.as_ref().map(|retry| retry.wait_ms(MessageId(sequence), strikes))
        };
        let ends = outcome == Outcome::Rejected || queue.is_over_limit(sequence);
        let wait_ms = if ends { 0 } else { wait_ms.or_else(|| policy_ms(queue)).unwrap_or(0) };
        let retry_at = (wait_ms > 0).then(|| after(now, wait_ms));
        let failed = FailedAttempt { attempt, outcome, at: now, retry_at };
        queue.tell(sequence, failed);
        failures.push(queue, sequence, failed);
        match (ends, retry_at) {
            (true, _) if outcome == Outcome::Rejected => self.kill(queue, sequence, Reason::Rejected),
            (true, _) => self.kill(queue, sequence, Reason::DeliveryLimit),
            (false, Some(until)) => {
                queue.change(sequence, State::Delayed, until, &mut self.ledger);
                queue.watch_delay(until, sequence);
            }
            (false, None) => {
                if queue.change(sequence, State::Ready, NEVER, &mut self.ledger).is_some() {
                    queue.index(sequence);
                }
            }
        }
    }
}

/// Names the header that carries the failed attempts of a dead letter.
const HISTORY: &str = "x-retry-history";

/// The headers of a message with the attempts that failed in `queue` behind those of earlier queues.
pub(crate) fn with_history(headers: &HeaderTable, queue: &str, history: &[FailedAttempt]) -> HeaderTable {
    let mut told = match headers.get(HISTORY) {
        Some(HeaderValue::List(told)) => told,
        _ => Vec::new(),
    };
    told.extend(history.iter().map(|failed| {
        let mut entry = vec![
            ("queue".to_owned(), HeaderValue::Text(queue.to_owned())),
            ("attempt".to_owned(), HeaderValue::Int(i64::from(failed.attempt))),
            ("outcome".to_owned(), HeaderValue::Text(failed.outcome.as_str().to_owned())),
            ("at".to_owned(), HeaderValue::Int(failed.at.0)),
        ];
        entry.extend(failed.retry_at.map(|at| ("retry_at".to_owned(), HeaderValue::Int(at.0))));
        HeaderValue::Table(entry)
    }));
    told.drain(..told.len().saturating_sub(FailedAttempt::MOST_TOLD));
    let mut own = HeaderTableBuilder::new();
    // The name is ours and short.
    let _ = own.push(HISTORY, &HeaderValue::List(told));
    header_edit::replace(headers, &[HISTORY], own.build().as_bytes())
}
