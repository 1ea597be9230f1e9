use std::collections::HashMap;

use super::verifier::ScramHash;

/// Marks kept at most.
const MARKS_MAX: usize = 10_000;

/// Passwords that were right lately, so that a client that sends its own with every request is not hashed every time.
///
/// What is kept is a keyed hash of user and password; the key lives as long as the process.
#[derive(Debug, Default)]
pub struct ProvenPasswords(HashMap<Vec<u8>, u64>);

impl ProvenPasswords {
    /// What is kept of a password.
    #[must_use]
    pub fn mark(secret: &[u8; 32], user: &str, password: &[u8]) -> Vec<u8> {
        let length = (user.len() as u64).to_be_bytes();
        ScramHash::Sha256.hmac(secret, &[&length, user.as_bytes(), password].concat())
    }

    /// Whether the password was right when the user's password was of this version.
    #[must_use]
    pub fn has(&self, mark: &[u8], version: u64) -> bool {
        self.0.get(mark) == Some(&version)
    }

    /// It was.
    pub fn keep(&mut self, mark: Vec<u8>, version: u64) {
        if self.0.len() >= MARKS_MAX {
            self.0.clear();
        }
        self.0.insert(mark, version);
    }
}
