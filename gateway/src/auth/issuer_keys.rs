//! The keys of an issuer of tokens: read when they are needed, and anew when they may have changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use message::Timestamp;
use parking_lot::RwLock;
use tokio::sync::Mutex;
use tracing::warn;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::guard::LoginError;

/// Keys that an issuer does not have are asked for anew at most this often.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How long keys of an address are believed before they are asked for anew: one that its issuer takes back is not
/// good for longer.
const KEYS_LIFE: Duration = Duration::from_secs(5 * 60);
/// How long an issuer may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of a key set.
const KEYS_BYTES: u64 = 1 << 20;

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a file, which the operator may change.
    File(PathBuf),
    /// At an address, whose certificate the CA in a file has signed, or a public one.
    Url { url: String, authority: Option<PathBuf> },
}

/// What is known of an issuer's keys.
pub(super) struct IssuerKeys {
    source: KeySource,
    known: Arc<RwLock<Known>>,
    /// Held by whoever reads them.
    reading: Arc<Mutex<()>>,
}

struct Known {
    set: Option<JwkSet>,
    asked_at: Option<Timestamp>,
    /// How often they were read, and what came of the last time.
    readings: u64,
    outcome: Result<(), LoginError>,
}

impl IssuerKeys {
    /// Nothing is read yet.
    pub(super) fn of(source: KeySource) -> IssuerKeys {
        let known = Known { set: None, asked_at: None, readings: 0, outcome: Ok(()) };
        IssuerKeys { source, known: Arc::new(RwLock::new(known)), reading: Arc::default() }
    }

    /// The key of that name. Whose key is known does not wait while somebody else has the keys read.
    pub(super) async fn named(&self, kid: Option<&str>, now: Timestamp) -> Result<DecodingKey, LoginError> {
        let key = self.key(kid);
        if key.is_some() && !self.is_stale(now) {
            return key.ok_or(LoginError::Wrong);
        }
        let outcome = self.ask(now, key.is_none()).await;
        match self.key(kid) {
            Some(key) => Ok(key),
            // What was known before is believed while its source is out of reach.
            None => outcome.and(Err(LoginError::Wrong)),
        }
    }

    /// The key of that name; a token that names none is checked with the only key.
    fn key(&self, kid: Option<&str>) -> Option<DecodingKey> {
        let known = self.known.read();
        let set = known.set.as_ref()?;
        let found = match kid {
            Some(kid) => set.find(kid),
            None => set.keys.first().filter(|_| set.keys.len() == 1),
        };
        DecodingKey::from_jwk(found?).ok()
    }

    fn is_stale(&self, now: Timestamp) -> bool {
        let life = match self.source {
            KeySource::File(_) => ASK_AGAIN,
            KeySource::Url { .. } => KEYS_LIFE,
        };
        self.known.read().asked_at.is_none_or(|at| now.since(at) >= life)
    }

    /// Reads the keys anew, unless that was done just now. One reads for all: who needs them waits for that.
    async fn ask(&self, now: Timestamp, needed: bool) -> Result<(), LoginError> {
        let readings = self.known.read().readings;
        let reading = Arc::clone(&self.reading);
        let turn = if needed {
            reading.lock_owned().await
        } else {
            let Ok(turn) = reading.try_lock_owned() else { return Ok(()) };
            turn
        };
        {
            let mut known = self.known.write();
            if known.readings != readings {
                return known.outcome.clone();
            }
            if known.set.is_some() && known.asked_at.is_some_and(|at| now.since(at) < ASK_AGAIN) {
                return Ok(());
            }
            known.asked_at = Some(now);
        }
        let (source, known) = (self.source.clone(), Arc::clone(&self.known));
        // It goes on for those who wait also when the client that began it leaves.
        let read = tokio::task::spawn_blocking(move || {
            let outcome = known_anew(&known, read(&source));
            drop(turn);
            outcome
        });
        read.await.unwrap_or_else(|error| Err(LoginError::Unavailable(error.to_string())))
    }
}

fn known_anew(known: &RwLock<Known>, read: Result<JwkSet, String>) -> Result<(), LoginError> {
    let mut known = known.write();
    known.readings += 1;
    known.outcome = match read {
        Ok(set) => {
            known.set = Some(set);
            Ok(())
        }
        Err(why) => {
            warn!(why, "cannot read the keys of tokens (auth.jwks)");
            Err(LoginError::Unavailable(
                "the keys of the issuer of tokens cannot be read; the server's log says why".into(),
            ))
        }
    };
    known.outcome.clone()
}

fn read(source: &KeySource) -> Result<JwkSet, String> {
    let text = match source {
        KeySource::File(path) => {
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
        }
        KeySource::Url { url, authority } => {
            let tls = match authority {
                Some(path) => TlsConfig::builder().root_certs(roots(path)?).build(),
                None => TlsConfig::default(),
            };
            let config = ureq::Agent::config_builder()
                .timeout_global(Some(PATIENCE))
                .https_only(url.starts_with("https://"))
                .tls_config(tls);
            let agent: ureq::Agent = config.build().into();
            let mut response = agent.get(url).call().map_err(|error| format!("{url}: {error}"))?;
            let body = response.body_mut().with_config().limit(KEYS_BYTES).read_to_string();
            body.map_err(|error| format!("{url}: {error}"))?
        }
    };
    serde_json::from_str(&text).map_err(|error| format!("no JSON Web Key Set: {error}"))
}

/// The certificates of a file, each as one to trust.
fn roots(path: &Path) -> Result<RootCerts, String> {
    let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let certificate = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(format!("{}: {error}", path.display()))),
    };
    let certificates = parse_pem(&pem).filter_map(certificate).collect::<Result<Vec<_>, _>>()?;
    match certificates.is_empty() {
        true => Err(format!("{}: no certificate in it", path.display())),
        false => Ok(RootCerts::from(certificates)),
    }
}
