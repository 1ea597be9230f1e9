use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::RwLock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::certificate::{ClientCertificate, end_of};
use super::stream::{Stream, of_full_records};
use crate::auth::{Guard, Origin};
use crate::config::{ClientCertificates, TlsConfig};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {} ({key}): {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The key that names it.
        key: &'static str,
        /// Why.
        why: String,
    },
    /// Certificate and key do not make a pair, or something in them is not supported.
    #[error("tls.cert_file and tls.key_file cannot be used: {0}")]
    Unusable(String),
}

/// What a door's clients may speak inside (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2, else HTTP/1.1.
    Http,
    /// They know what the port is for.
    None,
}

/// The server's certificates as they are now. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    config: TlsConfig,
    guard: Guard,
    now: RwLock<Configs>,
    /// When the certificate ends, in seconds since the epoch.
    ends_at: AtomicI64,
}

struct Configs {
    http: Arc<ServerConfig>,
    other: Arc<ServerConfig>,
    stamps: Vec<Option<(SystemTime, u64)>>,
}

impl Tls {
    /// Reads the files that the configuration names. Clients wait in the guard's lobby while they shake hands.
    pub fn load(config: TlsConfig, guard: Guard) -> Result<Tls, TlsError> {
        let (configs, ends_at) = read(&config)?;
        let (now, ends_at) = (RwLock::new(configs), AtomicI64::new(ends_at));
        Ok(Tls(Arc::new(Inner { config, guard, now, ends_at })))
    }

    /// When the certificate ends, in seconds since the epoch.
    #[must_use]
    pub fn ends_at(&self) -> i64 {
        self.0.ends_at.load(Relaxed)
    }

    /// Reads the files anew whenever they change; new connections get what is in them, open ones stay. Files that
    /// cannot be used change nothing.
    pub async fn follow(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let stamps = stamps(&self.0.config);
            if self.0.now.read().stamps == stamps {
                continue;
            }
            let config = self.0.config.clone();
            let outcome = tokio::task::spawn_blocking(move || read(&config)).await;
            match outcome {
                Ok(Ok((configs, ends_at))) => {
                    info!(ends_at, "certificates were read anew");
                    *self.0.now.write() = configs;
                    self.0.ends_at.store(ends_at, Relaxed);
                }
                Ok(Err(error)) => {
                    warn!(%error, "new certificates cannot be used; the old ones stay in use");
                    self.0.now.write().stamps = stamps;
                }
                Err(_) => return,
            }
        }
    }

    /// Makes a client's connection a TLS one: with what its certificate says, if it showed one.
    pub async fn accept(
        &self,
        stream: TcpStream,
        origin: Origin,
        alpn: Alpn,
    ) -> io::Result<(Stream, Option<ClientCertificate>)> {
        // In a box, which is gone when it is done: its place would stay in the connection's task.
        let accepted = Box::pin(self.shake_hands(stream, alpn)).await;
        if let Err(error) = &accepted
            && is_refusal(error)
        {
            self.0.guard.no_tls(origin, &error.to_string());
        }
        accepted
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        alpn: Alpn,
    ) -> io::Result<(Stream, Option<ClientCertificate>)> {
        let config = {
            let now = self.0.now.read();
            Arc::clone(if alpn == Alpn::Http { &now.http } else { &now.other })
        };
        let given_up = |why| io::Error::new(io::ErrorKind::TimedOut, why);
        let Some(waiter) = self.0.guard.settings().lobby.enter(Instant::now()) else {
            return Err(given_up("too many clients are shaking hands (auth.max_strangers)"));
        };
        let patience = Duration::from_millis(self.0.config.handshake_timeout_ms);
        let stream = tokio::select! {
            accepted = TlsAcceptor::from(config).accept(stream) => accepted?,
            () = tokio::time::sleep(patience) => {
                return Err(given_up("the TLS handshake took too long (tls.handshake_timeout_ms)"));
            }
            () = waiter.turned_out() => {
                return Err(given_up("the TLS handshake did not go on, and others want in (auth.max_strangers)"));
            }
        };
        drop(waiter);
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let client = certificate.and_then(|der| ClientCertificate::read(der, self.0.config.user_from));
        Ok((Stream::tls(stream), client))
    }
}

/// Whether a handshake failed because one side did not want the other; not because a client just left.
fn is_refusal(error: &io::Error) -> bool {
    // What is no error of the socket is one of TLS, or of ours.
    error.kind() != io::ErrorKind::UnexpectedEof && error.get_ref().is_some()
}

fn files(config: &TlsConfig) -> [&str; 3] {
    [&config.cert_file, &config.key_file, &config.client_ca_file]
}

fn stamps(config: &TlsConfig) -> Vec<Option<(SystemTime, u64)>> {
    let stamp = |path: &str| {
        let about = fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    files(config).into_iter().map(stamp).collect()
}

fn read(config: &TlsConfig) -> Result<(Configs, i64), TlsError> {
    // Before the files, so that a change while they are read is noticed.
    let stamps = stamps(config);
    let chain = certificates(&config.cert_file, "tls.cert_file")?;
    let unreadable = |error: rustls::pki_types::pem::Error| TlsError::Unreadable {
        file: config.key_file.clone().into(),
        key: "tls.key_file",
        why: error.to_string(),
    };
    let key = PrivateKeyDer::from_pem_file(&config.key_file).map_err(unreadable)?;
    let ends_at = chain.first().and_then(|der| end_of(der)).unwrap_or(0);
    let unusable = |error: &dyn std::fmt::Display| TlsError::Unusable(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| unusable(&error))?
        .with_client_cert_verifier(verifier(config)?);
    let config = builder.with_single_cert(chain, key).map_err(|error| unusable(&error))?;
    let mut other = of_full_records(config);
    other.ticketer = rustls::crypto::ring::Ticketer::new().map_err(|error| unusable(&error))?;
    let mut http = other.clone();
    http.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((Configs { http: Arc::new(http), other: Arc::new(other), stamps }, ends_at))
}

fn verifier(config: &TlsConfig) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    if config.client_ca_file.is_empty() {
        return Ok(Arc::new(NoClientAuth));
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&config.client_ca_file, "tls.client_ca_file")? {
        roots.add(certificate).map_err(|error| TlsError::Unusable(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if config.client_certificates == ClientCertificates::Optional {
        builder = builder.allow_unauthenticated();
    }
    let built = builder.build();
    built.map_err(|error| TlsError::Unusable(error.to_string()))
}

fn certificates(file: &str, key: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |why: String| TlsError::Unreadable { file: Path::new(file).into(), key, why };
    let read = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(error.to_string()))?;
    let chain = read.collect::<Result<Vec<_>, _>>().map_err(|error| unreadable(error.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable("there is no certificate in it".into()));
    }
    Ok(chain)
}
