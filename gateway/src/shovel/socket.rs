//! Where lapin's bytes go: plain TCP, TLS of the same rustls as everywhere, or a connection within the process.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_compat::Compat;
use async_rs::Tokio;
use async_rs::traits::Reactor;
use async_rs::util::{DummyIO, RuntimeParts};
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::address::{Address, Login, Place, TlsTerms};
use crate::amqp::{AmqpDoor, LocalUser};

/// A stream that AMQP is spoken over.
pub type Socket = Box<dyn Bytes>;

/// Bytes in both directions.
pub trait Bytes: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Bytes for T {}

/// A stream that ends when its owner lets go of it. A client waits for a broker that says nothing as long as there is a stream.
struct Leashed {
    stream: Socket,
    let_go: CancellationToken,
    gone: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Leashed {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let gone = self.let_go.is_cancelled() || self.gone.as_mut().poll(cx).is_ready();
        if gone { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Leashed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read_vectored(cx, buffers)
    }
}

impl AsyncWrite for Leashed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// What lapin runs on: Tokio, whose streams are [`Socket`]s.
pub type Runtime = RuntimeParts<Tokio, Wire>;

/// Tokio's timers. Streams are handed to lapin ready made.
#[derive(Clone, Debug)]
pub struct Wire(Tokio);

/// The runtime that this is called in, for lapin.
#[must_use]
pub fn runtime() -> Runtime {
    let tokio = Tokio::current();
    RuntimeParts::new(tokio.clone(), Wire(tokio))
}

impl Reactor for Wire {
    type TcpStream = Socket;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<DummyIO, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Socket>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move { Ok(Box::new(connecting.await?) as Socket) }
    }
}

/// Opens the stream to a broker, which ends when the token says so.
///
/// # Errors
/// When it cannot be reached in time, or TLS is not agreed on. Nothing secret is told.
pub async fn open(address: &Address, door: &AmqpDoor, let_go: CancellationToken) -> io::Result<Socket> {
    let patience = address.tuning.patience;
    let stream = tokio::time::timeout(patience, connect(address, door)).await??;
    let gone = Box::pin(let_go.clone().cancelled_owned());
    Ok(Box::new(Leashed { stream, let_go, gone }))
}

async fn connect(address: &Address, door: &AmqpDoor) -> io::Result<Socket> {
    match &address.place {
        Place::Here => {
            let user = match &address.login {
                Login::Unsaid | Login::Certificate => LocalUser::Server,
                Login::Named(user) => LocalUser::Known(user.as_str().into()),
                Login::Password(..) => LocalUser::LogsIn,
            };
            Ok(Box::new(Compat::new(door.connect(user)?)))
        }
        Place::At { host, port, tls } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            let Some(terms) = tls else { return Ok(Box::new(Compat::new(stream))) };
            let name = terms.server_name.as_deref().unwrap_or(host).to_owned();
            let name = ServerName::try_from(name).map_err(unusable("the name of the server"))?;
            let (terms, config) = (terms.clone(), tokio::task::spawn_blocking);
            let config = config(move || client(&terms)).await.map_err(io::Error::other)??;
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
            Ok(Box::new(Compat::new(stream)))
        }
    }
}

fn unusable<E: fmt::Display>(what: &'static str) -> impl Fn(E) -> io::Error {
    move |why| io::Error::new(io::ErrorKind::InvalidInput, format!("{what} cannot be used: {why}"))
}

/// How to speak TLS, by what the files say now.
fn client(terms: &TlsTerms) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &terms.authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let unusable = unusable("cacertfile");
            for certificate in CertificateDer::pem_file_iter(file).map_err(&unusable)? {
                let certificate = certificate.map_err(&unusable)?;
                roots.add(certificate).map_err(self::unusable("cacertfile"))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(unusable("TLS"))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &terms.identity else { return Ok(builder.with_no_client_auth()) };
    let unreadable = unusable("certfile");
    let chain = CertificateDer::pem_file_iter(certificate).map_err(&unreadable)?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(&unreadable)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unusable("keyfile"))?;
    builder.with_client_auth_cert(chain, key).map_err(unusable("certfile"))
}
