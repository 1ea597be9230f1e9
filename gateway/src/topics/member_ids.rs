use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use log_engine::MemberId;

/// Makes ids for members of groups: unique also across restarts, and not to be guessed.
#[derive(Debug, Default)]
pub(crate) struct MemberIds {
    keys: (RandomState, RandomState),
    given: AtomicU64,
}

impl MemberIds {
    /// The next id, which begins with what the client calls itself.
    pub(crate) fn next(&self, client: &str) -> MemberId {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        let (high, low) = (self.keys.0.hash_one(number), self.keys.1.hash_one(number));
        let client: String = client.chars().take(200).collect();
        MemberId::new(&format!("{client}-{high:016x}{low:016x}"))
    }
}
