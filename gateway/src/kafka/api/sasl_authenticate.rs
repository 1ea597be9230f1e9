use kafka_wire::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};

use bytes::{BufMut, BytesMut};

use super::{Call, Client, Reply};
use crate::kafka::door::KafkaDoor;
use crate::kafka::error::KafkaError;
use crate::kafka::in_flight::Answer;
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
        Ok(Progress::Done { message, lifetime_ms }) => {
            let place = call.client.metering.usage(guard, &call.client.login, call.client_id.as_deref());
            match place {
                Ok(_) => Reply::Response(SaslAuthenticateResponse {
                    auth_bytes: message.into(),
                    session_lifetime_ms: lifetime_ms,
                    ..Default::default()
                }),
                Err(refusal) => refused(KafkaError::SASL_AUTHENTICATION_FAILED, refusal.detail),
            }
        }
        Err((error, why)) => refused(error, why),
    }
}

/// The same for a message that came bare. There is no form in which failing could be told: the connection ends.
pub async fn answer_bare(door: &KafkaDoor, client: &Client, message: &[u8]) -> Answer {
    match client.login.step(door.topics().guard(), message, None).await {
        Ok(Progress::Challenge(message) | Progress::Done { message, .. }) => {
            let mut frame = BytesMut::with_capacity(4 + message.len());
            frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
            frame.extend_from_slice(&message);
            Answer::Frame(vec![frame.freeze()])
        }
        Err((_, why)) => Answer::Close(why),
    }
}

fn refused(error: KafkaError, why: String) -> Reply<SaslAuthenticateResponse> {
    Reply::Farewell(SaslAuthenticateResponse {
        error_code: error.0,
        error_message: Some(why),
        ..Default::default()
    })
}
