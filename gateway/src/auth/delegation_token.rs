//! Delegation tokens (KIP-48): whoever holds one logs in by SCRAM as the user who owns it, until it ends.
//!
//! Of a token nothing secret is kept. Its password is the HMAC of its id under a key that only the configuration knows, so
//! that it can be made again whenever somebody logs in with it or may see it.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use message::Timestamp;
use subtle::ConstantTimeEq;

use super::verifier::{ScramHash, Verifier};

/// How often a token's password is hashed: the least that clients take. It is too random to be guessed.
pub const TOKEN_ITERATIONS: u32 = 4096;

/// One token, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationToken {
    /// Names it; the user name with which its holder logs in.
    pub id: Box<str>,
    /// Whom it stands for.
    pub owner: Box<str>,
    /// Who asked for it.
    pub requester: Box<str>,
    /// Who may renew and end it beside those two.
    pub renewers: Vec<Box<str>>,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it ends, unless it is renewed.
    pub expires_at: Timestamp,
    /// When it ends at the latest.
    pub max_at: Timestamp,
}

impl DelegationToken {
    /// Whether this user may see, renew and end it.
    #[must_use]
    pub fn is_handled_by(&self, user: &str) -> bool {
        *self.owner == *user || *self.requester == *user || self.renewers.iter().any(|one| **one == *user)
    }

    /// Whether it can be used.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        now < self.expires_at && now < self.max_at
    }

    /// The same with another end: after so long, or when it has to end.
    #[must_use]
    pub fn lasting(mut self, period: Duration, now: Timestamp) -> DelegationToken {
        self.expires_at = now.plus(period).min(self.max_at);
        self
    }
}

/// How tokens are made.
#[derive(Debug)]
pub struct DelegationRules {
    /// From what their passwords are made.
    pub secret: TokenSecret,
    /// How long one may last, however often it is renewed.
    pub max_lifetime: Duration,
    /// How long one lasts that is not renewed.
    pub renewal: Duration,
}

/// The key under which tokens' ids become their passwords.
pub struct TokenSecret(Vec<u8>);

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret")
    }
}

impl TokenSecret {
    /// Fewest characters of a key.
    pub const SHORTEST: usize = 32;

    /// The key that a text is; `None` where it is so short that somebody could guess it.
    #[must_use]
    pub fn new(text: &str) -> Option<TokenSecret> {
        (text.len() >= TokenSecret::SHORTEST).then(|| TokenSecret(text.as_bytes().to_vec()))
    }

    /// What a client is given for a token of this id.
    #[must_use]
    pub fn mac(&self, id: &str) -> Vec<u8> {
        ScramHash::Sha512.hmac(&self.0, id.as_bytes())
    }

    /// Whether that is what was given for this id.
    #[must_use]
    pub fn is_mac(&self, id: &str, mac: &[u8]) -> bool {
        self.mac(id).ct_eq(mac).into()
    }

    /// What a login with the token is checked against. Takes milliseconds.
    #[must_use]
    pub fn verifier(&self, id: &str, hash: ScramHash, salt: Vec<u8>) -> Verifier {
        let password = BASE64.encode(self.mac(id));
        Verifier::of_password(hash, password.as_bytes(), salt, TOKEN_ITERATIONS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_when_it_has_to_however_it_is_renewed() {
        let token = DelegationToken {
            id: "t".into(),
            owner: "alice".into(),
            requester: "admin".into(),
            renewers: vec!["bob".into()],
            issued_at: Timestamp(0),
            expires_at: Timestamp(10),
            max_at: Timestamp(100),
        };
        assert!(["alice", "admin", "bob"].iter().all(|user| token.is_handled_by(user)));
        assert!(!token.is_handled_by("carol"));
        assert!(token.is_valid_at(Timestamp(9)) && !token.is_valid_at(Timestamp(10)));
        let renewed = token.clone().lasting(Duration::from_millis(50), Timestamp(9));
        assert_eq!(renewed.expires_at, Timestamp(59));
        let longest = token.lasting(Duration::MAX, Timestamp(9));
        assert_eq!(longest.expires_at, Timestamp(100));
    }

    #[test]
    fn a_password_is_of_one_id_under_one_key() {
        let secret = TokenSecret::new(&"k".repeat(32)).unwrap();
        let mac = secret.mac("one");
        assert_eq!(mac.len(), 64);
        assert!(secret.is_mac("one", &mac) && !secret.is_mac("two", &mac) && !secret.is_mac("one", b""));
        assert!(!TokenSecret::new(&"l".repeat(32)).unwrap().is_mac("one", &mac));
        let verifier = secret.verifier("one", ScramHash::Sha256, b"salt".to_vec());
        assert!(verifier.is_of(BASE64.encode(&mac).as_bytes()));
        assert!(TokenSecret::new("short").is_none());
        assert_eq!(format!("{secret:?}"), "TokenSecret");
    }
}
