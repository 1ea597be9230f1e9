use kafka_wire::Uuid;

use crate::topics::{Topic, Topics};

/// What the ids of logs and of queues start with: no other broker's topics, nor the ids that Kafka reserves, do.
const LOG: [u8; 8] = *b"sluicelg";
const QUEUE: [u8; 8] = *b"sluicequ";

/// The id under which Kafka clients know a log. It never changes, and never comes back for another log.
pub fn of_log(id: u64) -> Uuid {
    joined(LOG, id)
}

/// The id under which Kafka clients know a topic of either model.
pub fn of(topic: &Topic) -> Uuid {
    match topic {
        Topic::Log(log) => joined(LOG, log.id()),
        Topic::Queue(queue) => joined(QUEUE, u64::from(queue.id())),
    }
}

/// The log behind an id, if it can be one's.
pub fn log(uuid: Uuid) -> Option<u64> {
    let (front, number) = split(uuid)?;
    (front == LOG).then_some(number)
}

/// The topic behind an id, if there is one.
pub fn topic(topics: &Topics, uuid: Uuid) -> Option<Topic> {
    match split(uuid)? {
        (LOG, number) => topics.log_by_id(number).ok().map(Topic::Log),
        (QUEUE, number) => topics.queue_by_id(u32::try_from(number).ok()?).ok().map(Topic::Queue),
        _ => None,
    }
}

fn joined(model: [u8; 8], number: u64) -> Uuid {
    let mut uuid = [0; 16];
    let (front, back) = uuid.split_at_mut(8);
    front.copy_from_slice(&model);
    back.copy_from_slice(&number.to_be_bytes());
    Uuid(uuid)
}

fn split(uuid: Uuid) -> Option<([u8; 8], u64)> {
    let (front, back) = uuid.0.split_first_chunk::<8>()?;
    Some((*front, u64::from_be_bytes(*back.first_chunk()?)))
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
        assert_eq!(log(joined(QUEUE, 1)), None);
    }
}
