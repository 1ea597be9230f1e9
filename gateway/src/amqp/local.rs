//! Connections from within the process: the same protocol over a pair of the kernel's sockets, without a port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;

use message::Timestamp;
use tokio::net::UnixStream;

use super::door::AmqpDoor;
use super::login::Mechanism;
use super::socket::{self, Proof};
use crate::tls::{ClientCertificate, Stream};

/// What the server itself is called where a connection has a user.
pub const OWN_USER: &str = "sluice";

/// Who a connection from within the process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalUser {
    /// The server itself, which may do everything. It says so by `EXTERNAL`.
    Server,
    /// A user, whose password nobody asks for. It says so by `EXTERNAL`.
    Known(Box<str>),
    /// Whom a login names, with its password.
    LogsIn,
}

impl AmqpDoor {
    /// Opens a connection; what is answered is its client's end.
    ///
    /// # Errors
    /// When there are as many connections as there may be, or no more files.
    pub fn connect(&self, user: LocalUser) -> io::Result<UnixStream> {
        let full = || io::Error::new(io::ErrorKind::ConnectionRefused, "amqp.max_connections is reached");
        let place = self.admit().ok_or_else(full)?;
        let (ours, theirs) = UnixStream::pair()?;
        let proof = match user {
            LocalUser::Server => Proof::Own,
            LocalUser::Known(user) => {
                Proof::Vouched(ClientCertificate { user, ends_at: Timestamp(i64::MAX) })
            }
            LocalUser::LogsIn => Proof::None,
        };
        // It has no port either; the number tells connections apart.
        let number = self.local_connections().fetch_add(1, Relaxed);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
        let door = self.clone();
        self.drain().track(async move { socket::serve(Stream::Local(ours), peer, proof, door, place).await });
        Ok(theirs)
    }
}

/// What such a connection's client may say.
pub(super) const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::External];
