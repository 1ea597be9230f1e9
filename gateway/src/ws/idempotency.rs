//! Names a publish command so that sending it again does not publish again.

use super::command::Target;
use crate::refusal::Refusal;
use crate::topics::IdempotencyKey;

/// Longest key, in bytes.
const KEY_BYTES: usize = 255;

/// The key together with a fingerprint of what was asked: the target and the messages as sent.
pub(super) fn named(key: String, target: &Target, messages: &[u8]) -> Result<IdempotencyKey, Refusal> {
    if key.is_empty() || key.len() > KEY_BYTES {
        let why = format!("an idempotency key has 1 to {KEY_BYTES} bytes");
        return Err(Refusal::invalid("/idempotency_key", why));
    }
    let mut print = Fnv::default();
    match target {
        Target::Topic(topic) => print.add(b"topic").add(topic.as_bytes()),
        Target::Exchange { exchange, routing_key } => {
            print.add(b"exchange").add(exchange.as_bytes()).add(routing_key.as_bytes())
        }
    };
    print.add(messages);
    Ok(IdempotencyKey { key, fingerprint: print.0 })
}

/// FNV-1a: the fingerprint is stored, so it must not change with the compiler.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) -> &mut Fnv {
        // The length goes first, so that "ab" + "c" and "a" + "bc" differ.
        for byte in (bytes.len() as u64).to_be_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self
    }
}
