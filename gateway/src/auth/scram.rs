//! The server's side of SCRAM (RFC 5802 section 5, RFC 7677): messages in, messages out.
//!
//! The hashes, HMAC, PBKDF2 and the comparison come from libraries; here is only the exchange. A client whose user does
//! not exist goes through the same steps and fails at the end, as one with a wrong password does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::ConstantTimeEq;

use super::verifier::{ScramHash, Verifier};

/// Why an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message does not follow the grammar.
    #[error("the SCRAM message is malformed")]
    Malformed,
    /// The client wants the exchange bound to its TLS channel, or to act for somebody else.
    #[error("channel binding and other identities are not supported")]
    Unsupported,
    /// The proof is wrong, or there is no such user.
    #[error("wrong user or password")]
    Refused,
}

/// What the client's first message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFirst {
    /// Who wants in.
    pub user: String,
    /// Whether that is the id of a delegation token (KIP-48), an extension of Kafka's.
    pub is_token: bool,
    header: String,
    bare: String,
    nonce: String,
}

impl ClientFirst {
    /// Reads it.
    pub fn parse(message: &[u8]) -> Result<ClientFirst, ScramError> {
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed)?;
        let mut parts = text.splitn(3, ',');
        let (binding, identity, bare) = (parts.next(), parts.next(), parts.next());
        let (Some(binding), Some(identity), Some(bare)) = (binding, identity, bare) else {
            return Err(ScramError::Malformed);
        };
        // `y` says that the client could bind but believes that the server cannot, which is so.
        if !matches!(binding, "n" | "y") {
            return Err(ScramError::Unsupported);
        }
        let mut fields = bare.split(',');
        let user = fields.next().and_then(|field| field.strip_prefix("n=")).and_then(unescape);
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let (Some(user), Some(nonce)) = (user, nonce.filter(|nonce| is_nonce(nonce))) else {
            return Err(ScramError::Malformed);
        };
        let acts_for = identity.strip_prefix("a=").map(unescape);
        if !identity.is_empty() && acts_for != Some(Some(user.clone())) {
            return Err(ScramError::Unsupported);
        }
        let mut is_token = fields.filter_map(|field| field.strip_prefix("tokenauth="));
        let is_token = is_token.next_back().is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let header = format!("{binding},{identity},");
        Ok(ClientFirst { user, is_token, header, bare: bare.to_owned(), nonce: nonce.to_owned() })
    }

    /// The server's first message, and what is needed to judge the answer to it.
    #[must_use]
    pub fn challenge(self, verifier: Verifier, is_known: bool, server_nonce: &str) -> (Vec<u8>, Challenged) {
        let nonce = format!("{}{server_nonce}", self.nonce);
        let salt = BASE64.encode(&verifier.salt);
        let server_first = format!("r={nonce},s={salt},i={}", verifier.iterations);
        let message = server_first.clone().into_bytes();
        (message, Challenged { first: self, verifier, is_known, nonce, server_first })
    }
}

/// An exchange that waits for the client's proof.
#[derive(Debug)]
pub struct Challenged {
    first: ClientFirst,
    verifier: Verifier,
    is_known: bool,
    nonce: String,
    server_first: String,
}

impl Challenged {
    /// Who wants in.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.first.user
    }

    /// Under which hash.
    #[must_use]
    pub fn hash(&self) -> ScramHash {
        self.verifier.hash
    }

    /// Judges the client's final message: the server's own proof, or why not.
    pub fn finish(&self, message: &[u8]) -> Result<Vec<u8>, ScramError> {
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let mut fields = without_proof.split(',');
        let binding =
            fields.next().and_then(|field| field.strip_prefix("c=")).ok_or(ScramError::Malformed)?;
        let nonce = fields.next().and_then(|field| field.strip_prefix("r=")).ok_or(ScramError::Malformed)?;
        let proof = BASE64.decode(proof).map_err(|_| ScramError::Malformed)?;
        if BASE64.decode(binding).ok().as_deref() != Some(self.first.header.as_bytes()) {
            return Err(ScramError::Unsupported);
        }
        let hash = self.verifier.hash;
        let told = [&self.first.bare, &self.server_first, without_proof].map(str_bytes).join(&b',');
        let signature = hash.hmac(&self.verifier.stored_key, &told);
        if proof.len() != signature.len() {
            return Err(ScramError::Refused);
        }
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        let is_right = hash.digest(&client_key).ct_eq(&self.verifier.stored_key);
        if !bool::from(is_right) || !self.is_nonce(nonce) || !self.is_known {
            return Err(ScramError::Refused);
        }
        let signature = hash.hmac(&self.verifier.server_key, &told);
        Ok(format!("v={}", BASE64.encode(signature)).into_bytes())
    }

    /// Whether that is the nonce of this exchange. librdkafka before 2.6.1 puts its own part before it once more, which
    /// Kafka 3 takes and Kafka 4 refuses. Either way the server's part is in it, so that nothing can be played again.
    fn is_nonce(&self, told: &str) -> bool {
        told == self.nonce || told.strip_prefix(self.first.nonce.as_str()) == Some(&self.nonce)
    }
}

fn str_bytes(text: &(impl AsRef<str> + ?Sized)) -> Vec<u8> {
    text.as_ref().as_bytes().to_vec()
}

/// `=2C` is a comma and `=3D` an equals sign; no other use of `=` is allowed.
fn unescape(name: &str) -> Option<String> {
    let mut out = String::with_capacity(name.len());
    let mut parts = name.split('=');
    out.push_str(parts.next()?);
    for part in parts {
        let (escaped, rest) = part.split_at_checked(2)?;
        out.push(match escaped {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        out.push_str(rest);
    }
    (!out.is_empty()).then_some(out)
}

fn is_nonce(nonce: &str) -> bool {
    !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677 section 3.
    #[test]
    fn the_example_of_the_standard_goes_through() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::of_password(ScramHash::Sha256, b"pencil", salt, 4096);
        let first = ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!(first.user, "user");
        let (message, challenged) = first.challenge(verifier, true, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        assert_eq!(
            message,
            b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let good = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(
            challenged.finish(good.as_bytes()).unwrap(),
            b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        for bad in [good.replace("p=d", "p=e"), good.replace("k0,", "k1,"), good.replace("dHzb", "")] {
            assert_eq!(challenged.finish(bad.as_bytes()), Err(ScramError::Refused), "{bad}");
        }
        assert_eq!(challenged.finish(good.replace("biws", "eSws").as_bytes()), Err(ScramError::Unsupported));
    }

    /// What librdkafka 1.9 sends: the client's part of the nonce once more before the whole.
    #[test]
    fn the_clients_part_of_the_nonce_may_come_twice() {
        let hash = ScramHash::Sha256;
        let verifier = Verifier::of_password(hash, b"pencil", b"salt".to_vec(), 4096);
        let salted = hash.salted(b"pencil", b"salt", 4096);
        let finish = |nonce: &str| {
            let first = ClientFirst::parse(b"n,,n=user,r=abc").unwrap();
            let (told, challenged) = first.challenge(verifier.clone(), true, "def");
            let last = format!("c=biws,r={nonce}");
            let all = [&b"n=user,r=abc"[..], &told, last.as_bytes()].join(&b',');
            let key = hash.hmac(&salted, b"Client Key");
            let signature = hash.hmac(&hash.digest(&key), &all);
            let proof: Vec<u8> = key.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
            challenged.finish(format!("{last},p={}", BASE64.encode(proof)).as_bytes()).is_ok()
        };
        assert!(finish("abcdef") && finish("abcabcdef"));
        assert!(!finish("def") && !finish("abc") && !finish("xyzabcdef") && !finish("abcabcabcdef"));
    }

    #[test]
    fn a_user_that_does_not_exist_fails_like_a_wrong_password() {
        let verifier = Verifier::of_password(ScramHash::Sha512, b"pencil", b"salt".to_vec(), 4096);
        let (_, challenged) =
            ClientFirst::parse(b"n,,n=nobody,r=abc").unwrap().challenge(verifier, false, "def");
        let proof = BASE64.encode([0; 64]);
        let message = format!("c=biws,r=abcdef,p={proof}");
        assert_eq!(challenged.finish(message.as_bytes()), Err(ScramError::Refused));
    }

    #[test]
    fn names_are_unescaped_and_nonsense_is_refused() {
        assert_eq!(ClientFirst::parse(b"n,,n=a=2Cb=3Dc,r=x").unwrap().user, "a,b=c");
        assert_eq!(ClientFirst::parse(b"y,a=me,n=me,r=x").unwrap().user, "me");
        assert!(ClientFirst::parse(b"n,,n=id,r=x,tokenauth=true").unwrap().is_token);
        assert!(!ClientFirst::parse(b"n,,n=id,r=x,tokenauth=false").unwrap().is_token);
        assert!(!ClientFirst::parse(b"n,,n=id,r=x").unwrap().is_token);
        assert_eq!(ClientFirst::parse(b"n,a=you,n=me,r=x"), Err(ScramError::Unsupported));
        assert_eq!(ClientFirst::parse(b"p=tls-unique,,n=me,r=x"), Err(ScramError::Unsupported));
        for bad in [&b""[..], b"n,,", b"n,,n=,r=x", b"n,,n=a=b,r=x", b"n,,n=a,r=", b"n,,r=x,n=a", b"\xff"] {
            assert_eq!(ClientFirst::parse(bad), Err(ScramError::Malformed), "{bad:?}");
        }
    }
}
