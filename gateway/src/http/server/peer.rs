use std::net::IpAddr;

use parking_lot::Mutex;

use crate::auth::{Connected, Guard, Origin, Usage};
use crate::refusal::Refusal;
use crate::tls::ClientCertificate;

/// Who is at the other end of a connection; every request carries it.
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// What its certificate says.
    pub certificate: Option<ClientCertificate>,
    /// Whose use its requests were measured as last: most connections are one user's.
    metered: Mutex<Option<(Usage, Option<Connected>)>>,
}

impl Peer {
    /// Of a connection that was just accepted.
    #[must_use]
    pub fn new(address: IpAddr, certificate: Option<ClientCertificate>) -> Peer {
        Peer { address, certificate, metered: Mutex::default() }
    }

    /// What a request of this user is measured by. From the user's first request on, the connection is one of theirs.
    ///
    /// # Errors
    /// When they have as many connections as a quota allows.
    pub fn usage(&self, guard: &Guard, user: Option<&str>, origin: Origin) -> Result<Usage, Refusal> {
        let mut metered = self.metered.lock();
        if let Some((usage, _)) = metered.as_ref().filter(|(usage, _)| usage.is_of(user, None)) {
            return Ok(usage.clone());
        }
        *metered = None;
        let usage = Usage::of(guard, user, None, origin);
        let connected = usage.connect().map_err(|full| full.is_reached())?;
        *metered = Some((usage.clone(), connected));
        Ok(usage)
    }

    /// The connection becomes something else, which counts for itself.
    pub fn hand_over(&self) {
        *self.metered.lock() = None;
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peer({})", self.address)
    }
}
