//! Who is challenged with what in a SCRAM exchange (RFC 5802), and who it was when it ended well: a user, or the holder of a
//! delegation token. The exchange itself is in `sasl.rs`.

use std::sync::Arc;

use super::{Guard, LoginError, random};
use crate::auth::caller::{Caller, Proof};
use crate::auth::delegation_token::TOKEN_ITERATIONS;
use crate::auth::origin::Origin;
use crate::auth::verifier::{ScramHash, Verifier};

impl Guard {
    /// The verifier to challenge a user with. One who does not exist, or has none, is challenged too, always alike.
    #[must_use]
    pub fn challenge(&self, user: &str, hash: ScramHash, origin: Origin) -> (Verifier, Option<Proof>) {
        let (_, identities) = self.seen();
        let known = identities
            .user(user)
            .filter(|_| origin.lets_in(user))
            .and_then(|user| Some((user.verifier(hash)?.clone(), user.password_version)));
        match known {
            Some((verifier, version)) => (verifier, Some(Proof::Password(version))),
            None => (self.made_up_verifier(user, hash), None),
        }
    }

    /// The same for the holder of a delegation token. Takes milliseconds of a blocking thread.
    pub async fn challenge_token(
        &self,
        id: &str,
        hash: ScramHash,
    ) -> Result<(Verifier, Option<Proof>), LoginError> {
        let (_, identities) = self.seen();
        let known = identities.token(id).filter(|token| token.is_valid_at(Guard::now()));
        let (Some(token), Some(rules)) = (known, &self.0.settings.delegation) else {
            let made_up = self.made_up_verifier(id, hash);
            return Ok((Verifier { iterations: TOKEN_ITERATIONS, ..made_up }, None));
        };
        let (rules, kept) = (Arc::clone(rules), token.id.clone());
        let _turn = self.0.hashing.acquire().await;
        let work = move || rules.secret.verifier(&kept, hash, random::<16>().to_vec());
        let hashed = tokio::task::spawn_blocking(work).await;
        let verifier = hashed.map_err(|_| LoginError::Unavailable("the server is going down".into()))?;
        Ok((verifier, Some(Proof::DelegationToken(token.id.clone()))))
    }

    /// What somebody who does not exist is challenged with.
    pub(super) fn made_up_verifier(&self, user: &str, hash: ScramHash) -> Verifier {
        let made_up = |what: &[u8]| hash.hmac(&self.0.secret, &[what, user.as_bytes()].concat());
        let salt = made_up(b"salt").into_iter().take(16).collect();
        let iterations = self.0.settings.scram_iterations;
        Verifier { hash, iterations, salt, stored_key: made_up(b"key"), server_key: made_up(b"server") }
    }

    /// A SCRAM exchange under that name ended well: the name is a user's, or a delegation token's.
    pub fn proved(&self, name: &str, proof: Proof, origin: Origin) -> Result<Caller, LoginError> {
        let user = match &proof {
            Proof::DelegationToken(id) => {
                let owner = self.seen().1.token(id).map(|token| token.owner.clone());
                owner.filter(|owner| origin.lets_in(owner))
            }
            Proof::Password(_) | Proof::ApiKey(_) | Proof::Signature | Proof::None => Some(name.into()),
        };
        let caller = user.map(|user| self.caller(user, Vec::new(), proof, None, origin));
        self.judged(name, origin, caller.ok_or(LoginError::Expired))
    }
}
