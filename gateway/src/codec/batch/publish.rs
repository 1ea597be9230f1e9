//! Messages to publish.

use bytes::Bytes;

use super::frame::{
    BatchError, BatchHeader, BatchKind, HEADER_BYTES, Take, flag, patch_u32, put_bytes, put_text,
};
use super::headers;
use crate::codec::json_message::MAX_MS;
use crate::topics::Outgoing;

/// Reads a body of one or more batches. Payloads and keys share the body.
pub fn decode_publish(body: &Bytes) -> Result<Vec<Outgoing>, BatchError> {
    let mut from = Take::new(body);
    let mut messages = Vec::new();
    loop {
        let (count, mut part) = BatchHeader::expect(&mut from, BatchKind::Publish)?;
        // A message takes at least eight bytes, so a lying count cannot reserve more than what arrived allows.
        messages.reserve((count as usize).min(part.left() / 8));
        for _ in 0..count {
            let at = messages.len() as u32;
            let message = decode_one(&mut part, at).map_err(|error| match error {
                BatchError::Short => BatchError::Length(at),
                other => other,
            })?;
            messages.push(message);
        }
        if part.left() > 0 {
            return Err(BatchError::Count(count));
        }
        if from.left() == 0 {
            return Ok(messages);
        }
    }
}

fn decode_one(from: &mut Take<'_>, at: u32) -> Result<Outgoing, BatchError> {
    let len = from.u32()? as usize;
    let mut from = from.part(len)?;
    let flags = from.u32()?;
    let mut message = Outgoing::default();
    if flags == 0 {
        message.value = Some(from.rest());
        return Ok(message);
    }
    if flags & !flag::PUBLISH != 0 {
        return Err(BatchError::Flags(at, flags & !flag::PUBLISH));
    }
    let text = |from: &mut Take<'_>, part| {
        from.text()?.filter(|text| !text.is_empty()).map(str::to_owned).ok_or(BatchError::Part(at, part))
    };
    let millis = |from: &mut Take<'_>, part| {
        let ms = from.u64()?;
        if ms <= MAX_MS as u64 { Ok(ms) } else { Err(BatchError::Part(at, part)) }
    };
    if flags & flag::KEY != 0 {
        let len = from.u32()? as usize;
        message.key = Some(from.shared(len)?);
    }
    if flags & flag::HEADERS != 0 {
        message.headers = headers::read(&mut from, at, true)?;
    }
    if flags & flag::CONTENT_TYPE != 0 {
        message.content_type = Some(text(&mut from, "content type")?);
    }
    let options = &mut message.options;
    if flags & flag::TIMESTAMP != 0 {
        options.timestamp = Some(millis(&mut from, "timestamp")? as i64);
    }
    if flags & flag::PARTITION != 0 {
        options.partition = Some(from.u32()?);
    }
    if flags & flag::PRIORITY != 0 {
        options.priority = Some(from.u8()?);
    }
    if flags & flag::DELAY != 0 {
        options.delay_ms = Some(millis(&mut from, "delay")?);
    }
    if flags & flag::TTL != 0 {
        options.ttl_ms = Some(millis(&mut from, "life")?);
    }
    if flags & flag::MESSAGE_ID != 0 {
        options.message_id = Some(text(&mut from, "message id")?);
    }
    if flags & flag::CORRELATION_ID != 0 {
        options.correlation_id = Some(text(&mut from, "correlation id")?);
    }
    if flags & flag::REPLY_TO != 0 {
        options.reply_to = Some(text(&mut from, "reply address")?);
    }
    if flags & flag::DELIVER_AT != 0 {
        options.deliver_at = Some(millis(&mut from, "time of delivery")? as i64);
    }
    if flags & flag::TOMBSTONE == 0 {
        message.value = Some(from.rest());
    } else if from.left() > 0 {
        return Err(BatchError::Length(at));
    }
    Ok(message)
}

/// Writes one batch: what a client does.
#[must_use]
pub fn encode_publish(messages: &[Outgoing]) -> Vec<u8> {
    let payload = |message: &Outgoing| 8 + message.value.as_ref().map_or(0, Bytes::len);
    let mut out = Vec::with_capacity(HEADER_BYTES + messages.iter().map(payload).sum::<usize>());
    out.extend_from_slice(&[0; HEADER_BYTES]);
    for message in messages {
        encode_one(&mut out, message);
    }
    let length = (out.len() - HEADER_BYTES) as u32;
    let header = BatchHeader { kind: BatchKind::Publish, count: messages.len() as u32, length };
    if let Some(room) = out.first_chunk_mut::<HEADER_BYTES>() {
        *room = header.encode();
    }
    out
}

fn encode_one(out: &mut Vec<u8>, message: &Outgoing) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    let mut flags = 0;
    let options = &message.options;
    if let Some(key) = &message.key {
        flags |= flag::KEY;
        put_bytes(out, key);
    }
    if !message.headers.is_empty() {
        flags |= flag::HEADERS;
        out.extend_from_slice(&(message.headers.len() as u16).to_be_bytes());
        for (name, value) in &message.headers {
            headers::put_typed(out, name, value);
        }
    }
    let mut text = |out: &mut Vec<u8>, bit, text: &Option<String>| {
        if let Some(text) = text {
            flags |= bit;
            put_text(out, text);
        }
    };
    text(out, flag::CONTENT_TYPE, &message.content_type);
    if let Some(timestamp) = options.timestamp {
        flags |= flag::TIMESTAMP;
        out.extend_from_slice(&timestamp.to_be_bytes());
    }
    if let Some(partition) = options.partition {
        flags |= flag::PARTITION;
        out.extend_from_slice(&partition.to_be_bytes());
    }
    if let Some(priority) = options.priority {
        flags |= flag::PRIORITY;
        out.push(priority);
    }
    for (bit, number) in [(flag::DELAY, options.delay_ms), (flag::TTL, options.ttl_ms)] {
        if let Some(number) = number {
            flags |= bit;
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
    let texts = [
        (flag::MESSAGE_ID, &options.message_id),
        (flag::CORRELATION_ID, &options.correlation_id),
        (flag::REPLY_TO, &options.reply_to),
    ];
    for (bit, text) in texts {
        if let Some(text) = text {
            flags |= bit;
            put_text(out, text);
        }
    }
    if let Some(deliver_at) = options.deliver_at {
        flags |= flag::DELIVER_AT;
        out.extend_from_slice(&deliver_at.to_be_bytes());
    }
    match &message.value {
        Some(value) => out.extend_from_slice(value),
        None => flags |= flag::TOMBSTONE,
    }
    let len = (out.len() - start - 4) as u32;
    patch_u32(out, start, len);
    patch_u32(out, start + 4, flags);
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
