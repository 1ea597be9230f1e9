use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::io::WatchedStream;
use super::leash::Pull;
use super::peer::Peer;
use super::session::Session;
use super::watch::{Connections, Watch};
use super::{Answer, ServerLimits, refuse};
use crate::auth::Origin;
use crate::drain::Drain;
use crate::tls::{Alpn, Stream, Tls};

/// Between looks at connections that stand still.
const PATROL: Duration = Duration::from_secs(1);
/// Pause when the process is out of file descriptors or memory: accepting at once again would only spin.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);
/// Clients that may be told at the same time that there are too many; more are closed without a word.
const FAREWELLS: usize = 64;
/// A read buffer grows up to this while a large body arrives.
const READ_BUFFER_BYTES: usize = 256 << 10;
/// Requests of one HTTP/2 connection at a time.
const HTTP2_STREAMS: u32 = 256;
/// What one HTTP/2 request, and one connection, may send ahead of being read.
const HTTP2_STREAM_WINDOW: u32 = 256 << 10;
const HTTP2_CONNECTION_WINDOW: u32 = 1 << 20;

/// Serves until the drain begins and the last connection is gone; cuts whoever is left when `grace` is over.
///
/// While it drains the port stays open, so that whoever asks for readiness is told, and each new connection gets one
/// answer.
pub async fn serve<A: Answer>(
    (listener, tls): (TcpListener, Option<Tls>),
    answer: A,
    limits: ServerLimits,
    connections: Arc<Connections>,
    drain: Drain,
    grace: Duration,
) {
    let reception = Reception {
        builder: Arc::new(builder(&limits, true)),
        answer: answer.clone(),
        limits,
        connections: connections.clone(),
        farewells: Arc::new(Semaphore::new(FAREWELLS)),
        full: refuse::too_many_connections(limits.max_connections).into(),
        tls,
        tasks: TaskTracker::new(),
    };
    let mut patrol = tokio::time::interval(PATROL);
    patrol.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut begun = pin!(drain.begun());
    loop {
        tokio::select! {
            accepted = listener.accept() => reception.take(accepted).await,
            _ = patrol.tick() => connections.patrol(&limits),
            () = &mut begun => break,
        }
    }
    connections.pull_all(Pull::Close);
    reception.tasks.close();
    let late = Reception {
        builder: Arc::new(builder(&limits, false)),
        tasks: TaskTracker::new(),
        ..reception.clone()
    };
    let mut over = pin!(tokio::time::sleep(grace));
    loop {
        tokio::select! {
            biased;
            () = reception.tasks.wait() => break,
            () = &mut over => {
                warn!(connections = reception.tasks.len(), "cutting connections that are still busy");
                break;
            }
            accepted = listener.accept() => late.take(accepted).await,
            _ = patrol.tick() => connections.patrol(&limits),
        }
    }
    drop(listener);
    connections.pull_all(Pull::Cut);
    late.tasks.close();
    reception.tasks.wait().await;
    late.tasks.wait().await;
}

/// Where connections come in.
#[derive(Clone)]
struct Reception<A> {
    builder: Arc<auto::Builder<TokioExecutor>>,
    answer: A,
    limits: ServerLimits,
    connections: Arc<Connections>,
    farewells: Arc<Semaphore>,
    /// What one connection too many is told.
    full: Arc<[u8]>,
    tls: Option<Tls>,
    tasks: TaskTracker,
}

impl<A: Answer> Reception<A> {
    async fn take(&self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, peer)) => self.welcome(stream, peer),
            Err(error) if is_exhaustion(&error) => {
                warn!(%error, "cannot accept connections; raise the limit on open files");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
            Err(error) => debug!(%error, "a client went away before it was accepted"),
        }
    }

    fn welcome(&self, stream: TcpStream, peer: SocketAddr) {
        match self.connections.admit(self.limits.max_connections) {
            Some(watch) => {
                // Without it small answers would wait for the client's acknowledgement of earlier ones.
                let _ = stream.set_nodelay(true);
                let max_header_bytes = self.limits.max_header_bytes;
                let address = peer.ip().to_canonical();
                let (answer, builder, tls) = (self.answer.clone(), self.builder.clone(), self.tls.clone());
                self.tasks.spawn(async move {
                    let secured = match tls {
                        Some(tls) => tls.accept(stream, Origin { door: "http", address }, Alpn::Http).await,
                        None => Ok((Stream::Plain(stream), None)),
                    };
                    match secured {
                        Ok((stream, certificate)) => {
                            let peer =
                                Arc::new(Peer::new(SocketAddr::new(address, peer.port()), certificate));
                            let session = Session { answer, watch: watch.clone(), max_header_bytes, peer };
                            drive(builder, stream, session, watch).await;
                        }
                        Err(error) => {
                            watch.hand_over();
                            debug!(%address, %error, "no TLS with an HTTP client");
                        }
                    }
                });
            }
            None => {
                if self.tls.is_none()
                    && let Ok(permit) = self.farewells.clone().try_acquire_owned()
                {
                    let full = self.full.clone();
                    tokio::spawn(async move {
                        refuse::turn_away(stream, full).await;
                        drop(permit);
                    });
                }
            }
        }
    }
}

fn builder(limits: &ServerLimits, keep_alive: bool) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Heads are limited again when they are complete; here only the buffer must be able to hold one.
    builder
        .http1()
        .keep_alive(keep_alive)
        .max_buf_size(READ_BUFFER_BYTES.max(2 * limits.max_header_bytes))
        .header_read_timeout(None);
    builder
        .http2()
        .enable_connect_protocol()
        .max_concurrent_streams(HTTP2_STREAMS)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX));
    builder
}

async fn drive<A: Answer>(
    builder: Arc<auto::Builder<TokioExecutor>>,
    stream: Stream,
    session: Session<A>,
    watch: Arc<Watch>,
) {
    let io = TokioIo::new(WatchedStream::new(stream, watch.clone()));
    let mut connection = pin!(builder.serve_connection_with_upgrades(io, session));
    let mut closing = false;
    let outcome = std::future::poll_fn(|cx| {
        match watch.leash.poll(cx) {
            Some(Pull::Cut) => return Poll::Ready(Ok(())),
            Some(Pull::Close) if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            Some(Pull::Close) | None => {}
        }
        connection.as_mut().poll(cx)
    })
    .await;
    watch.hand_over();
    if let Err(error) = outcome {
        debug!(%error, "a connection ended early");
    }
}

/// Out of file descriptors (EMFILE, ENFILE) or memory (ENOBUFS, ENOMEM).
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24 | 105 | 12))
}
