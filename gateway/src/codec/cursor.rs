//! Opaque cursors: where a list or a stream goes on.
//!
//! A cursor names what it belongs to only through its checksum, so one that was altered, cut, or handed to
//! another list is refused instead of leading somewhere odd. It is no secret and grants nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::refusal::Refusal;

const VERSION: u8 = 1;
/// Longest accepted cursor, in characters; more partitions than that need no single stream.
const LONGEST: usize = 64 << 10;

fn checksum(scope: &str, payload: &[u8]) -> [u8; 4] {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(scope.as_bytes());
    digest.update(&[0, VERSION]);
    digest.update(payload);
    (digest.finalize() as u32).to_be_bytes()
}

fn seal(scope: &str, payload: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(payload.len() + 5);
    bytes.push(VERSION);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&checksum(scope, payload));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open(scope: &str, field: &str, cursor: &str) -> Result<Vec<u8>, Refusal> {
    let refuse =
        || Refusal::invalid(field, "this cursor is not one that this list gave out; start without one");
    if cursor.len() > LONGEST {
        return Err(refuse());
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refuse())?;
    if bytes.len() < 5 || bytes.first() != Some(&VERSION) {
        return Err(refuse());
    }
    let sum = bytes.split_off(bytes.len() - 4);
    bytes.remove(0);
    if sum == checksum(scope, &bytes) { Ok(bytes) } else { Err(refuse()) }
}

/// A cursor after a name, in the list called `scope`.
#[must_use]
pub fn after_name(scope: &str, name: &str) -> String {
    seal(scope, name.as_bytes())
}

/// The name in a cursor of the list called `scope`; a refusal names `field`.
pub fn name(scope: &str, field: &str, cursor: &str) -> Result<String, Refusal> {
    String::from_utf8(open(scope, field, cursor)?)
        .map_err(|_| Refusal::invalid(field, "this cursor holds no name"))
}

/// A cursor at positions: partition and next offset each, or a single id.
#[must_use]
pub fn at_positions(scope: &str, positions: &[(u32, i64)]) -> String {
    let mut payload = Vec::with_capacity(positions.len() * 12);
    for (partition, offset) in positions {
        payload.extend_from_slice(&partition.to_be_bytes());
        payload.extend_from_slice(&offset.to_be_bytes());
    }
    seal(scope, &payload)
}

/// The positions in a cursor of `scope`; a refusal names `field`.
pub fn positions(scope: &str, field: &str, cursor: &str) -> Result<Vec<(u32, i64)>, Refusal> {
    let payload = open(scope, field, cursor)?;
    if payload.len() % 12 != 0 {
        return Err(Refusal::invalid(field, "this cursor holds no positions"));
    }
    let positions = payload.chunks_exact(12).filter_map(|entry| {
        let (partition, offset) = entry.split_first_chunk::<4>()?;
        Some((u32::from_be_bytes(*partition), i64::from_be_bytes(offset.try_into().ok()?)))
    });
    Ok(positions.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_leads_back_and_an_altered_one_does_not(name_in in ".{0,40}", at in 0usize..80, bit in 0u8..6) {
            let cursor = after_name("topics", &name_in);
            prop_assert_eq!(name("topics", "cursor", &cursor).unwrap(), name_in);
            prop_assert!(name("exchanges", "cursor", &cursor).is_err());
            let mut altered = cursor.into_bytes();
            let at = at % altered.len();
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let index = alphabet.iter().position(|c| *c == altered[at]).unwrap();
            altered[at] = alphabet[index ^ (1 << bit)];
            prop_assert!(name("topics", "cursor", &String::from_utf8(altered).unwrap()).is_err());
        }

        #[test]
        fn positions_lead_back(list in proptest::collection::vec((any::<u32>(), any::<i64>()), 0..20)) {
            let cursor = at_positions("events:a", &list);
            prop_assert_eq!(positions("events:a", "Last-Event-ID", &cursor).unwrap(), list);
        }

        #[test]
        fn any_text_is_refused_or_read(text in ".{0,60}") {
            let _ = positions("x", "cursor", &text);
        }
    }
}
