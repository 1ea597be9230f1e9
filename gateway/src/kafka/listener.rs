use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use super::broker::Endpoint;
use super::connection;
use super::door::KafkaDoor;
use crate::auth::Origin;
use crate::config::KafkaConfig;
use crate::tls::{Alpn, ClientCertificate, Stream, Tls};

/// Pause when the process is out of file descriptors or memory: accepting at once again would only spin.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// A socket that listens, and what its clients are told.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    advertised: Option<Endpoint>,
    tls: Option<Tls>,
}

impl Listener {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether with TLS.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }
}

/// Opens every address of `kafka.addr`, and of `kafka.tls_addr` with TLS.
pub async fn bind(config: &KafkaConfig, tls: Option<&Tls>) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    let plain = ("kafka.addr", &config.addr.0, &config.advertised, None);
    let secured = ("kafka.tls_addr", &config.tls_addr.0, &config.tls_advertised, tls);
    for (key, addresses, advertised, tls) in [plain, secured] {
        for (number, address) in addresses.iter().enumerate() {
            let socket = TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address} ({key})"))?;
            let address = socket.local_addr().context("the Kafka door has no address")?;
            let advertised = advertised.get(number).and_then(|address| Endpoint::parse(address));
            listeners.push(Listener { socket, address, advertised, tls: tls.cloned() });
        }
    }
    Ok(listeners)
}

/// Accepts connections until the process begins to go down.
pub async fn serve(listener: Listener, door: KafkaDoor) {
    let begun = door.drain().token();
    loop {
        let accepted = tokio::select! {
            accepted = listener.socket.accept() => accepted,
            () = begun.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_exhaustion(&error) => {
                warn!(%error, "cannot accept Kafka connections; raise the limit on open files");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
                continue;
            }
            Err(error) => {
                debug!(%error, "a Kafka client went away before it was accepted");
                continue;
            }
        };
        let Some(place) = door.admit() else {
            warn!(most = door.config().max_connections, %peer, "too many Kafka connections (kafka.max_connections)");
            continue;
        };
        // Without it small answers would wait for the client's acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let reached = stream.local_addr().unwrap_or(listener.address);
        let endpoint = listener.advertised.clone().unwrap_or_else(|| Endpoint::reached(reached));
        let (door, tls) = (door.clone(), listener.tls.clone());
        let drain = door.drain().clone();
        let origin = Origin { door: "kafka", address: peer.ip().to_canonical() };
        drain.track(async move {
            match secured(stream, origin, tls).await {
                Ok((stream, user)) => connection::run(stream, peer, user, endpoint, door).await,
                Err(error) => debug!(%peer, %error, "no TLS with a Kafka client"),
            }
            drop(place);
        });
    }
}

async fn secured(
    stream: TcpStream,
    origin: Origin,
    tls: Option<Tls>,
) -> io::Result<(Stream, Option<ClientCertificate>)> {
    match tls {
        Some(tls) => tls.accept(stream, origin, Alpn::None).await,
        None => Ok((Stream::Plain(stream), None)),
    }
}

/// Out of file descriptors (EMFILE, ENFILE) or memory (ENOBUFS, ENOMEM).
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24 | 105 | 12))
}
