use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;
use tokio_util::io::poll_read_buf;

/// A client's connection, with TLS or without. Doors that write in vectors and read when there is something do so on
/// either: without TLS every call is one of the socket's own.
pub enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// Inside TLS.
    Tls(Box<TlsSide>),
    /// From within the process.
    Local(UnixStream),
}

/// A connection inside TLS.
pub struct TlsSide {
    stream: TlsStream<TcpStream>,
    /// Whether all was read that had come: otherwise there may be more of it, without the socket saying so.
    drained: bool,
}

impl Stream {
    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Stream {
        Stream::Tls(Box::new(TlsSide { stream, drained: false }))
    }

    /// Waits until something of this can be tried. Dropping the future loses nothing.
    pub async fn ready(&mut self, interest: Interest) -> io::Result<Ready> {
        match self {
            Stream::Plain(stream) => stream.ready(interest).await,
            Stream::Tls(side) => side.ready(interest).await,
            Stream::Local(stream) => stream.ready(interest).await,
        }
    }

    /// The server's own address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Stream::Plain(stream) => stream.local_addr(),
            Stream::Tls(side) => side.stream.get_ref().0.local_addr(),
            // It has no port.
            Stream::Local(_) => Ok((Ipv4Addr::LOCALHOST, 0).into()),
        }
    }

    /// Reads what is there, once; 0 is the end.
    pub fn try_read_buf(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.try_read_buf(buffer),
            Stream::Tls(side) => side.try_read_buf(buffer),
            Stream::Local(stream) => stream.try_read_buf(buffer),
        }
    }

    /// Writes as much as is taken.
    pub fn try_write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.try_write_vectored(pieces),
            Stream::Tls(side) => side.try_write_vectored(pieces),
            Stream::Local(stream) => stream.try_write_vectored(pieces),
        }
    }
}

/// What cannot be done now is tried again when [`TlsSide::ready`] says so, not when a waker is called.
fn unwoken() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn now<T>(outcome: Poll<io::Result<T>>) -> io::Result<T> {
    match outcome {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl TlsSide {
    async fn ready(&mut self, interest: Interest) -> io::Result<Ready> {
        if interest.is_readable() && !self.drained {
            return Ok(Ready::READABLE);
        }
        loop {
            let (socket, session) = self.stream.get_ref();
            // What TLS itself has to say goes out also while the door has nothing to write.
            let owes = session.wants_write();
            let wanted = if owes { interest | Interest::WRITABLE } else { interest };
            let ready = socket.ready(wanted).await?;
            if owes && ready.is_writable() {
                match Pin::new(&mut self.stream).poll_flush(&mut unwoken()) {
                    Poll::Ready(flushed) => flushed?,
                    Poll::Pending => {}
                }
            }
            if interest.is_readable() && (ready.is_readable() || ready.is_read_closed()) {
                self.drained = false;
                return Ok(ready);
            }
            if interest.is_writable() && (ready.is_writable() || ready.is_write_closed()) {
                return Ok(ready);
            }
        }
    }

    fn try_read_buf(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match now(poll_read_buf(Pin::new(&mut self.stream), &mut unwoken(), buffer)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.drained = true;
                Err(error)
            }
            // Many clients close without TLS's own goodbye; doors know where their messages end.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        }
    }

    fn try_write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = now(Pin::new(&mut self.stream).poll_write_vectored(&mut unwoken(), pieces))?;
        match Pin::new(&mut self.stream).poll_flush(&mut unwoken()) {
            Poll::Ready(flushed) => flushed?,
            Poll::Pending => {}
        }
        Ok(written)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(side) => Pin::new(&mut side.stream).poll_read(cx, buffer),
            Stream::Local(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(side) => Pin::new(&mut side.stream).poll_write(cx, bytes),
            Stream::Local(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Stream::Tls(side) => Pin::new(&mut side.stream).poll_write_vectored(cx, pieces),
            Stream::Local(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(side) => side.stream.is_write_vectored(),
            Stream::Local(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(side) => Pin::new(&mut side.stream).poll_flush(cx),
            Stream::Local(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(side) => Pin::new(&mut side.stream).poll_shutdown(cx),
            Stream::Local(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
