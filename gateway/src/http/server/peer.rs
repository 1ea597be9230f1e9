use std::net::{IpAddr, SocketAddr};

use parking_lot::Mutex;

use crate::auth::{ConnectionUsage, Guard, Origin, Usage};
use crate::refusal::Refusal;
use crate::tls::ClientCertificate;

/// Who is at the other end of a connection; every request carries it.
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The port of it that the connection comes from.
    pub port: u16,
    /// What its certificate says.
    pub certificate: Option<ClientCertificate>,
    measured: Mutex<ConnectionUsage>,
}

impl Peer {
    /// Of a connection that was just accepted.
    #[must_use]
    pub fn new(from: SocketAddr, certificate: Option<ClientCertificate>) -> Peer {
        Peer { address: from.ip(), port: from.port(), certificate, measured: Mutex::default() }
    }

    /// What a request of this user is measured by.
    ///
    /// # Errors
    /// When they have as many connections as a quota allows.
    pub fn usage(&self, guard: &Guard, user: Option<&str>, origin: Origin) -> Result<Usage, Refusal> {
        self.measured.lock().of(guard, user, None, origin).map_err(|full| full.is_reached())
    }

    /// The connection becomes something else, which counts for itself.
    pub fn hand_over(&self) {
        self.measured.lock().let_go();
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peer({}, port {})", self.address, self.port)
    }
}
