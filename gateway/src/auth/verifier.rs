//! What is kept of a password: the verifier of SCRAM (RFC 5802, RFC 7677), from which the password cannot be had.
//!
//! A password that is sent in the clear is checked against the same verifier, so there is one thing to keep.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
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

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({}, {} iterations)", self.hash.mechanism(), self.iterations)
    }
}

/// As RFC 5803 writes it: `SCRAM-SHA-256$iterations:salt$stored-key:server-key`.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verifier { hash, iterations, salt, stored_key, server_key } = self;
        let [salt, stored, server] = [salt, stored_key, server_key].map(|bytes| BASE64.encode(bytes));
        write!(f, "{}${iterations}:{salt}${stored}:{server}", hash.mechanism())
    }
}

impl Verifier {
    /// How often a verifier that comes from elsewhere may hash: enough to be worth something, and no more than a login
    /// may cost.
    const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=1_000_000;
    /// Longest salt of one that comes from elsewhere, in bytes.
    pub const SALT_BYTES: usize = 256;

    /// The verifier that its text says.
    #[must_use]
    pub fn parse(text: &str) -> Option<Verifier> {
        let (mechanism, rest) = text.split_once('$')?;
        let (info, value) = rest.split_once('$')?;
        let ((iterations, salt), (stored, server)) = (info.split_once(':')?, value.split_once(':')?);
        let (hash, iterations) = (ScramHash::of_mechanism(mechanism)?, iterations.parse().ok()?);
        let [salt, stored_key, server_key] = [salt, stored, server].map(|part| BASE64.decode(part).ok());
        let (salt, stored_key, server_key) = (salt?, stored_key?, server_key?);
        let is_sound = Verifier::ITERATIONS.contains(&iterations)
            && (1..=Verifier::SALT_BYTES).contains(&salt.len())
            && [&stored_key, &server_key].iter().all(|key| key.len() == hash.output_bytes());
        is_sound.then_some(Verifier { hash, iterations, salt, stored_key, server_key })
    }

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
            assert_eq!(Verifier::parse(&verifier.to_string()), Some(verifier));
        }
    }

    #[test]
    fn a_text_that_is_no_sound_verifier_is_none() {
        let key = BASE64.encode([7; 32]);
        assert!(Verifier::parse(&format!("SCRAM-SHA-256$4096:c2FsdA==${key}:{key}")).is_some());
        for bad in [
            String::new(),
            format!("SCRAM-SHA-512$4096:c2FsdA==${key}:{key}"),
            format!("SCRAM-SHA-1$4096:c2FsdA==${key}:{key}"),
            format!("SCRAM-SHA-256$1:c2FsdA==${key}:{key}"),
            format!("SCRAM-SHA-256$4096:${key}:{key}"),
            format!("SCRAM-SHA-256$4096:c2FsdA==${key}"),
            format!("SCRAM-SHA-256$4294967295:c2FsdA==${key}:{key}"),
        ] {
            assert_eq!(Verifier::parse(&bad), None, "{bad}");
        }
    }
}
