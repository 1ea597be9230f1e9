use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;
use tokio_util::io::poll_read_buf;

/// How much is encrypted before the socket takes it: eight records. The loopback sends pieces of 64 KiB less their headers, each
/// at about the same cost however little is in it, and eight records fill two; four full ones, which is what rustls keeps
/// unless told otherwise, fill one and leave some hundred bytes to the next. Many more leave the processor's nearest cache
/// before they are sent.
const AHEAD_BYTES: usize = 8 * RECORD_BYTES;
/// What a record holds: a little less than it may (16 KiB; RFC 8446, 5.1), so that eight fill two such pieces, encrypted and
/// with their headers. On other networks, whose pieces are smaller, it makes no difference.
const RECORD_BYTES: usize = 16_345;

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

/// The same for records of [`RECORD_BYTES`].
pub(super) fn of_full_records(mut config: ServerConfig) -> ServerConfig {
    // rustls counts a header of five bytes.
    config.max_fragment_size = Some(RECORD_BYTES + 5);
    config
}

impl Stream {
    pub(super) fn tls(mut stream: TlsStream<TcpStream>) -> Stream {
        stream.get_mut().1.set_buffer_limit(Some(AHEAD_BYTES));
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

    /// Whether something that was written waits in memory for the socket: only inside TLS, where it is encrypted already.
    /// [`Stream::ready`] sends it; whoever drops the stream before drops it, too.
    pub fn owes(&self) -> bool {
        match self {
            Stream::Plain(_) | Stream::Local(_) => false,
            Stream::Tls(side) => side.stream.get_ref().1.wants_write(),
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
        now(self.poll_settle(&mut unwoken()))?;
        let written = now(Pin::new(&mut self.stream).poll_write_vectored(&mut unwoken(), pieces))?;
        match Pin::new(&mut self.stream).poll_flush(&mut unwoken()) {
            Poll::Ready(flushed) => flushed?,
            Poll::Pending => {}
        }
        Ok(written)
    }

    /// Sends what is encrypted already. Only then is there room for more: as little as the socket has just taken would
    /// make records, and system calls, of any size.
    fn poll_settle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stream.get_ref().1.wants_write() {
            true => Pin::new(&mut self.stream).poll_flush(cx),
            false => Poll::Ready(Ok(())),
        }
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream as Socket;
    use std::sync::Arc;

    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpSocket;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// Bytes of a full record on the wire behind its header: what is in it, its type and its tag.
    const FULL: [u8; 2] = ((RECORD_BYTES + 1 + 16) as u16).to_be_bytes();
    const APPLICATION_DATA: u8 = 23;

    /// A socket of a client that keeps what it received.
    struct Noted {
        socket: Socket,
        received: Vec<u8>,
    }

    impl Read for Noted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.socket.read(buffer)?;
            self.received.extend_from_slice(&buffer[..read]);
            Ok(read)
        }
    }

    impl Write for Noted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.socket.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = pair.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(pair.signing_key.serialize_der().into());
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map(of_full_records);
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (Arc::new(server.unwrap()), Arc::new(client))
    }

    /// Every record of application data: whether it is a full one.
    fn records(mut wire: &[u8]) -> Vec<bool> {
        let mut all = Vec::new();
        while let [kind, _, _, high, low, rest @ ..] = wire {
            if *kind == APPLICATION_DATA {
                all.push([*high, *low] == FULL);
            }
            wire = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
        }
        all
    }

    #[tokio::test]
    async fn records_are_full_also_where_the_socket_takes_little_at_a_time() {
        const RECORDS: usize = 200;
        let (server, client) = configs();
        let listener = TcpSocket::new_v4().unwrap();
        // Far less than is encrypted ahead.
        listener.set_send_buffer_size(16 << 10).unwrap();
        listener.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = listener.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let sent: Vec<u8> = (0..RECORDS * RECORD_BYTES).map(|at| (at / 999) as u8).collect();
        let expected = sent.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let name = ServerName::try_from("localhost").unwrap();
            let socket = Noted { socket: Socket::connect(address).unwrap(), received: Vec::new() };
            let mut stream = StreamOwned::new(ClientConnection::new(client, name).unwrap(), socket);
            let mut got = vec![0; expected.len()];
            stream.read_exact(&mut got).unwrap();
            assert!(got == expected, "what comes is what was sent");
            stream.sock.received
        });
        let (socket, _) = listener.accept().await.unwrap();
        let mut stream = Stream::tls(TlsAcceptor::from(server).accept(socket).await.unwrap());
        let mut left = &sent[..];
        while !left.is_empty() {
            let (one, other) = left.split_at(left.len() / 2);
            match stream.try_write_vectored(&[IoSlice::new(one), IoSlice::new(other)]) {
                Ok(taken) => left = &left[taken..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    stream.ready(Interest::WRITABLE).await.unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
        stream.flush().await.unwrap();
        let full = records(&reading.await.unwrap()).into_iter().filter(|full| *full).count();
        assert_eq!(full, RECORDS);
    }
}
