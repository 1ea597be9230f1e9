//! Frames as the subprotocol `sluice.v1.binary` writes them. `docs/websocket.md` has the layouts.
//!
//! A frame starts with its type (one byte) and a number (u32, big-endian): a command's id on the way in and in
//! replies, a subscription in messages and events. What is rare is JSON, what is frequent is not.

use bytes::{Buf, Bytes};

use super::answer::{Answer, Event, Reply};
use super::command::{
    AckRecords, BadFrame, Command, CommandId, CreditGrant, OffsetRun, Publish, Request, Settle, Subscription,
    Target, Verdict,
};
use super::encoding::header_id;
use super::{idempotency, json_answer, json_command};
use crate::codec::batch::{self, BatchHeader, BatchKind, BatchWriter, RecordsInfo};
use crate::codec::problem;
use crate::refusal::Refusal;
use crate::topics::{Acks, Lease};

/// Types of frames that clients send.
pub mod client {
    #![allow(missing_docs, reason = "the names are those of the commands")]
    pub const CONTROL: u8 = 0x01;
    pub const PUBLISH: u8 = 0x02;
    pub const ACK: u8 = 0x03;
    pub const NACK: u8 = 0x04;
    pub const REJECT: u8 = 0x05;
    pub const EXTEND: u8 = 0x06;
    pub const ACK_RECORDS: u8 = 0x07;
    pub const CREDIT: u8 = 0x08;
    pub const FAIL: u8 = 0x09;
}

/// Types of frames that the server sends.
pub mod server {
    #![allow(missing_docs, reason = "the names say it")]
    pub const REPLY: u8 = 0x81;
    pub const PUBLISHED: u8 = 0x82;
    pub const SETTLED: u8 = 0x83;
    pub const MESSAGES: u8 = 0x84;
    pub const EVENT: u8 = 0x85;
}

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 5;
/// As a delay: whatever the queue says.
pub const NO_DELAY: u64 = u64::MAX;
/// The least that one lease takes in a settling frame.
const LEASE_MIN_BYTES: usize = 18;

/// Reads one binary frame.
pub fn decode(frame: &Bytes) -> Result<Request, BadFrame> {
    let mut from = frame.clone();
    let short =
        || Refusal::invalid("", format!("a frame has at least {HEADER_BYTES} bytes: its type and an id"));
    let garbage = |id, refusal| BadFrame { id, refusal, garbage: true };
    let kind = from.try_get_u8().map_err(|_| garbage(None, short()))?;
    let id = from.try_get_u32().map_err(|_| garbage(None, short()))?;
    if kind == client::CONTROL {
        return json_command::decode_with_id(id, &from);
    }
    let id = CommandId::Number(u64::from(id));
    let command = match kind {
        client::PUBLISH => publish(from).map(Command::Publish),
        client::ACK | client::NACK | client::FAIL | client::REJECT | client::EXTEND => {
            settle(kind, from).map(Command::Settle)
        }
        client::ACK_RECORDS => ack_records(from).map(Command::AckRecords),
        client::CREDIT => credit(from).map(|(subscription, grant)| Command::Credit(subscription, grant)),
        other => {
            let why = format!("there is no frame of type {other:#04x}");
            return Err(garbage(Some(id), Refusal::invalid("type", why)));
        }
    };
    match command {
        Ok(command) => Ok(Request { id, command }),
        Err(refusal) => Err(BadFrame { id: Some(id), refusal, garbage: false }),
    }
}

/// A frame that ends within the field of that name.
fn short(field: &'static str) -> impl Fn(bytes::TryGetError) -> Refusal {
    move |_| Refusal::invalid(field, format!("the frame ends before or within `{field}`"))
}

fn text(from: &mut Bytes, field: &'static str) -> Result<String, Refusal> {
    let len = usize::from(from.try_get_u16().map_err(short(field))?);
    if from.len() < len {
        return Err(Refusal::invalid(field, format!("the frame ends within `{field}`")));
    }
    let raw = from.split_to(len);
    let text =
        std::str::from_utf8(&raw).map_err(|_| Refusal::invalid(field, format!("`{field}` is not UTF-8")))?;
    Ok(text.to_owned())
}

fn acks(from: &mut Bytes) -> Result<Acks, Refusal> {
    match from.try_get_u8().map_err(short("acks"))? {
        0 => Ok(Acks::All),
        1 => Ok(Acks::Leader),
        2 => Ok(Acks::None),
        _ => Err(Refusal::invalid("acks", "acks is 0 (all), 1 (leader) or 2 (none)")),
    }
}

fn publish(mut from: Bytes) -> Result<Publish, Refusal> {
    let acks = acks(&mut from)?;
    let target = match from.try_get_u8().map_err(short("target"))? {
        0 => Target::Topic(text(&mut from, "topic")?),
        1 => Target::Exchange {
            exchange: text(&mut from, "exchange")?,
            routing_key: text(&mut from, "routing_key")?,
        },
        _ => return Err(Refusal::invalid("target", "the target is 0 (a topic) or 1 (an exchange)")),
    };
    let key = text(&mut from, "idempotency_key")?;
    let idempotency = if key.is_empty() { None } else { Some(idempotency::named(key, &target, &from)?) };
    let messages = batch::decode_publish(&from)?;
    Ok(Publish { target, messages, acks, idempotency, transaction: None })
}

fn settle(kind: u8, mut from: Bytes) -> Result<Settle, Refusal> {
    let acks = acks(&mut from)?;
    let verdict = match kind {
        client::NACK => {
            let delay = from.try_get_u64().map_err(short("delay_ms"))?;
            Verdict::Nack { delay_ms: (delay != NO_DELAY).then_some(delay) }
        }
        client::EXTEND => Verdict::Extend { lease_ms: from.try_get_u64().map_err(short("lease_ms"))? },
        client::FAIL => Verdict::Fail,
        client::REJECT => Verdict::Reject,
        _ => Verdict::Ack,
    };
    let mut leases = Vec::with_capacity(from.len() / LEASE_MIN_BYTES);
    while from.has_remaining() {
        leases.push(lease(&mut from).ok_or_else(|| {
            let why = "a lease is its length (u16) and its bytes, exactly as it was delivered";
            Refusal::invalid(format!("leases/{}", leases.len()), why)
        })?);
    }
    Ok(Settle { leases, verdict, acks })
}

/// A lease as it stands in a batch, or in its 16 raw bytes.
fn lease(from: &mut Bytes) -> Option<Lease> {
    let len = usize::from(from.try_get_u16().ok()?);
    let raw = from.get(..len)?;
    let lease = match <[u8; 16]>::try_from(raw) {
        Ok(raw) => Lease(raw),
        Err(_) => std::str::from_utf8(raw).ok()?.parse().ok()?,
    };
    from.advance(len);
    Some(lease)
}

fn ack_records(mut from: Bytes) -> Result<AckRecords, Refusal> {
    let subscription = from.try_get_u32().map_err(short("subscription"))?;
    let mut runs = Vec::with_capacity(from.len() / 20);
    while from.has_remaining() {
        let partition = from.try_get_u32().map_err(short("records"))?;
        let first = from.try_get_i64().map_err(short("records"))?;
        let last = from.try_get_i64().map_err(short("records"))?;
        runs.push(OffsetRun { partition, first, last });
    }
    Ok(AckRecords { subscription, runs })
}

fn credit(mut from: Bytes) -> Result<(Subscription, CreditGrant), Refusal> {
    let subscription = from.try_get_u32().map_err(short("subscription"))?;
    let messages = from.try_get_u32().map_err(short("messages"))?;
    let bytes = from.try_get_u64().map_err(short("bytes"))?;
    if from.has_remaining() {
        return Err(Refusal::invalid("bytes", "nothing follows `bytes`"));
    }
    Ok((subscription, CreditGrant { messages: Some(messages), bytes: Some(bytes) }))
}

fn header(out: &mut Vec<u8>, kind: u8, number: u32) {
    out.push(kind);
    out.extend_from_slice(&number.to_be_bytes());
}

/// Starts a frame of messages: batches follow.
pub fn begin_messages(out: &mut Vec<u8>, subscription: Subscription) {
    header(out, server::MESSAGES, subscription);
}

/// Starts a batch of records within a frame of messages: `bytes` of encoded messages follow.
pub fn begin_records(out: &mut Vec<u8>, info: RecordsInfo, count: u32, bytes: usize) {
    let start = out.len();
    BatchWriter::records(out, info);
    // The writer leaves the header open; what follows is encoded already, so it can be told here.
    let after_header = out.len() - start - batch::HEADER_BYTES;
    let header =
        BatchHeader { kind: BatchKind::Records, count, length: (after_header + bytes) as u32 }.encode();
    if let Some(room) = out.get_mut(start..start + batch::HEADER_BYTES) {
        room.copy_from_slice(&header);
    }
}

/// Appends a reply.
pub fn write_reply(out: &mut Vec<u8>, reply: &Reply) {
    let id = header_id(reply.id.as_ref());
    match &reply.outcome {
        Ok(Answer::Published(receipts)) => {
            header(out, server::PUBLISHED, id);
            batch::encode_results(out, receipts);
        }
        Ok(Answer::Settled(results)) if results.iter().all(|result| !matches!(result, Ok(Some(_)))) => {
            header(out, server::SETTLED, id);
            write_settled(out, results);
        }
        _ => {
            header(out, server::REPLY, id);
            json_answer::write_reply(out, reply, false);
        }
    }
}

fn write_settled(out: &mut Vec<u8>, results: &[Result<Option<i64>, Box<Refusal>>]) {
    out.extend_from_slice(&(results.len() as u32).to_be_bytes());
    let failures = results.iter().filter(|result| result.is_err()).count();
    out.extend_from_slice(&(failures as u32).to_be_bytes());
    for (index, refusal) in
        results.iter().enumerate().filter_map(|(at, result)| Some((at, result.as_ref().err()?)))
    {
        out.extend_from_slice(&(index as u32).to_be_bytes());
        let mut document = Vec::new();
        problem::write(&mut document, refusal);
        out.extend_from_slice(&(document.len() as u32).to_be_bytes());
        out.extend_from_slice(&document);
    }
}

/// Appends an event.
pub fn write_event(out: &mut Vec<u8>, event: &Event) {
    let subscription = match event {
        Event::Closed { subscription, .. } | Event::Assignment { subscription, .. } => *subscription,
        Event::Goodbye { .. } => 0,
    };
    header(out, server::EVENT, subscription);
    json_answer::write_event(out, event);
}

#[cfg(test)]
#[path = "binary_tests.rs"]
mod tests;
