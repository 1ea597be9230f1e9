use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;
use tracing::{debug, warn};

use super::io::WatchedStream;
use super::leash::Pull;
use super::session::Session;
use super::watch::{Connections, Watch};
use super::{Answer, ServerLimits, refuse};
use crate::drain::Drain;

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
pub async fn serve<A: Answer>(
    listener: TcpListener,
    answer: A,
    limits: ServerLimits,
    connections: Arc<Connections>,
    drain: Drain,
    grace: Duration,
) {
    let builder = Arc::new(builder(&limits));
    let farewells = Arc::new(Semaphore::new(FAREWELLS));
    let full: Arc<[u8]> = refuse::too_many_connections(limits.max_connections).into();
    let tasks = tokio_util::task::TaskTracker::new();
    let mut patrol = tokio::time::interval(PATROL);
    patrol.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut begun = pin!(drain.begun());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = patrol.tick() => {
                connections.patrol(&limits);
                continue;
            }
            () = &mut begun => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                if is_exhaustion(&error) {
                    warn!(%error, "cannot accept connections; raise the limit on open files");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                } else {
                    debug!(%error, "a client went away before it was accepted");
                }
                continue;
            }
        };
        match connections.admit(limits.max_connections) {
            Some(watch) => {
                // Without it small answers would wait for the client's acknowledgement of earlier ones.
                let _ = stream.set_nodelay(true);
                let max_header_bytes = limits.max_header_bytes;
                let session = Session { answer: answer.clone(), watch: watch.clone(), max_header_bytes };
                tasks.spawn(drive(builder.clone(), stream, session, watch));
            }
            None => {
                if let Ok(permit) = farewells.clone().try_acquire_owned() {
                    let full = full.clone();
                    tokio::spawn(async move {
                        refuse::turn_away(stream, full).await;
                        drop(permit);
                    });
                }
            }
        }
    }
    drop(listener);
    connections.pull_all(Pull::Close);
    tasks.close();
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
        warn!(connections = tasks.len(), "cutting connections that are still busy");
        connections.pull_all(Pull::Cut);
        tasks.wait().await;
    }
}

fn builder(limits: &ServerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Heads are limited again when they are complete; here only the buffer must be able to hold one.
    builder
        .http1()
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
    stream: TcpStream,
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
