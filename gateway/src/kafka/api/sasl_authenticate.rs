use kafka_wire::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};

use super::{Call, Reply};
use crate::kafka::login::Progress;

/// A client that failed is told so, and then left.
pub async fn answer(call: &Call, request: SaslAuthenticateRequest) -> Reply<SaslAuthenticateResponse> {
    let guard = call.door.topics().guard();
    // A client that does not know how long its login lasts could not renew it.
    let session = call.door.session().filter(|_| call.version >= 1);
    match call.client.login.step(guard, &request.auth_bytes, session).await {
        Ok(Progress::Challenge(challenge)) => {
            Reply::Response(SaslAuthenticateResponse { auth_bytes: challenge.into(), ..Default::default() })
        }
        Ok(Progress::Done { message, lifetime_ms }) => Reply::Response(SaslAuthenticateResponse {
            auth_bytes: message.into(),
            session_lifetime_ms: lifetime_ms,
            ..Default::default()
        }),
        Err((error, why)) => Reply::Farewell(SaslAuthenticateResponse {
            error_code: error.0,
            error_message: Some(why),
            ..Default::default()
        }),
    }
}
