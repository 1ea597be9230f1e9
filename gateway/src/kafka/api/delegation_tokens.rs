//! Delegation tokens (KIP-48, KIP-373): made, renewed, ended and described.

use std::time::Duration;

use kafka_wire::messages::create_delegation_token::{
    CreateDelegationTokenRequest, CreateDelegationTokenResponse,
};
use kafka_wire::messages::describe_delegation_token::{
    DescribeDelegationTokenRequest, DescribeDelegationTokenResponse, DescribedDelegationToken,
    DescribedDelegationTokenRenewer,
};
use kafka_wire::messages::expire_delegation_token::{
    ExpireDelegationTokenRequest, ExpireDelegationTokenResponse,
};
use kafka_wire::messages::renew_delegation_token::{
    RenewDelegationTokenRequest, RenewDelegationTokenResponse,
};

use super::Call;
use crate::auth::DelegationToken;
use crate::kafka::error::KafkaError;
use crate::topics::{DelegationError, ShownToken};

/// The one kind of principal that there is.
const USER: &str = "User";
/// What Kafka answers in place of a moment when there is none.
const NEVER: i64 = -1;

fn code(error: &DelegationError) -> KafkaError {
    match error {
        DelegationError::NotAllowed => KafkaError::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
        DelegationError::Disabled => KafkaError::DELEGATION_TOKEN_AUTH_DISABLED,
        DelegationError::NotAuthorized => KafkaError::DELEGATION_TOKEN_AUTHORIZATION_FAILED,
        DelegationError::NotFound => KafkaError::DELEGATION_TOKEN_NOT_FOUND,
        DelegationError::NotTheirs => KafkaError::DELEGATION_TOKEN_OWNER_MISMATCH,
        DelegationError::Expired => KafkaError::DELEGATION_TOKEN_EXPIRED,
        DelegationError::InvalidName => KafkaError::INVALID_REQUEST,
        DelegationError::Refused(refusal) => refusal.into(),
    }
}

/// A time that a client asks for; what is not above zero asks for what is usual.
fn asked(ms: i64) -> Option<Duration> {
    u64::try_from(ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis)
}

pub async fn create(call: &Call, request: CreateDelegationTokenRequest) -> CreateDelegationTokenResponse {
    let requester = call.door.topics().pass().caller().map(|caller| caller.user().to_owned());
    let requester = requester.unwrap_or_default();
    let owner = request.owner_principal_name.filter(|name| !name.is_empty());
    let owner_type = request.owner_principal_type.filter(|_| owner.is_some());
    let is_user = owner_type.as_deref().is_none_or(|kind| kind == USER)
        && request.renewers.iter().all(|renewer| renewer.principal_type == USER);
    let renewers = request.renewers.into_iter().map(|renewer| renewer.principal_name.into()).collect();
    let topics = call.door.topics();
    let made = if is_user {
        let made = topics.make_delegation_token(owner.as_deref(), renewers, asked(request.max_lifetime_ms));
        made.await.map_err(|error| code(&error))
    } else {
        // Whoever may make none is told that first.
        match topics.delegation_tokens(Some(&[])) {
            Err(error @ DelegationError::NotAllowed) => Err(code(&error)),
            _ => Err(KafkaError::INVALID_PRINCIPAL_TYPE),
        }
    };
    let blank = CreateDelegationTokenResponse {
        principal_type: owner_type.unwrap_or_else(|| USER.to_owned()),
        principal_name: owner.unwrap_or_else(|| requester.clone()),
        token_requester_principal_type: USER.to_owned(),
        token_requester_principal_name: requester,
        ..CreateDelegationTokenResponse::default()
    };
    match made {
        Ok((token, mac)) => CreateDelegationTokenResponse {
            issue_timestamp_ms: token.issued_at.0,
            expiry_timestamp_ms: token.expires_at.0,
            max_timestamp_ms: token.max_at.0,
            token_id: token.id.to_string(),
            hmac: mac.into(),
            ..blank
        },
        Err(error) => CreateDelegationTokenResponse {
            error_code: error.0,
            issue_timestamp_ms: NEVER,
            expiry_timestamp_ms: NEVER,
            max_timestamp_ms: NEVER,
            ..blank
        },
    }
}

pub async fn renew(call: &Call, request: RenewDelegationTokenRequest) -> RenewDelegationTokenResponse {
    let renewed = call.door.topics().renew_delegation_token(&request.hmac, asked(request.renew_period_ms));
    let (error_code, expiry_timestamp_ms) = match renewed.await {
        Ok(ends_at) => (KafkaError::NONE.0, ends_at.0),
        Err(error) => (code(&error).0, NEVER),
    };
    RenewDelegationTokenResponse { error_code, expiry_timestamp_ms, ..Default::default() }
}

pub async fn expire(call: &Call, request: ExpireDelegationTokenRequest) -> ExpireDelegationTokenResponse {
    // Below zero it is over for good.
    let period = u64::try_from(request.expiry_time_period_ms).ok().map(Duration::from_millis);
    let ended = call.door.topics().end_delegation_token(&request.hmac, period);
    let (error_code, expiry_timestamp_ms) = match ended.await {
        Ok(ends_at) => (KafkaError::NONE.0, ends_at.0),
        Err(error) => (code(&error).0, NEVER),
    };
    ExpireDelegationTokenResponse { error_code, expiry_timestamp_ms, ..Default::default() }
}

pub async fn describe(
    call: &Call,
    request: DescribeDelegationTokenRequest,
) -> DescribeDelegationTokenResponse {
    let owners: Option<Vec<&str>> = request.owners.as_ref().map(|owners| {
        let users = owners.iter().filter(|owner| owner.principal_type == USER);
        users.map(|owner| owner.principal_name.as_str()).collect()
    });
    match call.door.topics().delegation_tokens(owners.as_deref()) {
        Ok(tokens) => DescribeDelegationTokenResponse {
            tokens: tokens.into_iter().map(described).collect(),
            ..Default::default()
        },
        Err(error) => DescribeDelegationTokenResponse { error_code: code(&error).0, ..Default::default() },
    }
}

fn described((token, mac): ShownToken) -> DescribedDelegationToken {
    let renewer = |name: &str| DescribedDelegationTokenRenewer {
        principal_type: USER.to_owned(),
        principal_name: name.to_string(),
    };
    let DelegationToken { id, owner, requester, renewers, issued_at, expires_at, max_at } = &*token;
    DescribedDelegationToken {
        principal_type: USER.to_owned(),
        principal_name: owner.to_string(),
        token_requester_principal_type: USER.to_owned(),
        token_requester_principal_name: requester.to_string(),
        issue_timestamp: issued_at.0,
        expiry_timestamp: expires_at.0,
        max_timestamp: max_at.0,
        token_id: id.to_string(),
        hmac: mac.into(),
        renewers: renewers.iter().map(|name| renewer(name)).collect(),
    }
}
