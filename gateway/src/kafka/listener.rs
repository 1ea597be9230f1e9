use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tracing::{debug, warn};

use super::broker::Endpoint;
use super::connection;
use super::door::KafkaDoor;
use crate::config::KafkaConfig;

/// Pause when the process is out of file descriptors or memory: accepting at once again would only spin.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// A socket that listens, and what its clients are told.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    advertised: Option<Endpoint>,
}

impl Listener {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Opens every address of `kafka.addr`.
pub async fn bind(config: &KafkaConfig) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::with_capacity(config.addr.0.len());
    for (number, address) in config.addr.0.iter().enumerate() {
        let socket = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} (kafka.addr)"))?;
        let address = socket.local_addr().context("the Kafka door has no address")?;
        let advertised = config.advertised.get(number).and_then(|address| Endpoint::parse(address));
        listeners.push(Listener { socket, address, advertised });
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
        let connection = connection::run(stream, peer, endpoint, door.clone());
        door.drain().track(async move {
            connection.await;
            drop(place);
        });
    }
}

/// Out of file descriptors (EMFILE, ENFILE) or memory (ENOBUFS, ENOMEM).
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24 | 105 | 12))
}
