//! Publishing bodies in every form, and just enough reading of binary batches to count and to acknowledge.
//!
//! `docs/batch-format.md` has the layouts.

/// The media type of binary batches.
pub const BINARY: &str = "application/vnd.sluice.batch";

const HEADER: usize = 16;

/// A batch of so many messages with bodies of `size` bytes and nothing else.
pub fn binary(count: usize, size: usize) -> Vec<u8> {
    let body = crate::setup::payload(size);
    binary_of((0..count).map(|_| body.as_slice()))
}

/// A batch of these bodies.
pub fn binary_of<'a>(bodies: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![0; HEADER];
    let mut count = 0_u32;
    for body in bodies {
        out.extend_from_slice(&(4 + body.len() as u32).to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(body);
        count += 1;
    }
    let length = (out.len() - HEADER) as u32;
    out[..8].copy_from_slice(b"SLB\x01\x01\0\0\0");
    out[8..12].copy_from_slice(&count.to_be_bytes());
    out[12..16].copy_from_slice(&length.to_be_bytes());
    out
}

/// The same as JSON.
pub fn json(count: usize, size: usize) -> Vec<u8> {
    let message = format!(r#"{{"value":"{}"}}"#, String::from_utf8_lossy(&crate::setup::payload(size)));
    format!(r#"{{"messages":[{}]}}"#, vec![message.as_str(); count].join(",")).into_bytes()
}

/// The same as newline-delimited JSON.
pub fn ndjson(count: usize, size: usize) -> Vec<u8> {
    let line = format!("{{\"value\":\"{}\"}}\n", String::from_utf8_lossy(&crate::setup::payload(size)));
    line.repeat(count).into_bytes()
}

/// One message of a batch that was read.
pub struct Read<'a> {
    /// Its lease, if it has one.
    pub lease: Option<&'a [u8]>,
    /// Its body.
    pub body: &'a [u8],
}

/// Calls `each` for every message in one or more batches.
pub fn for_each<'a>(mut bytes: &'a [u8], mut each: impl FnMut(Read<'a>)) {
    while !bytes.is_empty() {
        let length = u32_at(bytes, 12) as usize;
        let kind = bytes[4];
        let (mut batch, rest) = bytes[HEADER..].split_at(length);
        bytes = rest;
        if kind == 3 {
            batch = &batch[28..];
        }
        while !batch.is_empty() {
            let length = u32_at(batch, 0) as usize;
            let (message, rest) = batch[4..].split_at(length);
            batch = rest;
            each(read(message));
        }
    }
}

fn read(message: &[u8]) -> Read<'_> {
    let flags = u32_at(message, 0);
    let mut rest = &message[4..];
    let mut lease = None;
    let has = |bit: u32| flags & (1 << bit) != 0;
    if has(0) {
        rest = &rest[4 + u32_at(rest, 0) as usize..];
    }
    assert!(!has(1), "the bench publishes no headers");
    if has(2) {
        rest = &rest[2 + usize::from(u16::from_be_bytes([rest[0], rest[1]]))..];
    }
    // Timestamp, partition, priority, delay and life have fixed sizes.
    for (bit, size) in [(3, 8), (4, 4), (5, 1), (6, 8), (7, 8)] {
        rest = if has(bit) { &rest[size..] } else { rest };
    }
    for bit in [8, 9, 10] {
        assert!(!has(bit), "the bench publishes no properties");
    }
    // Offset, id, attempt.
    for (bit, size) in [(12, 8), (13, 8), (14, 4)] {
        rest = if has(bit) { &rest[size..] } else { rest };
    }
    if has(16) {
        lease = Some(&rest[..16]);
        rest = &rest[24..];
    }
    if has(17) {
        rest = &rest[9..];
    }
    assert!(!has(18), "the bench publishes no properties");
    Read { lease, body: rest }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
