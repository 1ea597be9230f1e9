//! Signed tokens (JWT, RFC 7519) of issuers that the operator trusts.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use message::Timestamp;

use super::guard::LoginError;
use super::issuer_keys::IssuerKeys;
pub use super::issuer_keys::KeySource;
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
    keys: IssuerKeys,
    rules: TokenRules,
}

impl TokenJudge {
    /// Keys are read when the first token comes.
    #[must_use]
    pub fn new(source: KeySource, rules: TokenRules) -> TokenJudge {
        TokenJudge { keys: IssuerKeys::of(source), rules }
    }

    /// What a token says, if it may be believed.
    pub async fn judge(&self, token: &str, now: Timestamp) -> Result<Claims, LoginError> {
        let header = decode_header(token).map_err(|_| LoginError::Wrong)?;
        let key = self.keys.named(header.kid.as_deref(), now).await?;
        judged(token, &key, header.alg, &self.rules)
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::sync::mpsc;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use futures_util::future::join_all;
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

    fn rules() -> TokenRules {
        TokenRules {
            issuer: String::new(),
            audience: String::new(),
            leeway: Duration::ZERO,
            user_claim: "sub".into(),
            groups_claim: "groups".into(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    #[tokio::test]
    async fn keys_that_are_taken_out_of_the_file_are_not_believed_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        let (old, new) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let write = |keys: &[(&str, &KeyPair)]| std::fs::write(&file, key_set(keys)).unwrap();
        write(&[("old", &old)]);
        let judge = TokenJudge::new(KeySource::File(file.clone()), rules());
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

    /// An address where keys are asked for; each request is answered with the next of the answers, none with an error.
    struct Issuer {
        source: KeySource,
        asked: Arc<AtomicU64>,
        answers: mpsc::Sender<Option<String>>,
    }

    impl Issuer {
        fn new() -> Issuer {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/keys", listener.local_addr().unwrap());
            let (answers, given) = mpsc::channel::<Option<String>>();
            let asked = Arc::new(AtomicU64::new(0));
            let counter = Arc::clone(&asked);
            std::thread::spawn(move || {
                for client in listener.incoming() {
                    let mut client = client.unwrap();
                    let mut head = BufReader::new(client.try_clone().unwrap()).lines();
                    while head.next().is_some_and(|line| !line.unwrap().is_empty()) {}
                    counter.fetch_add(1, Relaxed);
                    let Ok(answer) = given.recv() else { return };
                    let status = if answer.is_some() { "200 OK" } else { "503 Service Unavailable" };
                    let body = answer.unwrap_or_default();
                    let head =
                        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}", body.len());
                    client.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
                }
            });
            Issuer { source: KeySource::Url { url, authority: None }, asked, answers }
        }

        fn answer(&self, answer: Option<&str>, times: usize) {
            (0..times).for_each(|_| self.answers.send(answer.map(Into::into)).unwrap());
        }
    }

    async fn users(judge: &TokenJudge, token: &str, now: Timestamp) -> Vec<Result<Box<str>, LoginError>> {
        let judged = join_all((0..8).map(|_| judge.judge(token, now))).await;
        judged.into_iter().map(|claims| claims.map(|claims| claims.user)).collect()
    }

    #[tokio::test]
    async fn who_logs_in_at_the_same_time_shares_one_reading_of_the_keys() {
        let key = KeyPair::generate().unwrap();
        let signed = token("key", &key);
        for known in [Some(key_set(&[("key", &key)])), None] {
            let issuer = Issuer::new();
            let judge = TokenJudge::new(issuer.source.clone(), rules());
            // No answer comes before all of them have asked: whoever comes after a failure is right to ask again.
            let answered = async { issuer.answer(known.as_deref(), 8) };
            let (outcomes, ()) = tokio::join!(users(&judge, &signed, at(0)), answered);
            for outcome in outcomes {
                match &known {
                    Some(_) => assert_eq!(outcome.as_deref(), Ok("alice")),
                    None => assert!(matches!(outcome, Err(LoginError::Unavailable(_))), "{outcome:?}"),
                }
            }
            assert_eq!(issuer.asked.load(Relaxed), 1, "{known:?}");
        }
    }

    #[tokio::test]
    async fn a_new_key_is_waited_for_by_all_who_come_with_it_and_by_nobody_else() {
        let (old, new) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let (by_old, by_new) = (token("old", &old), token("new", &new));
        let issuer = Issuer::new();
        let judge = TokenJudge::new(issuer.source.clone(), rules());
        issuer.answer(Some(&key_set(&[("old", &old)])), 1);
        judge.judge(&by_old, at(0)).await.unwrap();
        let others = async {
            judge.judge(&by_old, at(11)).await.unwrap();
            issuer.answer(Some(&key_set(&[("old", &old), ("new", &new)])), 1);
        };
        let (outcomes, ()) = tokio::join!(users(&judge, &by_new, at(11)), others);
        assert_eq!(outcomes, vec![Ok("alice".into()); 8]);
        assert_eq!(issuer.asked.load(Relaxed), 2);
    }

    #[tokio::test]
    async fn keys_are_read_to_the_end_when_who_asked_for_them_leaves() {
        let key = KeyPair::generate().unwrap();
        let signed = token("key", &key);
        let issuer = Issuer::new();
        let judge = TokenJudge::new(issuer.source.clone(), rules());
        let mut first = Box::pin(judge.judge(&signed, at(0)));
        assert!(futures_util::poll!(&mut first).is_pending());
        drop(first);
        issuer.answer(Some(&key_set(&[("key", &key)])), 1);
        judge.judge(&signed, at(0)).await.unwrap();
        assert_eq!(issuer.asked.load(Relaxed), 1);
    }
}
