use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use message::Timestamp;

/// Every API key begins so: people and secret scanners tell it from other text.
const PREFIX: &str = "slk_";
const ID_BYTES: usize = 9;
const SECRET_BYTES: usize = 32;

/// What is kept of an API key. The key itself is random enough that a plain hash of it tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Names it.
    pub id: Box<str>,
    /// What it is for, in its owner's words.
    pub note: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// When it was made.
    pub made_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKey({})", self.id)
    }
}

/// A key as it is shown, once.
pub struct ShownKey(pub String);

impl ApiKey {
    /// A new key from random bytes, and the only sight of it.
    #[must_use]
    pub fn make(
        mut random: [u8; ID_BYTES + SECRET_BYTES],
        note: String,
        made_at: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> (ApiKey, ShownKey) {
        // The id begins with a letter: with a hyphen a command line would take it for an option.
        random[0] &= 0x7f;
        let (id, secret) = random.split_at(ID_BYTES);
        let id = URL_SAFE_NO_PAD.encode(id);
        let shown = format!("{PREFIX}{id}.{}", URL_SAFE_NO_PAD.encode(secret));
        let hash = Sha256::digest(shown.as_bytes()).into();
        (ApiKey { id: id.into(), note, hash, made_at, expires_at }, ShownKey(shown))
    }

    /// The id within what may be a key; `None` when it is none.
    #[must_use]
    pub fn id_in(text: &str) -> Option<&str> {
        Some(text.strip_prefix(PREFIX)?.split_once('.')?.0)
    }

    /// Whether this is the key, whatever the time.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.hash.ct_eq(&Sha256::digest(text.as_bytes())).into()
    }

    /// Whether it can still be used.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_no_option_of_a_command() {
        for first in 0..=u8::MAX {
            let (key, _) = ApiKey::make([first; 41], String::new(), Timestamp(1), None);
            assert!(key.id.starts_with(|first: char| first.is_ascii_alphabetic()), "{}", key.id);
        }
    }

    #[test]
    fn a_key_is_known_again_by_its_hash_alone() {
        let (key, ShownKey(shown)) = ApiKey::make([7; 41], "ci".into(), Timestamp(1), Some(Timestamp(10)));
        assert_eq!(ApiKey::id_in(&shown), Some(&*key.id));
        assert!(key.is(&shown) && !key.is(&shown.to_uppercase()));
        assert!(key.is_valid_at(Timestamp(9)) && !key.is_valid_at(Timestamp(10)));
        assert_eq!(ApiKey::id_in("eyJhbGciOi.x"), None);
        assert!(!format!("{key:?}").contains(&shown[16..]));
    }
}
