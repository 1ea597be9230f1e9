use kafka_wire::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};

use super::Call;
use crate::kafka::error::KafkaError;

pub async fn answer(call: &Call, request: SaslHandshakeRequest) -> SaslHandshakeResponse {
    let offered = call.door.mechanisms();
    let begun = call.client.login.begin(&request.mechanism, offered, call.version == 0).await;
    if begun.is_err() {
        call.door.topics().guard().turned_away(call.client.login.origin(), "a mechanism that is not offered");
    }
    SaslHandshakeResponse {
        error_code: begun.err().unwrap_or(KafkaError::NONE).0,
        mechanisms: offered.iter().map(|mechanism| mechanism.name().to_owned()).collect(),
    }
}
