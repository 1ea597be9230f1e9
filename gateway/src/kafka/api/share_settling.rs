//! What acknowledging records of share groups comes to, whether it comes by itself or with a fetch.

use std::collections::BTreeMap;

use kafka_wire::Uuid;

use super::Call;
use crate::kafka::error::{KafkaError, Wrong};
use crate::kafka::share_sessions::{Ended, SessionKey, SharePartitionKey};
use crate::kafka::topic_ids;
use crate::topics::share::{AcknowledgeType, Acknowledgement};
use crate::topics::{QueueTopic, Topic};

/// From this version on records are renewed (KIP-1222).
pub const RENEW_FROM: i16 = 2;

/// What a request says of one partition's records: first and last offset, and types.
pub type Said = Vec<(i64, i64, Vec<i8>)>;

/// What became of each partition's acknowledgements.
pub type Outcomes = BTreeMap<SharePartitionKey, Result<(), Wrong>>;

/// Carries out acknowledgements, each partition's by themselves. `renews`: the request announces renewals.
pub async fn settle(
    call: &Call,
    key: &SessionKey,
    said: Vec<(SharePartitionKey, Said)>,
    renews: bool,
) -> Outcomes {
    let mut outcomes = Outcomes::new();
    let (mut places, mut of_logs) = (Vec::new(), Vec::new());
    for (at, said) in said {
        let parsed = match parse(said, renews && call.version >= RENEW_FROM) {
            Ok(parsed) => parsed,
            Err(wrong) => {
                outcomes.insert(at, Err(wrong));
                continue;
            }
        };
        match (topic_ids::topic(call.door.topics(), at.0), u32::try_from(at.1)) {
            _ if parsed.is_empty() => _ = outcomes.insert(at, Ok(())),
            (Some(Topic::Log(log)), Ok(number)) => {
                places.push(at);
                of_logs.push((log, number, parsed));
            }
            (Some(Topic::Queue(queue)), Ok(0)) => {
                let outcome = of_queue(call, key, (at.0, &queue), &parsed).await;
                outcomes.insert(at, outcome);
            }
            _ => _ = outcomes.insert(at, Err(unknown())),
        }
    }
    match call.door.topics().share_acknowledge(&key.group, &key.member, of_logs).await {
        Ok(told) => {
            outcomes.extend(places.into_iter().zip(told.into_iter().map(|told| told.map_err(Wrong::from))));
        }
        Err(refusal) => {
            outcomes.extend(places.into_iter().map(|at| (at, Err(Wrong::from(refusal.clone())))));
        }
    }
    outcomes
}

async fn of_queue(
    call: &Call,
    key: &SessionKey,
    (topic, queue): (Uuid, &QueueTopic),
    acknowledgements: &[Acknowledgement],
) -> Result<(), Wrong> {
    let hold = call.door.share_sessions().lock().hold(key, topic);
    let Some(hold) = hold else {
        return Err(Wrong::new(KafkaError::INVALID_RECORD_STATE, "the member has no message of this queue"));
    };
    Ok(hold.lock().await.acknowledge(call.door.topics(), queue, acknowledgements).await?)
}

fn unknown() -> Wrong {
    Wrong::new(
        KafkaError::UNKNOWN_TOPIC_OR_PARTITION,
        "no topic has this id (any more), or no such partition",
    )
}

fn parse(said: Said, renews: bool) -> Result<Vec<Acknowledgement>, Wrong> {
    let invalid = |why: String| Wrong::new(KafkaError::INVALID_REQUEST, why);
    let mut parsed: Vec<Acknowledgement> = Vec::with_capacity(said.len());
    for (first, last, numbers) in said {
        let kinds = numbers.iter().map(|number| AcknowledgeType::from_number(*number));
        let kinds = kinds
            .collect::<Option<Vec<_>>>()
            .filter(|kinds| renews || !kinds.contains(&AcknowledgeType::Renew));
        let kinds = kinds.ok_or_else(|| invalid(format!("Invalid acknowledge type: {numbers:?}")))?;
        let one = Acknowledgement::new(crate::topics::Offset(first), crate::topics::Offset(last), kinds);
        let one = one.ok_or_else(|| {
            invalid(format!("offsets {first} to {last} and their types do not go together"))
        })?;
        if parsed.last().is_some_and(|before| before.last() >= one.first()) {
            return Err(invalid("batches of acknowledgements overlap or are out of order".to_owned()));
        }
        parsed.push(one);
    }
    Ok(parsed)
}

/// Takes back what the member of a session that ended still has.
pub async fn release(door: &crate::kafka::KafkaDoor, ended: Ended) {
    let logs = ended.partitions.iter().filter_map(|(topic, partition)| {
        match topic_ids::topic(door.topics(), *topic)? {
            Topic::Log(log) => Some((log, u32::try_from(*partition).ok()?)),
            // What it held of queues went back with the session.
            Topic::Queue(_) => None,
        }
    });
    door.topics().share_release(&ended.key.group, &ended.key.member, logs.collect()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_that_make_no_sense_are_refused() {
        let read =
            |said: Said, renews| parse(said, renews).map(|parsed| parsed.len()).map_err(|wrong| wrong.error);
        let invalid = Err(KafkaError::INVALID_REQUEST);
        assert_eq!(read(vec![(0, 3, vec![1]), (4, 5, vec![0, 3])], false), Ok(2));
        assert_eq!(read(vec![(0, 0, vec![4])], true), Ok(1));
        assert_eq!(read(vec![(0, 0, vec![4])], false), invalid);
        assert_eq!(read(vec![(0, 0, vec![5])], true), invalid);
        assert_eq!(read(vec![(0, 0, vec![])], true), invalid);
        assert_eq!(read(vec![(3, 0, vec![1])], true), invalid);
        assert_eq!(read(vec![(0, 3, vec![1]), (3, 5, vec![1])], true), invalid);
    }
}
