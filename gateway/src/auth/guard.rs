//! The one place that decides who somebody is. Doors bring what a client says; the seam asks the caller that comes out.

mod challenge;
mod chronicle;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use message::Timestamp;
use parking_lot::{Mutex, RwLock};
use regex::Regex;
use tokio::sync::{Semaphore, watch};

use super::api_key::ApiKey;
use super::audit::Audit;
use super::caller::{Caller, Identity, Pass, Proof};
use super::delegation_token::DelegationRules;
use super::failed_logins::FailedLogins;
use super::identities::Identities;
use super::lobby::Lobby;
use super::origin::Origin;
use super::proven::ProvenPasswords;
use super::quota_book::QuotaBook;
use super::tickets::Tickets;
use super::token::TokenJudge;
use super::verifier::ScramHash;

/// When clients have to say who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Once there is a user, or tokens or certificates are trusted.
    #[default]
    Auto,
    /// Always.
    Required,
    /// Never: whoever reaches a door may do everything.
    Off,
}

/// What the guard is set up with.
pub struct GuardSettings {
    /// When clients have to say who they are.
    pub mode: Mode,
    /// Who somebody is who says nothing; `None` is nobody.
    pub anonymous_user: Option<Box<str>>,
    /// How often new passwords are hashed.
    pub scram_iterations: u32,
    /// What a failed login waits at first.
    pub failure_delay: Duration,
    /// What it waits at most.
    pub failure_delay_max: Duration,
    /// How long a client may take to log in.
    pub login_timeout: Duration,
    /// Where clients wait that are not known yet.
    pub lobby: Lobby,
    /// Tokens that are trusted.
    pub tokens: Option<TokenJudge>,
    /// How delegation tokens are made; `None` makes none and knows none.
    pub delegation: Option<Arc<DelegationRules>>,
    /// Whether somebody may be known by a certificate.
    pub certificates: bool,
    /// What a whole Kerberos principal looks like that names a user: the first group does.
    pub kerberos_user: Option<Regex>,
    /// Whether metrics are for everybody.
    pub open_metrics: bool,
    /// Where changes and refusals are written.
    pub audit: Audit,
}

impl Default for GuardSettings {
    fn default() -> GuardSettings {
        GuardSettings {
            mode: Mode::Auto,
            anonymous_user: None,
            scram_iterations: 8192,
            failure_delay: Duration::from_millis(100),
            failure_delay_max: Duration::from_secs(5),
            login_timeout: Duration::from_secs(10),
            lobby: Lobby::new(1000),
            tokens: None,
            delegation: None,
            certificates: false,
            kerberos_user: None,
            open_metrics: false,
            audit: Audit::silent(),
        }
    }
}

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Wrong user, password, key or token. It does not say which.
    #[error("wrong user, password or token")]
    Wrong,
    /// They were right once.
    #[error("the credentials have expired")]
    Expired,
    /// They cannot be judged now.
    #[error("the credentials cannot be judged now: {0}")]
    Unavailable(String),
}

/// Counts since the start, for the metrics.
#[derive(Debug, Default)]
pub struct LoginCounts {
    /// Logins that were right.
    pub succeeded: AtomicU64,
    /// Logins that were not.
    pub failed: AtomicU64,
    /// Things that somebody known was not allowed to do.
    pub denied: AtomicU64,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    settings: GuardSettings,
    identities: RwLock<Arc<Identities>>,
    generation: AtomicU64,
    changes: watch::Sender<()>,
    failed: Mutex<FailedLogins>,
    proven: Mutex<ProvenPasswords>,
    tickets: Mutex<Tickets>,
    counts: LoginCounts,
    quotas: QuotaBook,
    /// Makes up what is told of users that do not exist; another one in every process.
    secret: [u8; 32],
    /// Passwords that are hashed at a time, so that nobody keeps all cores busy with wrong ones.
    hashing: Semaphore,
}

impl Guard {
    /// A guard that knows nobody yet.
    #[must_use]
    pub fn new(settings: GuardSettings) -> Guard {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Guard(Arc::new(Inner {
            failed: Mutex::new(FailedLogins::new(settings.failure_delay, settings.failure_delay_max)),
            settings,
            identities: RwLock::default(),
            generation: AtomicU64::new(0),
            changes: watch::Sender::new(()),
            proven: Mutex::default(),
            tickets: Mutex::default(),
            counts: LoginCounts::default(),
            quotas: QuotaBook::default(),
            secret: random(),
            hashing: Semaphore::new(cores),
        }))
    }

    /// The time.
    #[must_use]
    pub fn now() -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Shows everybody what the owner knows now.
    pub fn show(&self, identities: Identities) {
        let mut seen = self.0.identities.write();
        *seen = Arc::new(identities);
        self.0.generation.fetch_add(1, std::sync::atomic::Ordering::Release);
        drop(seen);
        self.0.changes.send_replace(());
    }

    /// What is known now, and how often it changed before.
    #[must_use]
    pub fn seen(&self) -> (u64, Arc<Identities>) {
        let identities = self.0.identities.read();
        (self.generation(), Arc::clone(&identities))
    }

    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(std::sync::atomic::Ordering::Acquire)
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    /// How it was set up.
    #[must_use]
    pub fn settings(&self) -> &GuardSettings {
        &self.0.settings
    }

    /// Logins and refusals so far.
    #[must_use]
    pub fn counts(&self) -> &LoginCounts {
        &self.0.counts
    }

    /// What is used of quotas now.
    #[must_use]
    pub fn quotas(&self) -> &QuotaBook {
        &self.0.quotas
    }

    /// A ticket with which the same client may come in once more, soon; `None` when too many are out.
    #[must_use]
    pub fn give_ticket(&self, pass: &Pass) -> Option<String> {
        use base64::Engine;
        let ticket = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random::<24>());
        let given = self.0.tickets.lock().give(ticket.as_str().into(), pass.clone(), Guard::now());
        given.then_some(ticket)
    }

    /// Whose ticket it is. It is worth nothing afterwards.
    #[must_use]
    pub fn use_ticket(&self, ticket: &str) -> Option<Pass> {
        let pass = self.0.tickets.lock().take(ticket, Guard::now())?;
        match &pass {
            Pass::As(caller) if caller.lapse(Guard::now()).is_some() => None,
            Pass::Open if self.is_required() => None,
            _ => Some(pass),
        }
    }

    /// Whether clients have to say who they are.
    #[must_use]
    pub fn is_required(&self) -> bool {
        let settings = &self.0.settings;
        match settings.mode {
            Mode::Required => true,
            Mode::Off => false,
            Mode::Auto => {
                settings.tokens.is_some() || settings.certificates || self.0.identities.read().has_users()
            }
        }
    }

    /// What somebody may do who has not said who they are.
    #[must_use]
    pub fn stranger(&self, origin: Origin) -> Pass {
        if !self.is_required() {
            return Pass::Open;
        }
        match &self.0.settings.anonymous_user {
            Some(user) => Pass::As(self.caller(user.clone(), Vec::new(), Proof::None, None, origin)),
            None => Pass::Nobody,
        }
    }

    /// Returns when what [`Guard::stranger`] gave, or a login, does not hold any more, with the reason. Whoever has to
    /// log in may do so only for a while.
    pub async fn lapsed(&self, pass: &Pass, origin: Origin) -> &'static str {
        match pass {
            Pass::As(caller) => caller.lapsed().await.reason(),
            Pass::Nobody => {
                let why = self.overdue().await;
                self.turned_away(origin, why);
                why
            }
            Pass::Open => {
                let mut changes = self.changes();
                loop {
                    changes.mark_unchanged();
                    if self.is_required() {
                        return "logins are required now";
                    }
                    if changes.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }

    /// Returns when a client that has to log in has taken too long, or has to make room for another.
    async fn overdue(&self) -> &'static str {
        let Some(waiter) = self.0.settings.lobby.enter(Instant::now()) else {
            return "too many clients are about to log in (auth.max_strangers)";
        };
        tokio::select! {
            () = tokio::time::sleep(self.0.settings.login_timeout) => "no login came in time (auth.login_timeout_ms)",
            () = waiter.turned_out() => "no login came, and others want to log in (auth.max_strangers)",
        }
    }

    /// A user's password, or an API key or a token of theirs in its place.
    pub async fn password(&self, user: &str, password: &[u8], origin: Origin) -> Result<Caller, LoginError> {
        self.slow_down(user, origin).await;
        if !origin.lets_in(user) {
            self.failed(user, origin, "guest may log in from the machine itself only");
            return Err(LoginError::Wrong);
        }
        if let Some(key) = std::str::from_utf8(password).ok().filter(|text| ApiKey::id_in(text).is_some()) {
            return self.judged(user, origin, self.api_key_of(key, Some(user), origin));
        }
        let token = std::str::from_utf8(password).ok().filter(|text| is_token(text));
        if let (Some(token), Some(judge)) = (token, &self.0.settings.tokens) {
            let caller = self.token_of(judge, token, origin).await;
            // Clients that have a place for a name may leave it empty, but not say another.
            let caller = caller.and_then(|caller| match user {
                "" => Ok(caller),
                name if name == caller.user() => Ok(caller),
                _ => Err(LoginError::Wrong),
            });
            return self.judged(user, origin, caller);
        }
        let outcome = self
            .password_version(user, password)
            .await
            .map(|version| self.caller(user.into(), Vec::new(), Proof::Password(version), None, origin));
        self.judged(user, origin, outcome)
    }

    /// A bearer token: an API key, or a signed token of an issuer that is trusted.
    pub async fn bearer(&self, token: &str, origin: Origin) -> Result<Caller, LoginError> {
        let name = ApiKey::id_in(token).unwrap_or("a token").to_owned();
        self.slow_down(&name, origin).await;
        let outcome = if ApiKey::id_in(token).is_some() {
            self.api_key_of(token, None, origin)
        } else {
            match &self.0.settings.tokens {
                Some(judge) => self.token_of(judge, token, origin).await,
                None => Err(LoginError::Wrong),
            }
        };
        self.judged(&name, origin, outcome)
    }

    /// Somebody whose certificate was verified and names them, as long as it is good.
    #[must_use]
    pub fn certificate(&self, user: Box<str>, ends_at: Timestamp, origin: Origin) -> Caller {
        self.caller(user, Vec::new(), Proof::Signature, Some(ends_at), origin)
    }

    /// Somebody whose Kerberos ticket names them, as long as it is good.
    #[cfg(feature = "gssapi")]
    pub(super) fn principal(
        &self,
        principal: &str,
        acts_for: &str,
        lasts: Duration,
        origin: Origin,
    ) -> Result<Caller, LoginError> {
        let found = self.0.settings.kerberos_user.as_ref().and_then(|rule| rule.captures(principal));
        let user = found.and_then(|found| Some(found.get(1)?.as_str().to_owned()));
        let user = user.filter(|user| super::is_name(user));
        let user = user.filter(|user| ["", user, principal].contains(&acts_for));
        let caller = user.ok_or(LoginError::Wrong).map(|user| {
            let ends_at = Some(Guard::now().plus(lasts));
            self.caller(user.into(), Vec::new(), Proof::Signature, ends_at, origin)
        });
        self.judged(principal, origin, caller)
    }

    /// Waits as long as earlier failures ask for.
    pub async fn slow_down(&self, user: &str, origin: Origin) {
        let wait = self.0.failed.lock().reserve(user, origin.address, Guard::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn judged(
        &self,
        user: &str,
        origin: Origin,
        outcome: Result<Caller, LoginError>,
    ) -> Result<Caller, LoginError> {
        match &outcome {
            Ok(_) => {
                self.0.counts.succeeded.fetch_add(1, Relaxed);
                self.0.failed.lock().succeeded(user, origin.address);
            }
            Err(LoginError::Unavailable(why)) => self.not_judged(user, origin, why),
            Err(error) => self.failed(user, origin, &error.to_string()),
        }
        outcome
    }

    async fn token_of(&self, judge: &TokenJudge, token: &str, origin: Origin) -> Result<Caller, LoginError> {
        let claims = judge.judge(token, Guard::now()).await?;
        let (groups, expires_at) = (claims.groups, Some(claims.expires_at));
        Ok(self.caller(claims.user, groups, Proof::Signature, expires_at, origin))
    }

    fn api_key_of(&self, text: &str, user: Option<&str>, origin: Origin) -> Result<Caller, LoginError> {
        let id = ApiKey::id_in(text).ok_or(LoginError::Wrong)?;
        let (_, identities) = self.seen();
        let owner = match user {
            Some(name) => identities.user(name),
            None => identities.owner_of_key(id),
        };
        let (owner, key) = owner.and_then(|owner| Some((owner, owner.key(id)?))).ok_or(LoginError::Wrong)?;
        if !key.is(text) {
            return Err(LoginError::Wrong);
        }
        if !key.is_valid_at(Guard::now()) {
            return Err(LoginError::Expired);
        }
        let proof = Proof::ApiKey(key.id.clone());
        Ok(self.caller(owner.name.clone(), Vec::new(), proof, key.expires_at, origin))
    }

    /// Which version of the user's password this is. One that was right lately is known without hashing it again.
    async fn password_version(&self, user: &str, password: &[u8]) -> Result<u64, LoginError> {
        let mark = ProvenPasswords::mark(&self.0.secret, user, password);
        let (_, identities) = self.seen();
        let known = identities.user(user);
        let version = known.map(|user| user.password_version);
        if version.is_some_and(|version| self.0.proven.lock().has(&mark, version)) {
            return version.ok_or(LoginError::Wrong);
        }
        let verifier = known.and_then(|user| user.verifiers.first().cloned());
        let exists = verifier.is_some();
        // Whoever does not exist takes as long as whoever does.
        let verifier = verifier.unwrap_or_else(|| self.made_up_verifier(user, ScramHash::Sha256));
        let password = password.to_vec();
        let _turn = self.0.hashing.acquire().await;
        let hashed = tokio::task::spawn_blocking(move || verifier.is_of(&password)).await;
        match (hashed, version) {
            (Ok(true), Some(version)) if exists => {
                self.0.proven.lock().keep(mark, version);
                Ok(version)
            }
            (Ok(_), _) => Err(LoginError::Wrong),
            (Err(_), _) => Err(LoginError::Unavailable("the server is going down".into())),
        }
    }

    fn caller(
        &self,
        user: Box<str>,
        groups: Vec<Box<str>>,
        proof: Proof,
        expires_at: Option<Timestamp>,
        Origin { door, address }: Origin,
    ) -> Caller {
        Caller::new(self.clone(), Identity { user, groups, proof, expires_at, door, address })
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}

/// Whether a text looks like a signed token: three parts, of which the first begins as every header does.
fn is_token(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Bytes that nobody can guess.
///
/// # Panics
/// When the operating system has none: nothing could be kept secret then.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without randomness no secret is one")]
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}
