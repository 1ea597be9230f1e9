//! What the engine writes into the journal. The first byte says which record it is; numbers are varints.
use ::message::{ExchangeName, Timestamp, TopicName};

use crate::binding_record::BindingRecord;
use crate::dead_letter::Reason;
use crate::dedup::Seen;
use crate::exchange_kind::{ExchangeKind, ExchangeOptions};
use crate::failure::FailedAttempt;
use crate::fields::{Fields, Malformed, put_bytes, put_varint};
use crate::handover::Reached;
use crate::message_record::{Published, Relocated};
use crate::policy::{Policy, PolicyKind};
use crate::runs::Runs;
use crate::{QueueId, QueueOptions};

// Definitions: kept in checkpoints, so that journal records below the checkpoint's position are skipped.
const QUEUE_DECLARED: u8 = 1;
const QUEUE_CHANGED: u8 = 2;
const QUEUE_DELETED: u8 = 3;
const EXCHANGE_DECLARED: u8 = 4;
const EXCHANGE_DELETED: u8 = 5;
const BOUND: u8 = 6;
const UNBOUND: u8 = 7;
const NEXT_QUEUE: u8 = 8;
/// An exchange that keeps messages itself, with the queue that it keeps them in.
const KEEPING_EXCHANGE_DECLARED: u8 = 40;
const VIRTUAL_HOST_CREATED: u8 = 41;
const VIRTUAL_HOST_DELETED: u8 = 42;
const POLICY_SET: u8 = 43;
const POLICY_DELETED: u8 = 44;
// Messages: read from the oldest retained segment on.
pub(crate) const PUBLISHED: u8 = 16;
pub(crate) const MOVED: u8 = 17;
const REMOVED: u8 = 18;
const DELIVERED: u8 = 19;
const DELAYED: u8 = 20;
const DOOMED: u8 = 21;
pub(crate) const RELOCATED: u8 = 22;
const FORGIVEN: u8 = 23;
const FAILED: u8 = 32;
const RANKED: u8 = 33;
const RELEASED: u8 = 34;
// Definition: the message ids that a queue remembers, which only checkpoints hold.
const SEEN: u8 = 48;
/// Definition: how far a message came that goes on in several steps.
const REACHED: u8 = 49;

/// One change to the engine's durable state.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    QueueDeclared {
        id: QueueId,
        name: TopicName,
        next_sequence: u64,
        options: QueueOptions,
    },
    QueueChanged {
        id: QueueId,
        options: QueueOptions,
    },
    QueueDeleted {
        id: QueueId,
    },
    ExchangeDeclared {
        name: ExchangeName,
        kind: ExchangeKind,
        options: ExchangeOptions,
        /// The queue that it keeps messages in, and the next sequence there.
        store: Option<(QueueId, u64)>,
    },
    ExchangeDeleted {
        name: ExchangeName,
    },
    Bound(BindingRecord),
    Unbound(BindingRecord),
    NextQueue {
        id: QueueId,
    },
    VirtualHostCreated {
        name: String,
    },
    VirtualHostDeleted {
        name: String,
    },
    PolicySet {
        kind: PolicyKind,
        host: String,
        name: String,
        policy: Policy,
    },
    PolicyDeleted {
        kind: PolicyKind,
        host: String,
        name: String,
    },
    Published(Published<'a>),
    /// A message left one queue for others (dead letter, redrive), in one step.
    Moved {
        from: QueueId,
        sequence: u64,
        published: Published<'a>,
    },
    Removed(Runs),
    Delivered(Runs),
    /// The last delivery came to nothing, but does not count as a failure.
    Forgiven(Runs),
    Delayed {
        until: Timestamp,
        runs: Runs,
    },
    /// Waits to be dead-lettered.
    Doomed {
        reason: Reason,
        runs: Runs,
    },
    Relocated(Relocated<'a>),
    /// An attempt failed: the message waits until `retry_at`, or is ready.
    Failed {
        failed: FailedAttempt,
        runs: Runs,
    },
    /// Somebody gave messages another priority.
    Ranked {
        priority: u8,
        runs: Runs,
    },
    /// Ready before their time.
    Released(Runs),
    Seen {
        queue: QueueId,
        seen: Vec<Seen>,
    },
    /// A message that stays here until the last of its targets has it went to all up to this one.
    Reached {
        queue: QueueId,
        sequence: u64,
        reached: Reached,
    },
}

impl Record<'_> {
    /// Whether a checkpoint keeps what this record says.
    pub(crate) fn is_definition(&self) -> bool {
        use Record::*;
        match self {
            QueueDeclared { .. }
            | QueueChanged { .. }
            | QueueDeleted { .. }
            | ExchangeDeclared { .. }
            | ExchangeDeleted { .. }
            | Bound(_)
            | Unbound(_)
            | NextQueue { .. }
            | Seen { .. }
            | Reached { .. }
            | VirtualHostCreated { .. }
            | VirtualHostDeleted { .. }
            | PolicySet { .. }
            | PolicyDeleted { .. } => true,
            Published(_)
            | Moved { .. }
            | Removed(_)
            | Delivered(_)
            | Forgiven(_)
            | Delayed { .. }
            | Doomed { .. }
            | Relocated(_)
            | Failed { .. }
            | Ranked { .. }
            | Released(_) => false,
        }
    }

    /// Writes a record. Those that carry envelopes are written where the envelopes are.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Record::QueueDeclared { id, name, next_sequence, options } => {
                out.push(QUEUE_DECLARED);
                put_varint(out, u64::from(id.0));
                put_bytes(out, name.as_str().as_bytes());
                put_varint(out, *next_sequence);
                options.put(out);
            }
            Record::QueueChanged { id, options } => {
                out.push(QUEUE_CHANGED);
                put_varint(out, u64::from(id.0));
                options.put(out);
            }
            Record::QueueDeleted { id } => {
                out.push(QUEUE_DELETED);
                put_varint(out, u64::from(id.0));
            }
            Record::ExchangeDeclared { name, kind, options, store } => {
                match store {
                    None => out.push(EXCHANGE_DECLARED),
                    Some((id, next_sequence)) => {
                        out.push(KEEPING_EXCHANGE_DECLARED);
                        put_varint(out, u64::from(id.0));
                        put_varint(out, *next_sequence);
                    }
                }
                put_bytes(out, name.as_str().as_bytes());
                put_bytes(out, kind.as_str().as_bytes());
                options.put(out);
            }
            Record::ExchangeDeleted { name } => {
                out.push(EXCHANGE_DELETED);
                put_bytes(out, name.as_str().as_bytes());
            }
            Record::Bound(binding) => {
                out.push(BOUND);
                binding.put(out);
            }
            Record::Unbound(binding) => {
                out.push(UNBOUND);
                binding.put(out);
            }
            Record::NextQueue { id } => {
                out.push(NEXT_QUEUE);
                put_varint(out, u64::from(id.0));
            }
            Record::VirtualHostCreated { name } => {
                out.push(VIRTUAL_HOST_CREATED);
                put_bytes(out, name.as_bytes());
            }
            Record::VirtualHostDeleted { name } => {
                out.push(VIRTUAL_HOST_DELETED);
                put_bytes(out, name.as_bytes());
            }
            Record::PolicySet { kind, host, name, policy } => {
                out.extend_from_slice(&[POLICY_SET, kind.number()]);
                put_bytes(out, host.as_bytes());
                put_bytes(out, name.as_bytes());
                policy.put(out);
            }
            Record::PolicyDeleted { kind, host, name } => {
                out.extend_from_slice(&[POLICY_DELETED, kind.number()]);
                put_bytes(out, host.as_bytes());
                put_bytes(out, name.as_bytes());
            }
            Record::Removed(runs) => {
                out.push(REMOVED);
                runs.put(out);
            }
            Record::Delivered(runs) => {
                out.push(DELIVERED);
                runs.put(out);
            }
            Record::Forgiven(runs) => {
                out.push(FORGIVEN);
                runs.put(out);
            }
            Record::Delayed { until, runs } => {
                out.push(DELAYED);
                put_varint(out, until.0 as u64);
                runs.put(out);
            }
            Record::Doomed { reason, runs } => {
                out.push(DOOMED);
                out.push(reason.number());
                runs.put(out);
            }
            Record::Failed { failed, runs } => {
                out.push(FAILED);
                failed.put(out);
                runs.put(out);
            }
            Record::Ranked { priority, runs } => {
                out.push(RANKED);
                out.push(*priority);
                runs.put(out);
            }
            Record::Released(runs) => {
                out.push(RELEASED);
                runs.put(out);
            }
            Record::Seen { queue, seen } => {
                out.push(SEEN);
                put_varint(out, u64::from(queue.0));
                put_varint(out, seen.len() as u64);
                seen.iter().for_each(|seen| seen.put(out));
            }
            Record::Reached { queue, sequence, reached } => {
                out.push(REACHED);
                put_varint(out, u64::from(queue.0));
                put_varint(out, *sequence);
                reached.put(out);
            }
            Record::Published(_) | Record::Moved { .. } | Record::Relocated(_) => {
                unreachable!("written together with its envelopes")
            }
        }
    }

    /// Reads what was written, or refuses.
    pub(crate) fn read(payload: &[u8]) -> Result<Record<'_>, Malformed> {
        let mut fields = Fields::new(payload);
        let fields = &mut fields;
        Ok(match fields.byte()? {
            QUEUE_DECLARED => Record::QueueDeclared {
                id: QueueId(fields.number()?),
                name: topic(fields)?,
                next_sequence: fields.varint()?,
                options: QueueOptions::read(fields)?,
            },
            QUEUE_CHANGED => {
                Record::QueueChanged { id: QueueId(fields.number()?), options: QueueOptions::read(fields)? }
            }
            QUEUE_DELETED => Record::QueueDeleted { id: QueueId(fields.number()?) },
            tag @ (EXCHANGE_DECLARED | KEEPING_EXCHANGE_DECLARED) => {
                let store = match tag {
                    KEEPING_EXCHANGE_DECLARED => Some((QueueId(fields.number()?), fields.varint()?)),
                    _ => None,
                };
                Record::ExchangeDeclared {
                    name: exchange(fields)?,
                    kind: ExchangeKind::from_name(fields.text()?).ok_or(Malformed)?,
                    options: ExchangeOptions::read(fields)?,
                    store,
                }
            }
            EXCHANGE_DELETED => Record::ExchangeDeleted { name: exchange(fields)? },
            BOUND => Record::Bound(BindingRecord::read(fields)?),
            UNBOUND => Record::Unbound(BindingRecord::read(fields)?),
            NEXT_QUEUE => Record::NextQueue { id: QueueId(fields.number()?) },
            VIRTUAL_HOST_CREATED => Record::VirtualHostCreated { name: fields.text()?.to_owned() },
            VIRTUAL_HOST_DELETED => Record::VirtualHostDeleted { name: fields.text()?.to_owned() },
            POLICY_SET => Record::PolicySet {
                kind: PolicyKind::from_number(fields.byte()?)?,
                host: fields.text()?.to_owned(),
                name: fields.text()?.to_owned(),
                policy: Policy::read(fields)?,
            },
            POLICY_DELETED => Record::PolicyDeleted {
                kind: PolicyKind::from_number(fields.byte()?)?,
                host: fields.text()?.to_owned(),
                name: fields.text()?.to_owned(),
            },
            PUBLISHED => Record::Published(Published::read(fields)?),
            MOVED => Record::Moved {
                from: QueueId(fields.number()?),
                sequence: fields.varint()?,
                published: Published::read(fields)?,
            },
            REMOVED => Record::Removed(Runs::read(fields)?),
            DELIVERED => Record::Delivered(Runs::read(fields)?),
            FORGIVEN => Record::Forgiven(Runs::read(fields)?),
            DELAYED => {
                Record::Delayed { until: Timestamp(fields.varint()? as i64), runs: Runs::read(fields)? }
            }
            DOOMED => {
                let reason = Reason::from_number(fields.byte()?).ok_or(Malformed)?;
                Record::Doomed { reason, runs: Runs::read(fields)? }
            }
            RELOCATED => Record::Relocated(Relocated::read(fields)?),
            FAILED => Record::Failed { failed: FailedAttempt::read(fields)?, runs: Runs::read(fields)? },
            RANKED => Record::Ranked { priority: fields.byte()?, runs: Runs::read(fields)? },
            RELEASED => Record::Released(Runs::read(fields)?),
            SEEN => Record::Seen { queue: QueueId(fields.number()?), seen: read_list(fields, Seen::read)? },
            REACHED => Record::Reached {
                queue: QueueId(fields.number()?),
                sequence: fields.varint()?,
                reached: Reached::read(fields)?,
            },
            _ => return Err(Malformed),
        })
    }
}

pub(crate) fn read_list<'a, T>(
    fields: &mut Fields<'a>,
    read: fn(&mut Fields<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count: usize = fields.number()?;
    if count > fields.left() {
        return Err(Malformed);
    }
    (0..count).map(|_| read(fields)).collect()
}

pub(crate) fn topic(fields: &mut Fields<'_>) -> Result<TopicName, Malformed> {
    TopicName::new(fields.text()?).map_err(|_| Malformed)
}

pub(crate) fn exchange(fields: &mut Fields<'_>) -> Result<ExchangeName, Malformed> {
    ExchangeName::new(fields.text()?).map_err(|_| Malformed)
}
