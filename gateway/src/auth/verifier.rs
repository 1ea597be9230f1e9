//! What is kept of a password: the verifier of SCRAM (RFC 5802, RFC 7677), from which the password cannot be had.
//!
//! A password that is sent in the clear is checked against the same verifier, so there is one thing to keep.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// The hash that a SCRAM mechanism is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScramHash {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl ScramHash {
    /// Both, the weaker one first.
    pub const ALL: [ScramHash; 2] = [ScramHash::Sha256, ScramHash::Sha512];

    /// The mechanism's name.
    #[must_use]
    pub fn mechanism(self) -> &'static str {
        match self {
            ScramHash::Sha256 => "SCRAM-SHA-256",
            ScramHash::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The hash of the mechanism of that name.
    #[must_use]
    pub fn of_mechanism(name: &str) -> Option<ScramHash> {
        ScramHash::ALL.into_iter().find(|hash| hash.mechanism() == name)
    }

    /// Bytes of its output.
    #[must_use]
    pub fn output_bytes(self) -> usize {
        match self {
            ScramHash::Sha256 => 32,
            ScramHash::Sha512 => 64,
        }
    }

    /// `H(data)`.
    #[must_use]
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            ScramHash::Sha256 => Sha256::digest(data).to_vec(),
            ScramHash::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    /// `HMAC(key, data)`.
    #[must_use]
    pub fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        fn with<M: Mac + hmac::digest::KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
            // HMAC takes keys of any length.
            let Ok(mut mac) = <M as Mac>::new_from_slice(key) else { return Vec::new() };
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            ScramHash::Sha256 => with::<Hmac<Sha256>>(key, data),
            ScramHash::Sha512 => with::<Hmac<Sha512>>(key, data),
        }
    }

    /// `Hi(password, salt, iterations)`: PBKDF2. Takes milliseconds, on purpose.
    #[must_use]
    pub fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut out = vec![0; self.output_bytes()];
        match self {
            ScramHash::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut out),
            ScramHash::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut out),
        }
        out
    }
}

/// The salted verifier of one password under one hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// Under which hash.
    pub hash: ScramHash,
    /// How often it is applied.
    pub iterations: u32,
    /// What makes equal passwords differ.
    pub salt: Vec<u8>,
    /// `H(HMAC(salted, "Client Key"))`.
    pub stored_key: Vec<u8>,
    /// `HMAC(salted, "Server Key")`.
    pub server_key: Vec<u8>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verifier({}, {} iterations)", self.hash.mechanism(), self.iterations)
    }
}

impl Verifier {
    /// The verifier of a password. Takes milliseconds.
    #[must_use]
    pub fn of_password(hash: ScramHash, password: &[u8], salt: Vec<u8>, iterations: u32) -> Verifier {
        let salted = hash.salted(password, &salt, iterations);
        Verifier::of_salted(hash, &salted, salt, iterations)
    }

    /// The verifier of what a client has salted already, as Kafka's admin API sends it (KIP-554).
    #[must_use]
    pub fn of_salted(hash: ScramHash, salted: &[u8], salt: Vec<u8>, iterations: u32) -> Verifier {
        let stored_key = hash.digest(&hash.hmac(salted, b"Client Key"));
        let server_key = hash.hmac(salted, b"Server Key");
        Verifier { hash, iterations, salt, stored_key, server_key }
    }

    /// Whether it was made from this password. Takes milliseconds; what differs does not change how long.
    #[must_use]
    pub fn is_of(&self, password: &[u8]) -> bool {
        let other = Verifier::of_password(self.hash, password, self.salt.clone(), self.iterations);
        self.stored_key.ct_eq(&other.stored_key).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other() {
        for hash in ScramHash::ALL {
            let verifier = Verifier::of_password(hash, b"pencil", b"salt".to_vec(), 4096);
            assert!(verifier.is_of(b"pencil"));
            assert!(!verifier.is_of(b"Pencil") && !verifier.is_of(b""));
            assert_eq!(verifier.stored_key.len(), hash.output_bytes());
            assert!(!format!("{verifier:?}").contains("salt"));
        }
    }
}
