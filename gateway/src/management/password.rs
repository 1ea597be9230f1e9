use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256, Sha512};

use super::failure::Failure;
use super::requests;
use crate::auth::{GUEST, Verifier};

/// The password that a description of a user comes with.
#[derive(Debug, PartialEq)]
pub enum Password {
    /// In the clear.
    Plain(String),
    /// As verifiers, as definitions of Sluice have it.
    Kept(Vec<Verifier>),
    /// None: the user cannot log in by one.
    Missing,
}

impl Password {
    /// Reads `password` or `password_hash`. RabbitMQ's own hashes cannot be taken: SCRAM needs another one, which nobody
    /// can make of them.
    pub fn read(user: &str, object: &Map<String, Value>) -> Result<Password, Failure> {
        let hash = match (requests::text(object, "password")?, requests::text(object, "password_hash")?) {
            (Some(_), Some(_)) => return Err(Failure::bad("both_password_and_password_hash_are_provided")),
            (Some(""), None) | (None, Some("") | None) => return Ok(Password::Missing),
            (Some(password), None) => return Ok(Password::Plain(password.to_owned())),
            (None, Some(hash)) => hash,
        };
        let verifiers: Option<Vec<Verifier>> = hash.split(' ').map(Verifier::parse).collect();
        if let Some(verifiers) = verifiers {
            return Ok(Password::Kept(verifiers));
        }
        let decoded = BASE64.decode(hash).map_err(|_| Failure::Bad(json!(["not_base64", hash])))?;
        if user == GUEST && is_hash_of(&decoded, GUEST) {
            return Ok(Password::Plain(GUEST.to_owned()));
        }
        let why = format!(
            "the password_hash of {user} was made by RabbitMQ; passwords are kept for SCRAM here, which cannot be made of it: give the `password`, or an empty password_hash and set the password later"
        );
        Err(Failure::bad(why))
    }

    /// Verifiers as text, for [`Password::read`].
    pub fn text(verifiers: &[Verifier]) -> String {
        verifiers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

/// Whether RabbitMQ keeps a password so: four bytes of salt, and the hash of salt and password.
fn is_hash_of(kept: &[u8], password: &str) -> bool {
    let Some((salt, hash)) = kept.split_at_checked(4) else { return false };
    let salted = [salt, password.as_bytes()].concat();
    hash == Sha256::digest(&salted).as_slice() || hash == Sha512::digest(&salted).as_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::ScramHash;

    fn read(user: &str, body: Value) -> Result<Password, Failure> {
        Password::read(user, body.as_object().unwrap())
    }

    #[test]
    fn a_password_comes_in_the_clear_as_verifiers_or_not_at_all() {
        let kept: Vec<Verifier> = ScramHash::ALL
            .into_iter()
            .map(|hash| Verifier::of_password(hash, b"pw", b"salt".to_vec(), 4096))
            .collect();
        let text = Password::text(&kept);
        assert_eq!(read("a", json!({"password": "pw"})), Ok(Password::Plain("pw".into())));
        assert_eq!(read("a", json!({"password_hash": text})), Ok(Password::Kept(kept)));
        for none in [json!({}), json!({"password": ""}), json!({"password_hash": ""})] {
            assert_eq!(read("a", none), Ok(Password::Missing));
        }
        assert!(read("a", json!({"password": "", "password_hash": ""})).is_err());
        assert_eq!(read("a", json!({"password_hash": "%"})), Err(Failure::Bad(json!(["not_base64", "%"]))));
    }

    #[test]
    fn a_hash_of_rabbitmq_is_refused_unless_it_is_that_of_the_default_user() {
        // Made by RabbitMQ 3.10 for the password `guest`.
        let hash = "jV260YMx21Q0K63NGRghm5P7tDWGJ2T9N4uX6+uwI/JIY4Ya";
        assert_eq!(read(GUEST, json!({"password_hash": hash})), Ok(Password::Plain(GUEST.into())));
        let Err(Failure::Bad(Value::String(why))) = read("alice", json!({"password_hash": hash})) else {
            panic!("a hash was taken")
        };
        assert!(why.contains("give the `password`"), "{why}");
    }
}
