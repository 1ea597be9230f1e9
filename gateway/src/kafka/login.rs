//! Who a connection's client is: what SASL has come to, and whose requests are answered until then.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::Mutex;

use super::error::KafkaError;
use crate::auth::sasl::{Exchange, Mechanism, Step};
use crate::auth::{Guard, Lapse, LoginError, Origin, Pass};
use crate::tls::ClientCertificate;

/// The login of one connection.
#[derive(Debug)]
pub struct Login {
    origin: Origin,
    pass: RwLock<Pass>,
    /// The exchange that a handshake began.
    exchange: Mutex<Option<Exchange>>,
    /// Whether its messages come bare, not in requests.
    is_bare: AtomicBool,
    /// Whether an exchange has said who it is: until then that is what a certificate says.
    has_said: AtomicBool,
}

/// What an exchange came to.
#[derive(Debug)]
pub enum Progress {
    /// The client has to answer this.
    Challenge(Vec<u8>),
    /// It is known, for so many milliseconds; 0 is for as long as it stays.
    Done {
        /// The last that it is told.
        message: Vec<u8>,
        /// How long.
        lifetime_ms: i64,
    },
}

impl Login {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(guard: &Guard, address: IpAddr, certificate: Option<ClientCertificate>) -> Login {
        let origin = Origin { door: "kafka", address };
        let pass = match certificate {
            Some(ClientCertificate { user, ends_at }) if guard.is_required() => {
                Pass::As(guard.certificate(user, ends_at, origin))
            }
            _ => guard.stranger(origin),
        };
        Login {
            origin,
            pass: RwLock::new(pass),
            exchange: Mutex::default(),
            is_bare: AtomicBool::new(false),
            has_said: AtomicBool::new(false),
        }
    }

    /// Where the client comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// What the client may do now.
    #[must_use]
    pub fn pass(&self) -> Pass {
        self.pass.read().clone()
    }

    /// Whether the client has to log in before anything else.
    #[must_use]
    pub fn is_due(&self) -> bool {
        matches!(*self.pass.read(), Pass::Nobody)
    }

    /// Why the client is not who it said any more, if so.
    #[must_use]
    pub fn lapse(&self) -> Option<Lapse> {
        self.pass.read().caller()?.lapse(Guard::now())
    }

    /// Whether what the client sends next is a bare message of the exchange, and no request.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.is_bare.load(Relaxed)
    }

    /// Begins an exchange, whose messages come in requests or, `bare`, without (the handshake's version 0).
    pub async fn begin(&self, name: &str, offered: &[Mechanism], bare: bool) -> Result<(), KafkaError> {
        let mechanism = Mechanism::from_name(name).filter(|mechanism| offered.contains(mechanism));
        let mechanism = mechanism.ok_or(KafkaError::UNSUPPORTED_SASL_MECHANISM)?;
        *self.exchange.lock().await = Some(Exchange::new(mechanism));
        self.is_bare.store(bare, Relaxed);
        Ok(())
    }

    /// Takes a message of the exchange. After a failure a handshake has to begin another.
    pub async fn step(
        &self,
        guard: &Guard,
        message: &[u8],
        session: Option<Duration>,
    ) -> Result<Progress, (KafkaError, String)> {
        let mut exchange = self.exchange.lock().await;
        let Some(mut running) = exchange.take() else {
            let why = "SaslAuthenticate without a SaslHandshake before it".to_owned();
            return Err((KafkaError::ILLEGAL_SASL_STATE, why));
        };
        let mechanism = running.mechanism().name();
        let step = running.step(guard, message, self.origin).await;
        match step.map_err(|error| (KafkaError::SASL_AUTHENTICATION_FAILED, told(&error, mechanism)))? {
            Step::Challenge(challenge) => {
                *exchange = Some(running);
                Ok(Progress::Challenge(challenge))
            }
            Step::Done(caller, message) => {
                let is_other = self.pass().caller().is_some_and(|known| known.user() != caller.user());
                if is_other && self.has_said.load(Relaxed) {
                    // As Kafka has it (KIP-368): a connection is one user's. Whose certificate it shows is another matter.
                    let why =
                        "re-authentication as another user is not possible on this connection".to_owned();
                    guard.failed(caller.user(), self.origin, &why);
                    return Err((KafkaError::SASL_AUTHENTICATION_FAILED, why));
                }
                let caller = match session {
                    Some(session) => caller.until(Guard::now().plus(session)),
                    None => caller,
                };
                let lifetime = caller.ends_at().map(|end| end.since(Guard::now()));
                let lifetime_ms =
                    lifetime.map_or(0, |left| i64::try_from(left.as_millis()).unwrap_or(i64::MAX));
                *self.pass.write() = Pass::As(caller);
                self.has_said.store(true, Relaxed);
                self.is_bare.store(false, Relaxed);
                Ok(Progress::Done { message, lifetime_ms })
            }
        }
    }
}

fn told(error: &LoginError, mechanism: &str) -> String {
    match error {
        LoginError::Wrong => {
            format!(
                "Authentication failed during authentication due to invalid credentials with SASL mechanism {mechanism}"
            )
        }
        LoginError::Expired | LoginError::Unavailable(_) => error.to_string(),
    }
}
