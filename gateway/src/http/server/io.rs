use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::watch::Watch;
use crate::tls::Stream;

/// How an HTTP/2 client that knows of it begins (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI ";

/// A client's stream that notes what moves.
pub struct WatchedStream {
    stream: Stream,
    watch: Arc<Watch>,
    fresh: bool,
    blocked: bool,
}

impl WatchedStream {
    pub fn new(stream: Stream, watch: Arc<Watch>) -> WatchedStream {
        WatchedStream { stream, watch, fresh: true, blocked: false }
    }

    fn note_write(&mut self, outcome: &Poll<io::Result<usize>>) {
        let blocked = outcome.is_pending();
        if blocked != self.blocked {
            self.blocked = blocked;
            self.watch.write_blocked(blocked);
        }
        if !blocked {
            self.watch.wrote();
        }
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(new) = buf.filled().get(before..).filter(|new| !new.is_empty()) {
            if self.fresh {
                self.fresh = false;
                if new.starts_with(HTTP2_PREFACE) {
                    self.watch.multiplexes();
                }
            }
            self.watch.read();
        }
        outcome
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note_write(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note_write(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
