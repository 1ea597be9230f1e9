//! Signed tokens (JWT, RFC 7519) of issuers that the operator trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use message::Timestamp;
use parking_lot::RwLock;
use tracing::warn;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::guard::LoginError;
use super::subject::is_name;

/// Algorithms that are taken: signatures only, since whoever can check a shared secret can forge with it.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
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

/// What a token must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// Who made it; empty is anybody whose key is in the set.
    pub issuer: String,
    /// Whom it is for; empty is anybody.
    pub audience: String,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// The claim with the user's name.
    pub user_claim: String,
    /// The claim with the groups: a list, or one string with spaces.
    pub groups_claim: String,
}

/// What a token says of whom it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The user.
    pub user: Box<str>,
    /// The groups.
    pub groups: Vec<Box<str>>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Judges tokens.
pub struct TokenJudge {
    source: KeySource,
    rules: TokenRules,
    keys: Arc<RwLock<Keys>>,
}

#[derive(Default)]
struct Keys {
    set: Option<JwkSet>,
    asked_at: Option<Timestamp>,
}

impl TokenJudge {
    /// Keys are read when the first token comes.
    #[must_use]
    pub fn new(source: KeySource, rules: TokenRules) -> TokenJudge {
        TokenJudge { source, rules, keys: Arc::default() }
    }

    /// What a token says, if it may be believed.
    pub async fn judge(&self, token: &str, now: Timestamp) -> Result<Claims, LoginError> {
        let header = decode_header(token).map_err(|_| LoginError::Wrong)?;
        let kid = header.kid.as_deref();
        let mut key = self.key(kid);
        if key.is_none() || self.is_stale(now) {
            let asked = self.ask(now).await;
            key = self.key(kid);
            // What was known before is believed while its source is out of reach.
            if key.is_none() {
                asked?;
            }
        }
        judged(token, &key.ok_or(LoginError::Wrong)?, header.alg, &self.rules)
    }

    /// The key that a token names; one that names none is checked with the only key.
    fn key(&self, kid: Option<&str>) -> Option<DecodingKey> {
        let keys = self.keys.read();
        let set = keys.set.as_ref()?;
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
        self.keys.read().asked_at.is_none_or(|at| now.since(at) >= life)
    }

    /// Reads the keys anew, unless that was done just now.
    async fn ask(&self, now: Timestamp) -> Result<(), LoginError> {
        {
            let mut keys = self.keys.write();
            if keys.set.is_some() && keys.asked_at.is_some_and(|at| now.since(at) < ASK_AGAIN) {
                return Ok(());
            }
            keys.asked_at = Some(now);
        }
        let (source, keys) = (self.source.clone(), Arc::clone(&self.keys));
        let read = tokio::task::spawn_blocking(move || read(&source)).await;
        match read.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(set) => {
                keys.write().set = Some(set);
                Ok(())
            }
            Err(why) => {
                warn!(why, "cannot read the keys of tokens (auth.jwks)");
                Err(LoginError::Unavailable(
                    "the keys of the issuer of tokens cannot be read; the server's log says why".into(),
                ))
            }
        }
    }
}

fn judged(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
    rules: &TokenRules,
) -> Result<Claims, LoginError> {
    use jsonwebtoken::errors::ErrorKind;
    if !ALGORITHMS.contains(&algorithm) || key.family() != algorithm.family() {
        return Err(LoginError::Wrong);
    }
    let mut validation = Validation::new(algorithm);
    validation.leeway = rules.leeway.as_secs();
    validation.validate_nbf = true;
    let mut required = vec!["exp"];
    if rules.audience.is_empty() {
        validation.validate_aud = false;
    } else {
        validation.set_audience(&[&rules.audience]);
        required.push("aud");
    }
    if !rules.issuer.is_empty() {
        validation.set_issuer(&[&rules.issuer]);
        required.push("iss");
    }
    validation.set_required_spec_claims(&required);
    let decoded = decode::<serde_json::Value>(token, key, &validation);
    let claims = decoded.map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => LoginError::Expired,
        _ => LoginError::Wrong,
    })?;
    let claims = claims.claims;
    let user = claims.get(&rules.user_claim).and_then(|user| user.as_str()).filter(|user| is_name(user));
    let expires_s = claims.get("exp").and_then(|end| end.as_f64()).ok_or(LoginError::Wrong)?;
    let ends = Timestamp((expires_s * 1000.0) as i64).plus(rules.leeway);
    let groups = match claims.get(&rules.groups_claim) {
        Some(serde_json::Value::Array(groups)) => groups.iter().filter_map(|group| group.as_str()).collect(),
        Some(serde_json::Value::String(groups)) => groups.split(' ').collect(),
        _ => Vec::new(),
    };
    Ok(Claims {
        user: user.ok_or(LoginError::Wrong)?.into(),
        groups: groups.into_iter().filter(|group| is_name(group)).map(Into::into).collect(),
        expires_at: ends,
    })
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

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use rcgen::KeyPair;

    use super::*;

    fn key_set(keys: &[(&str, &KeyPair)]) -> String {
        let shown = |(kid, key): &(&str, &KeyPair)| {
            // An uncompressed point: a mark, then both coordinates.
            let (x, y) = key.public_key_raw()[1..].split_at(32);
            let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
            serde_json::json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": kid, "x": x, "y": y})
        };
        serde_json::json!({"keys": keys.iter().map(shown).collect::<Vec<_>>()}).to_string()
    }

    fn token(kid: &str, key: &KeyPair) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
        let ends = jiff::Timestamp::now().as_second() + 3600;
        let claims = serde_json::json!({"sub": "alice", "exp": ends});
        encode(&header, &claims, &EncodingKey::from_ec_der(&key.serialize_der())).unwrap()
    }

    #[tokio::test]
    async fn keys_that_are_taken_out_of_the_file_are_not_believed_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        let (old, new) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let write = |keys: &[(&str, &KeyPair)]| std::fs::write(&file, key_set(keys)).unwrap();
        write(&[("old", &old)]);
        let rules = TokenRules {
            issuer: String::new(),
            audience: String::new(),
            leeway: Duration::ZERO,
            user_claim: "sub".into(),
            groups_claim: "groups".into(),
        };
        let judge = TokenJudge::new(KeySource::File(file.clone()), rules);
        let at = |seconds: i64| Timestamp(seconds * 1000);
        let (by_old, by_new) = (token("old", &old), token("new", &new));
        assert_eq!(&*judge.judge(&by_old, at(0)).await.unwrap().user, "alice");
        assert!(judge.judge(&by_new, at(11)).await.is_err());
        write(&[("new", &new)]);
        assert!(judge.judge(&by_new, at(22)).await.is_ok());
        assert!(judge.judge(&by_old, at(22)).await.is_err());
        write(&[("old", &old)]);
        assert!(judge.judge(&by_new, at(23)).await.is_ok(), "the file is not read for every token");
        assert!(judge.judge(&by_new, at(40)).await.is_err());
        assert!(judge.judge(&by_old, at(51)).await.is_ok());
        std::fs::remove_file(&file).unwrap();
        assert!(
            judge.judge(&by_old, at(70)).await.is_ok(),
            "what is known is believed while there is no file"
        );
    }
}
