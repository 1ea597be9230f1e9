use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::{debug, warn};

use super::door::AmqpDoor;
use super::socket::{self, Proof};
use crate::auth::Origin;
use crate::tls::{Alpn, Stream, Tls};

/// Pause when the process is out of file descriptors or memory: accepting at once again would only spin.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Takes connections in until the drain begins. Each is driven by a task of its own that the drain waits for.
pub async fn serve(listener: TcpListener, tls: Option<Tls>, door: AmqpDoor) {
    let begun = door.drain().token();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = begun.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                // One more than allowed is closed without a word: there is no way to say it before the handshake.
                let Some(place) = door.admit() else {
                    debug!(%peer, "too many AMQP connections");
                    continue;
                };
                // Without it small answers would wait for the client's acknowledgement of earlier ones.
                let _ = stream.set_nodelay(true);
                let (tls, door) = (tls.clone(), door.clone());
                let drain = door.drain().clone();
                drain.track(async move {
                    let secured = match tls {
                        Some(tls) => {
                            tls.accept(
                                stream,
                                Origin { door: "amqp", address: peer.ip().to_canonical() },
                                Alpn::None,
                            )
                            .await
                        }
                        None => Ok((Stream::Plain(stream), None)),
                    };
                    match secured {
                        Ok((stream, certificate)) => {
                            let proof = certificate.map_or(Proof::None, Proof::Certificate);
                            socket::serve(stream, peer, proof, door, place).await;
                        }
                        Err(error) => debug!(%peer, %error, "no TLS with an AMQP client"),
                    }
                });
            }
            Err(error) if is_exhaustion(&error) => {
                warn!(%error, "cannot accept connections; raise the limit on open files");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
            Err(error) => debug!(%error, "a client went away before it was accepted"),
        }
    }
}

/// Out of file descriptors (EMFILE, ENFILE) or memory (ENOBUFS, ENOMEM).
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24 | 105 | 12))
}
