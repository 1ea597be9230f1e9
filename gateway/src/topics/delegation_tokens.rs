//! Delegation tokens (KIP-48): made, renewed, ended and seen, by Kafka's rules of who may.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use message::Timestamp;
use thiserror::Error;

use super::Topics;
use super::authorization::Act;
use super::identities::too_many;
use super::shard::Turn;
use crate::auth::identity_record::Change;
use crate::auth::{Caller, DelegationRules, DelegationToken, Guard, Pass, Proof, is_name, random};
use crate::refusal::Refusal;

/// Tokens kept at most.
const TOKENS_MAX: usize = 10_000;
/// Renewers of one token.
const RENEWERS_MAX: usize = 100;
/// How long one that has ended is remembered, so that its holders are told what became of it.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// Why there is no token.
#[derive(Debug, Error)]
pub enum DelegationError {
    /// Whoever asks has not logged in, or by a token.
    #[error("delegation tokens are for those who have logged in, and not with a delegation token")]
    NotAllowed,
    /// There are none here.
    #[error("delegation tokens are off: set auth.delegation_token_secret_file")]
    Disabled,
    /// It would stand for somebody else, for whom whoever asks may not make any.
    #[error("not allowed to make delegation tokens for that user")]
    NotAuthorized,
    /// None is this one.
    #[error("there is no such delegation token")]
    NotFound,
    /// It is somebody else's.
    #[error("the delegation token is somebody else's")]
    NotTheirs,
    /// It has ended.
    #[error("the delegation token has expired")]
    Expired,
    /// No such user could be.
    #[error("a user's name has 1 to 255 bytes and no control characters")]
    InvalidName,
    /// It could not be carried out.
    #[error("{}", .0.detail)]
    Refused(Refusal),
}

impl From<Refusal> for DelegationError {
    fn from(refusal: Refusal) -> DelegationError {
        DelegationError::Refused(refusal)
    }
}

/// A token with its password's bytes.
pub type ShownToken = (Arc<DelegationToken>, Vec<u8>);

impl Topics {
    /// Makes a token that stands for `owner`, or for whoever asks.
    pub async fn make_delegation_token(
        &self,
        owner: Option<&str>,
        renewers: Vec<Box<str>>,
        longest: Option<Duration>,
    ) -> Result<ShownToken, DelegationError> {
        let caller = self.token_holder()?;
        let owner = owner.unwrap_or(caller.user());
        if owner != caller.user() && self.allow(Act::MakeTokens, &principal(owner)).is_err() {
            return Err(DelegationError::NotAuthorized);
        }
        let rules = self.delegation_rules()?;
        let names = renewers.iter().map(|name| &**name).chain([owner]);
        if renewers.len() > RENEWERS_MAX || !names.into_iter().all(is_name) {
            return Err(DelegationError::InvalidName);
        }
        let now = Guard::now();
        let max_at = now.plus(longest.map_or(rules.max_lifetime, |asked| asked.min(rules.max_lifetime)));
        let token = DelegationToken {
            id: new_id(),
            owner: owner.into(),
            requester: caller.user().into(),
            renewers,
            issued_at: now,
            expires_at: max_at,
            max_at,
        };
        let token = token.lasting(rules.renewal, now);
        let mac = rules.secret.mac(&token.id);
        let (kept, by) = (token.clone(), self.author());
        let make = move |turn: &mut Turn<'_>| {
            turn.forget_ended_tokens();
            if turn.engines.identities.tokens().len() >= TOKENS_MAX {
                return Err(too_many("delegation tokens", TOKENS_MAX));
            }
            turn.change(Change::SetToken(kept), &by, "delegation_token_made")
        };
        self.identity_call(1, make).await?;
        Ok((Arc::new(token), mac))
    }

    /// Has a token end later: after so long, or after what is usual. Answers when.
    pub async fn renew_delegation_token(
        &self,
        mac: &[u8],
        period: Option<Duration>,
    ) -> Result<Timestamp, DelegationError> {
        let (rules, token) = self.handled_token(mac).await?;
        let period = period.map_or(rules.renewal, |asked| asked.min(rules.renewal));
        self.set_end_of(token, period, "delegation_token_renewed").await
    }

    /// Has a token end: after so long, or now and for good. Answers when.
    pub async fn end_delegation_token(
        &self,
        mac: &[u8],
        period: Option<Duration>,
    ) -> Result<Timestamp, DelegationError> {
        let (_, token) = self.handled_token(mac).await?;
        match period {
            Some(period) => self.set_end_of(token, period, "delegation_token_shortened").await,
            None => {
                let (id, by) = (token.id.clone(), self.author());
                let delete = move |turn: &mut Turn<'_>| {
                    turn.change(Change::DeleteToken(id), &by, "delegation_token_deleted")
                };
                self.identity_call(1, delete).await?;
                Ok(Guard::now())
            }
        }
    }

    /// The tokens that whoever asks may see: of these owners, or of everybody.
    pub fn delegation_tokens(&self, owners: Option<&[&str]>) -> Result<Vec<ShownToken>, DelegationError> {
        let caller = self.token_holder()?;
        let rules = self.delegation_rules()?;
        let (_, identities) = self.guard().seen();
        let is_asked_for = |token: &&Arc<DelegationToken>| {
            owners.is_none_or(|owners| owners.iter().any(|owner| token.is_handled_by(owner)))
        };
        let may_see = |token: &&Arc<DelegationToken>| {
            token.is_handled_by(caller.user())
                || self.may(Act::SeeToken, &token.id)
                || self.may(Act::SeeTokens, &principal(&token.owner))
        };
        let seen = identities.tokens().filter(is_asked_for).filter(may_see);
        Ok(seen.map(|token| (Arc::clone(token), rules.secret.mac(&token.id))).collect())
    }

    /// Whoever has logged in, and not by a token: a token makes no others, and none last longer.
    fn token_holder(&self) -> Result<&Caller, DelegationError> {
        let by_itself = |caller: &&Caller| match caller.identity().proof {
            Proof::Password(_) | Proof::ApiKey(_) | Proof::Signature => true,
            Proof::DelegationToken(_) | Proof::None => false,
        };
        match self.pass() {
            Pass::As(caller) => Some(caller).filter(by_itself).ok_or(DelegationError::NotAllowed),
            Pass::Open | Pass::Nobody => Err(DelegationError::NotAllowed),
        }
    }

    fn delegation_rules(&self) -> Result<Arc<DelegationRules>, DelegationError> {
        self.guard().settings().delegation.clone().ok_or(DelegationError::Disabled)
    }

    /// The token whose password's bytes these are, if whoever asks may change it.
    async fn handled_token(
        &self,
        mac: &[u8],
    ) -> Result<(Arc<DelegationRules>, Arc<DelegationToken>), DelegationError> {
        let user = self.token_holder()?.user().to_owned();
        let rules = self.delegation_rules()?;
        let (_, identities) = self.guard().seen();
        let (known, mac) = (Arc::clone(&rules), mac.to_vec());
        // Nothing is kept by which it could be looked up.
        let look = move || identities.tokens().find(|token| known.secret.is_mac(&token.id, &mac)).cloned();
        let found = tokio::task::spawn_blocking(look).await.ok().flatten();
        let token = found.ok_or(DelegationError::NotFound)?;
        if !token.is_handled_by(&user) {
            return Err(DelegationError::NotTheirs);
        }
        Ok((rules, token))
    }

    async fn set_end_of(
        &self,
        token: Arc<DelegationToken>,
        period: Duration,
        event: &'static str,
    ) -> Result<Timestamp, DelegationError> {
        let by = self.author();
        let set = move |turn: &mut Turn<'_>| {
            let now = Guard::now();
            // Somebody else may have changed it since it was found.
            let Some(token) = turn.engines.identities.token(&token.id) else {
                return Ok(Err(DelegationError::NotFound));
            };
            if !token.is_valid_at(now) {
                return Ok(Err(DelegationError::Expired));
            }
            let token = DelegationToken::clone(token).lasting(period, now);
            let ends_at = token.expires_at;
            turn.change(Change::SetToken(token), &by, event)?;
            Ok(Ok(ends_at))
        };
        self.identity_call(1, set).await?
    }
}

impl Turn<'_> {
    /// Makes room: tokens that ended long ago are forgotten when another is made.
    fn forget_ended_tokens(&mut self) {
        let now = Guard::now();
        let has_ended = |token: &&Arc<DelegationToken>| now.since(token.expires_at) > REMEMBERED;
        let ended = self.engines.identities.tokens().filter(has_ended);
        // No more than there is room for in the journal's block.
        let ended: Vec<Box<str>> = ended.map(|token| token.id.clone()).take(100).collect();
        let server = (
            "".into(),
            crate::auth::Origin { door: "server", address: std::net::Ipv4Addr::LOCALHOST.into() },
        );
        for id in ended {
            self.note(Change::DeleteToken(id), &server, "delegation_token_forgotten");
        }
    }
}

/// As Kafka makes ids, of which none looks like a flag.
fn new_id() -> Box<str> {
    loop {
        let id = URL_SAFE_NO_PAD.encode(random::<16>());
        if !id.starts_with('-') {
            return id.into();
        }
    }
}

/// How Kafka calls a user.
fn principal(user: &str) -> String {
    format!("User:{user}")
}
