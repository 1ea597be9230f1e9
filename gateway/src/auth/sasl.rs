//! SASL (RFC 4422) on the server's side: what a client says under a mechanism becomes a caller, or not. Doors carry the
//! messages.

use super::caller::{Caller, Proof};
use super::guard::{Guard, LoginError, random};
#[cfg(feature = "gssapi")]
use super::kerberos::{KerberosError, Negotiation, Next};
use super::origin::Origin;
use super::scram::{Challenged, ClientFirst};
use super::verifier::ScramHash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// How a client may say who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616: user and password in the clear.
    Plain,
    /// RFC 5802: proof of a password that is not sent.
    Scram(ScramHash),
    /// RFC 7628: a signed token.
    OAuthBearer,
    /// RFC 4752: a Kerberos ticket.
    #[cfg(feature = "gssapi")]
    Gssapi,
}

impl Mechanism {
    /// All of them.
    pub const ALL: &[Mechanism] = &[
        Mechanism::Plain,
        Mechanism::Scram(ScramHash::Sha256),
        Mechanism::Scram(ScramHash::Sha512),
        Mechanism::OAuthBearer,
        #[cfg(feature = "gssapi")]
        Mechanism::Gssapi,
    ];

    /// Its registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Scram(hash) => hash.mechanism(),
            Mechanism::OAuthBearer => "OAUTHBEARER",
            #[cfg(feature = "gssapi")]
            Mechanism::Gssapi => "GSSAPI",
        }
    }

    /// The mechanism of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Mechanism> {
        Mechanism::ALL.iter().copied().find(|mechanism| mechanism.name() == name)
    }
}

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// The client has to answer this.
    Challenge(Vec<u8>),
    /// It is known; this is the last that it is told.
    Done(Caller, Vec<u8>),
}

/// One exchange under a mechanism.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    /// The challenge that the client has to answer, and what it has proved when it did; nothing where nobody is of that name.
    challenged: Option<(Challenged, Option<Proof>)>,
    #[cfg(feature = "gssapi")]
    negotiation: Option<Negotiation>,
}

impl Exchange {
    /// An exchange that waits for the client's first message.
    #[must_use]
    pub fn new(mechanism: Mechanism) -> Exchange {
        Exchange {
            mechanism,
            challenged: None,
            #[cfg(feature = "gssapi")]
            negotiation: None,
        }
    }

    /// The mechanism.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Takes a message of the client.
    pub async fn step(&mut self, guard: &Guard, message: &[u8], origin: Origin) -> Result<Step, LoginError> {
        match self.mechanism {
            Mechanism::Plain => {
                let Some((user, password)) = plain(message) else { return Err(malformed(guard, origin)) };
                let caller = guard.password(user, password, origin).await?;
                Ok(Step::Done(caller, Vec::new()))
            }
            Mechanism::OAuthBearer => {
                let Some(token) = bearer(message) else { return Err(malformed(guard, origin)) };
                let caller = guard.bearer(token, origin).await?;
                Ok(Step::Done(caller, Vec::new()))
            }
            #[cfg(feature = "gssapi")]
            Mechanism::Gssapi => self.negotiate(guard, message, origin).await,
            Mechanism::Scram(hash) => match self.challenged.take() {
                None => {
                    let first = ClientFirst::parse(message).map_err(|_| malformed(guard, origin))?;
                    guard.slow_down(&first.user, origin).await;
                    let (verifier, proof) = if first.is_token {
                        guard.challenge_token(&first.user, hash).await?
                    } else {
                        guard.challenge(&first.user, hash, origin)
                    };
                    let nonce = BASE64.encode(random::<18>());
                    let (answer, challenged) = first.challenge(verifier, proof.is_some(), &nonce);
                    self.challenged = Some((challenged, proof));
                    Ok(Step::Challenge(answer))
                }
                Some((challenged, proof)) => match (challenged.finish(message), proof) {
                    (Ok(answer), Some(proof)) => {
                        Ok(Step::Done(guard.proved(challenged.user(), proof, origin)?, answer))
                    }
                    (Err(error), _) => {
                        guard.failed(challenged.user(), origin, &error.to_string());
                        Err(LoginError::Wrong)
                    }
                    (Ok(_), None) => Err(LoginError::Wrong),
                },
            },
        }
    }
}

#[cfg(feature = "gssapi")]
impl Exchange {
    /// Kerberos works on a thread where it may wait: for the keytab, for its cache of replays.
    async fn negotiate(&mut self, guard: &Guard, message: &[u8], origin: Origin) -> Result<Step, LoginError> {
        let (begun, message) = (self.negotiation.take(), message.to_vec());
        let step = tokio::task::spawn_blocking(move || {
            let mut negotiation = begun.map_or_else(Negotiation::begin, Ok)?;
            let next = negotiation.step(&message)?;
            Ok::<_, KerberosError>((negotiation, next))
        });
        let gone = |_| LoginError::Unavailable("the server is going down".into());
        let (negotiation, next) = step.await.map_err(gone)?.map_err(|error| {
            guard.failed("", origin, &error.to_string());
            LoginError::Wrong
        })?;
        match next {
            Next::Challenge(challenge) => {
                self.negotiation = Some(negotiation);
                Ok(Step::Challenge(challenge))
            }
            Next::Known { principal, acts_for, lasts } => {
                let caller = guard.principal(&principal, &acts_for, lasts, origin)?;
                Ok(Step::Done(caller, Vec::new()))
            }
        }
    }
}

fn malformed(guard: &Guard, origin: Origin) -> LoginError {
    guard.failed("", origin, "a SASL message is malformed");
    LoginError::Wrong
}

/// User and password of `[identity] NUL user NUL password`. Acting for somebody else is not possible.
#[must_use]
pub fn plain(message: &[u8]) -> Option<(&str, &[u8])> {
    let mut parts = message.splitn(3, |byte| *byte == 0);
    let (identity, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    let user_text = std::str::from_utf8(user).ok()?;
    (identity.is_empty() || identity == user).then_some((user_text, password))
}

/// The token of `n,,^Aauth=Bearer TOKEN^A^A`.
fn bearer(message: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(message).ok()?;
    let (header, pairs) = text.split_once('\u{1}')?;
    if !header.starts_with("n,") && !header.starts_with("y,") {
        return None;
    }
    let auth = pairs.split('\u{1}').find_map(|pair| pair.strip_prefix("auth="))?;
    let (scheme, token) = auth.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_and_nonsense_is_not() {
        assert_eq!(plain(b"\0alice\0pa\0ss"), Some(("alice", &b"pa\0ss"[..])));
        assert_eq!(plain(b"alice\0alice\0x"), Some(("alice", &b"x"[..])));
        assert_eq!(plain(b"root\0alice\0x"), None);
        for bad in [&b""[..], b"alice", b"\0alice", b"\0\xff\0x"] {
            assert_eq!(plain(bad), None);
        }
        assert_eq!(bearer(b"n,,\x01auth=Bearer abc.def\x01\x01"), Some("abc.def"));
        assert_eq!(bearer(b"n,a=x,\x01host=h\x01auth=bearer t\x01\x01"), Some("t"));
        assert_eq!(bearer(b"n,,\x01host=h\x01\x01"), None);
        assert_eq!(bearer(b"auth=Bearer abc"), None);
    }

    #[test]
    fn mechanisms_are_known_by_their_names() {
        for &mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::from_name(mechanism.name()), Some(mechanism));
        }
        assert_eq!(Mechanism::from_name("GSSAPI").is_some(), cfg!(feature = "gssapi"));
    }
}
