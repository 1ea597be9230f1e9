//! How messages lie in the journal: as they were published, and as they were moved forward.
use ::message::Timestamp;

use crate::QueueId;
use crate::dead_letter::Reason;
use crate::enqueue::PER_TARGET;
use crate::failure::FailedAttempt;
use crate::fields::{Fields, Malformed, put_varint};
use crate::record::{RELOCATED, read_list};

/// One queue that published messages reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublishTarget {
    pub(crate) queue: QueueId,
    /// Sequence of the first message; the others follow.
    pub(crate) first: u64,
    /// The queue's own limit on how long they may wait.
    pub(crate) ttl_ms: Option<u64>,
}

/// Messages that reached the same queues: stored once for all of them.
#[derive(Debug)]
pub(crate) struct Published<'a> {
    pub(crate) at: Timestamp,
    pub(crate) targets: Vec<PublishTarget>,
    pub(crate) count: u64,
    /// Length and envelope, `count` times.
    pub(crate) envelopes: Fields<'a>,
}

pub(crate) fn put_published(out: &mut Vec<u8>, at: Timestamp, targets: &[PublishTarget], count: usize) {
    put_varint(out, at.0 as u64);
    put_varint(out, targets.len() as u64);
    for target in targets {
        put_varint(out, u64::from(target.queue.0));
        put_varint(out, target.first);
        put_varint(out, target.ttl_ms.map_or(0, |ttl| ttl.saturating_add(1)));
    }
    put_varint(out, count as u64);
}

/// Most bytes that `put_published` and the record's own fields take.
pub(crate) fn published_bound(targets: usize) -> usize {
    1 + 15 + 10 + 5 + 5 + targets * PER_TARGET
}

impl<'a> Published<'a> {
    pub(crate) fn read(fields: &mut Fields<'a>) -> Result<Published<'a>, Malformed> {
        let at = Timestamp(fields.varint()? as i64);
        let count: usize = fields.number()?;
        if count > fields.left() {
            return Err(Malformed);
        }
        let target = |_| {
            Ok(PublishTarget {
                queue: QueueId(fields.number()?),
                first: fields.varint()?,
                ttl_ms: fields.varint()?.checked_sub(1),
            })
        };
        let targets = (0..count).map(target).collect::<Result<_, _>>()?;
        Ok(Published { at, targets, count: fields.varint()?, envelopes: *fields })
    }
}

/// A message written again so that its old segment can go, with all that is known of it.
#[derive(Debug)]
pub(crate) struct Relocated<'a> {
    pub(crate) copies: Vec<RelocatedCopy>,
    pub(crate) envelope: &'a [u8],
    /// Where the envelope starts in the record.
    pub(crate) offset: usize,
}

/// The message as one queue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelocatedCopy {
    pub(crate) queue: QueueId,
    pub(crate) sequence: u64,
    pub(crate) enqueued_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) delayed_until: Option<Timestamp>,
    pub(crate) doomed: Option<Reason>,
    pub(crate) attempts: u16,
    pub(crate) forgiven: u16,
    /// As the queue has it: somebody may have changed it since it was published.
    pub(crate) priority: u8,
    pub(crate) history: Vec<FailedAttempt>,
}

fn put_time(out: &mut Vec<u8>, at: Option<Timestamp>) {
    put_varint(out, at.map_or(0, |at| (at.0 as u64).saturating_add(1)));
}

fn read_time(fields: &mut Fields<'_>) -> Result<Option<Timestamp>, Malformed> {
    Ok(fields.varint()?.checked_sub(1).map(|at| Timestamp(at as i64)))
}

/// Writes everything of a relocation but the envelope, which follows it.
pub(crate) fn put_relocated(out: &mut Vec<u8>, copies: &[RelocatedCopy]) {
    out.push(RELOCATED);
    put_varint(out, copies.len() as u64);
    for copy in copies {
        put_varint(out, u64::from(copy.queue.0));
        put_varint(out, copy.sequence);
        put_varint(out, copy.enqueued_at.0 as u64);
        put_time(out, copy.expires_at);
        put_time(out, copy.delayed_until);
        out.push(copy.doomed.map_or(0, Reason::number));
        put_varint(out, u64::from(copy.attempts) | u64::from(copy.forgiven) << 16);
        out.push(copy.priority);
        put_varint(out, copy.history.len() as u64);
        copy.history.iter().for_each(|failed| failed.put(out));
    }
}

/// Most bytes that a copy takes, the failed attempts that it tells of aside.
pub(crate) const RELOCATED_COPY_BOUND: usize = 52;

impl<'a> Relocated<'a> {
    pub(crate) fn read(fields: &mut Fields<'a>) -> Result<Relocated<'a>, Malformed> {
        let count: usize = fields.number()?;
        if count > fields.left() {
            return Err(Malformed);
        }
        let copy = |_| {
            let mut copy = RelocatedCopy {
                queue: QueueId(fields.number()?),
                sequence: fields.varint()?,
                enqueued_at: Timestamp(fields.varint()? as i64),
                expires_at: read_time(fields)?,
                delayed_until: read_time(fields)?,
                doomed: match fields.byte()? {
                    0 => None,
                    number => Some(Reason::from_number(number).ok_or(Malformed)?),
                },
                attempts: 0,
                forgiven: 0,
                priority: 0,
                history: Vec::new(),
            };
            let counts: u32 = fields.number()?;
            (copy.attempts, copy.forgiven) = (counts as u16, (counts >> 16) as u16);
            copy.priority = fields.byte()?;
            copy.history = read_list(fields, FailedAttempt::read)?;
            Ok(copy)
        };
        let copies = (0..count).map(copy).collect::<Result<_, _>>()?;
        let offset = fields.position();
        Ok(Relocated { copies, envelope: fields.take(fields.left())?, offset })
    }
}
