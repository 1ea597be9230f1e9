use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering::Relaxed};

use message::HeaderTable;

use super::connection::ConnectionTerms;
use super::identity::server_properties;
use super::limits::AmqpLimits;
use super::local;
use super::login::{Credentials, Mechanism};
use super::roster::Roster;
use super::socket::Proof;
use crate::auth::{Origin, Pass};
use crate::drain::Drain;
use crate::tls::ClientCertificate;
use crate::topics::{Alarm, Topics};

/// Everything that AMQP connections share. Cheap to clone.
#[derive(Clone)]
pub struct AmqpDoor(Arc<Inner>);

struct Inner {
    topics: Topics,
    limits: AmqpLimits,
    mechanisms: Arc<[Mechanism]>,
    properties: HeaderTable,
    drain: Drain,
    roster: Roster,
    connections: AtomicUsize,
    assembling: AtomicUsize,
    seeds: AtomicU64,
    local: AtomicU16,
}

/// One open connection's place among those that may be open, and its part of the bytes that all may keep.
pub(super) struct Place {
    door: AmqpDoor,
    assembling: usize,
}

impl AmqpDoor {
    /// A door to `topics`.
    #[must_use]
    pub fn new(topics: Topics, limits: AmqpLimits, mechanisms: Vec<Mechanism>, drain: Drain) -> AmqpDoor {
        AmqpDoor(Arc::new(Inner {
            topics,
            limits,
            mechanisms: mechanisms.into(),
            properties: server_properties(),
            drain,
            roster: Roster::default(),
            connections: AtomicUsize::new(0),
            assembling: AtomicUsize::new(0),
            seeds: AtomicU64::new(first_seed()),
            local: AtomicU16::new(1),
        }))
    }

    pub(super) fn topics(&self) -> &Topics {
        &self.0.topics
    }

    pub(super) fn limits(&self) -> &AmqpLimits {
        &self.0.limits
    }

    pub(super) fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// Who is connected.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.0.roster
    }

    /// How many connections from within the process there were, to tell them apart.
    pub(super) fn local_connections(&self) -> &AtomicU16 {
        &self.0.local
    }

    pub(super) fn terms(&self, proof: &Proof) -> ConnectionTerms {
        let mechanisms = match proof {
            Proof::Own | Proof::Vouched(_) => Arc::from(local::MECHANISMS),
            Proof::None | Proof::Certificate(_) => Arc::clone(&self.0.mechanisms),
        };
        ConnectionTerms {
            limits: self.0.limits,
            mechanisms,
            is_own: matches!(proof, Proof::Own),
            properties: self.0.properties.clone(),
            // Far apart, so that no two connections ever make up the same name.
            seed: self.0.seeds.fetch_add(0x1_0000_0001_0001, Relaxed),
        }
    }

    /// Who this is, if it is anybody. While nobody has to log in, the default user is let in from the machine itself.
    pub(super) async fn login(
        &self,
        mechanism: Mechanism,
        response: &[u8],
        (origin, proof): (Origin, &Proof),
    ) -> Option<(String, Pass)> {
        let guard = self.topics().guard();
        if mechanism == Mechanism::External {
            let ClientCertificate { user, ends_at } = match proof {
                Proof::Own => return Some((local::OWN_USER.to_owned(), Pass::Open)),
                Proof::Vouched(one) if !guard.is_required() => {
                    return Some((one.user.to_string(), Pass::Open));
                }
                Proof::Certificate(one) | Proof::Vouched(one) => one.clone(),
                Proof::None => {
                    guard.turned_away(origin, "no certificate");
                    return None;
                }
            };
            return Some((user.to_string(), Pass::As(guard.certificate(user, ends_at, origin))));
        }
        let Some(credentials) = Credentials::read(mechanism, response) else {
            guard.turned_away(origin, "a login that cannot be read");
            return None;
        };
        if !guard.is_required() {
            let known = credentials.are_guest_on(origin.address.is_loopback());
            return known.then_some((credentials.user, Pass::Open));
        }
        let Credentials { user, password } = credentials;
        let pass = match password {
            Some(password) => Pass::As(guard.password(&user, &password, origin).await.ok()?),
            None => guard.stranger(origin),
        };
        let user = pass.caller()?.user().to_owned();
        Some((user, pass))
    }

    /// A new secret of a user who is known (`connection.update-secret`).
    pub(super) async fn renew(&self, user: &str, secret: &[u8], origin: Origin) -> Option<Pass> {
        let guard = self.topics().guard();
        if !guard.is_required() {
            return Some(Pass::Open);
        }
        let caller = guard.password(user, secret, origin).await.ok()?;
        (caller.user() == user).then_some(Pass::As(caller))
    }

    /// Why publishers must wait, if they must.
    pub(super) fn alarm(&self) -> Option<&'static str> {
        self.topics().alarm().map(Alarm::reason)
    }

    /// Takes one more connection, if there may be one.
    pub(super) fn admit(&self) -> Option<Place> {
        let most = self.0.limits.connections;
        let admitted =
            self.0.connections.fetch_update(Relaxed, Relaxed, |open| (open < most).then_some(open + 1));
        admitted.is_ok().then(|| Place { door: self.clone(), assembling: 0 })
    }
}

impl Place {
    /// Notes what the connection keeps; answers whether all together keep more than they may.
    pub(super) fn is_too_much(&mut self, assembling: usize) -> bool {
        let all = &self.door.0.assembling;
        let before = std::mem::replace(&mut self.assembling, assembling);
        let sum = if assembling >= before {
            all.fetch_add(assembling - before, Relaxed) + (assembling - before)
        } else {
            all.fetch_sub(before - assembling, Relaxed) - (before - assembling)
        };
        assembling > before && sum > self.door.0.limits.assembling_bytes
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.0.assembling.fetch_sub(self.assembling, Relaxed);
        self.door.0.connections.fetch_sub(1, Relaxed);
    }
}

/// Different in every process: the standard library seeds its hash maps from the system's randomness.
fn first_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}
