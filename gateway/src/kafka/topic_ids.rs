use kafka_wire::Uuid;

/// What the ids of logs start with: no other broker's topics, nor the ids that Kafka reserves, do.
const LOG: [u8; 8] = *b"sluicelg";

/// The id under which Kafka clients know a log. It never changes, and never comes back for another log.
pub fn of_log(id: u64) -> Uuid {
    let mut uuid = [0; 16];
    let (front, back) = uuid.split_at_mut(8);
    front.copy_from_slice(&LOG);
    back.copy_from_slice(&id.to_be_bytes());
    Uuid(uuid)
}

/// The log behind an id, if it can be one's.
pub fn log(uuid: Uuid) -> Option<u64> {
    let (front, back) = uuid.0.split_first_chunk::<8>()?;
    (*front == LOG).then_some(u64::from_be_bytes(*back.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_their_logs() {
        for id in [0, 1, u64::MAX] {
            assert_eq!(log(of_log(id)), Some(id));
            assert_ne!(of_log(id), Uuid::ZERO);
        }
        assert_eq!(log(Uuid::ZERO), None);
    }
}
