//! Reads what a client may send as far as that goes without a broker. Tests and the fuzzer call it; the server does not.

use message::Limits;

use super::{api, frames::Frames};

/// Largest request.
const LARGEST: usize = 1 << 20;
/// What comes in at a time.
const PIECE: usize = 512;
/// Small, so that they are met.
const LIMITS: Limits = Limits {
    message_bytes: 64 << 10,
    header_bytes: 4 << 10,
    key_bytes: 1 << 10,
    decompressed_bytes: 256 << 10,
};

/// What a client sends, from the first byte on. Answers how many requests could be read. Nothing of it may panic or take
/// memory beyond the limits.
pub fn dissect(input: &[u8]) -> usize {
    let mut frames = Frames::new(LARGEST);
    let mut readable = 0;
    for piece in input.chunks(PIECE) {
        frames.room().extend_from_slice(piece);
        loop {
            match frames.next() {
                Ok(Some(frame)) => readable += usize::from(api::dissect(frame, &LIMITS)),
                Ok(None) => break,
                Err(_) => return readable,
            }
        }
    }
    readable
}
