use std::sync::atomic::Ordering;

use message::{ErrorCode, TopicName};
use queue_engine::{Destination, NewMessage, Properties, QueueEngine, QueueError};

use super::names::Names;
use super::operation::{Action, Durability, Operation, Publish};
use super::outcome::{PublishFailure, Published, SessionError};
use super::replies::{Reply, ReplyBook};
use crate::refusal::Refusal;
use crate::topics::outgoing::Outgoing;
use crate::topics::queue_topic::SETTLE_WEIGHT;
use crate::topics::record_batches;
use crate::topics::record_properties::headers_of;
use crate::topics::shard::Turn;
use crate::topics::vitals::Vitals;

/// Messages that go the same way are written as one record as long as they have no more bytes than this.
pub(super) const RUN_BYTES: usize = 512 << 10;

/// Journal bytes that a message takes.
pub(super) fn weight(publish: &Publish) -> usize {
    let texts = publish.properties.len() + publish.headers.as_bytes().len();
    let names = publish.exchange.len() + publish.routing_key.len();
    publish.body.len() + texts + names + 64 + SETTLE_WEIGHT
}

/// Publishes messages that all go to the same exchange with the same routing key.
pub(super) fn publish(
    turn: &mut Turn<'_>,
    names: Names<'_>,
    run: Vec<Publish>,
    replies: &mut Vec<Reply>,
) -> Published {
    let count = run.len() as u64;
    let Some(exchange) = run.first().map(|first| first.exchange.clone()) else { return Published::default() };
    match try_publish(turn, names, run, replies) {
        Ok(exceptions) => Published { count, exceptions, fatal: None },
        Err(Unpublished::Refused) => {
            let refused = (0..count).map(|at| (at, PublishFailure::Refused)).collect();
            Published { count, exceptions: refused, fatal: None }
        }
        Err(Unpublished::Fatal(mut error)) => {
            error.refusal.field = Some(exchange.to_string());
            Published { count: 0, exceptions: Vec::new(), fatal: Some(error) }
        }
    }
}

enum Unpublished {
    /// There is no room for it; another time there may be.
    Refused,
    /// It can never work: the channel fails.
    Fatal(SessionError),
}

impl From<Refusal> for Unpublished {
    fn from(refusal: Refusal) -> Unpublished {
        match refusal.code {
            ErrorCode::DiskFull | ErrorCode::Overloaded => Unpublished::Refused,
            _ => Unpublished::Fatal(refusal.into()),
        }
    }
}

impl From<QueueError> for Unpublished {
    fn from(error: QueueError) -> Unpublished {
        match error {
            QueueError::BlockFull | QueueError::LogsFull | QueueError::QueueFull(_) => Unpublished::Refused,
            other => Unpublished::Fatal(other.into()),
        }
    }
}

/// Has the queues fetched that the next publishes go to, as far as those go through the default exchange and one by one
/// to many. Answers how many operations need not be looked at again, the one that is carried out now included.
pub(super) fn foresee(turn: &Turn<'_>, names: Names<'_>, next: &[Operation]) -> usize {
    let mut keys: [&str; QueueEngine::FORESEEN] = [""; QueueEngine::FORESEEN];
    let (mut count, mut looked_at) = (0, 0);
    for key in next.iter().map_while(queue_of).take(8 * QueueEngine::FORESEEN) {
        if count == 0 || keys[count - 1] != key {
            if count == QueueEngine::FORESEEN {
                break;
            }
            keys[count] = key;
            count += 1;
        }
        looked_at += 1;
    }
    if count > 1
        && let Ok(exchange) = names.exchange("")
    {
        let keys = keys[..count].iter().copied();
        let to = keys.map(|routing_key| Destination::Exchange { name: &exchange, routing_key });
        turn.engines.queue.foresee(to);
    }
    looked_at + 1
}

/// The name of the queue that the default exchange leads a publish to.
fn queue_of(operation: &Operation) -> Option<&str> {
    match &operation.action {
        Action::Publish(publish) if publish.exchange.is_empty() => Some(&publish.routing_key),
        _ => None,
    }
}

fn try_publish(
    turn: &mut Turn<'_>,
    names: Names<'_>,
    run: Vec<Publish>,
    replies: &mut Vec<Reply>,
) -> Result<Vec<(u64, PublishFailure)>, Unpublished> {
    let Some(first) = run.first() else { return Ok(Vec::new()) };
    make_room(turn, run.iter().map(weight).sum())?;
    let (exchange, routing_key) = (first.exchange.clone(), first.routing_key.clone());
    let confirmed = run.iter().filter(|publish| publish.durability > Durability::None).count();
    Vitals::count(&turn.engines.vitals.confirmed, confirmed);
    let mut kept: Vec<Option<Box<Publish>>> = Vec::with_capacity(run.len());
    let mut messages = Vec::with_capacity(run.len());
    for publish in run {
        kept.push(publish.mandatory.then(|| Box::new(publish.clone())));
        messages.push(new_message(publish)?);
    }
    Vitals::count(&turn.engines.vitals.received, messages.len());
    if exchange.is_empty() && ReplyBook::is_address(&routing_key) {
        let found = turn.engines.replies.replies(&routing_key, messages);
        let returned =
            |(at, kept): (usize, Option<Box<Publish>>)| Some((at as u64, PublishFailure::Unroutable(kept?)));
        return Ok(match found {
            Some(found) => {
                replies.extend(found);
                Vec::new()
            }
            None => kept.into_iter().enumerate().filter_map(returned).collect(),
        });
    }
    if exchange.is_empty()
        && let Some(refused) = append_to_log_of_that_name(turn, &names.host.full(&routing_key), &messages)?
    {
        return Ok(refused);
    }
    let full = names.exchange(&exchange)?;
    let to = Destination::Exchange { name: &full, routing_key: &routing_key };
    let room = turn.engines.queue.publish_bytes(to, &messages);
    turn.ensure(room).map_err(Refusal::from)?;
    let published = turn.engines.queue.publish_batch(turn.journal.block(), to, messages, turn.now)?;
    let mut exceptions = Vec::new();
    let (mut reached, mut taken, mut routed) = (0, 0, Vec::new());
    for (at, (published, kept)) in published.into_iter().zip(kept).enumerate() {
        match published {
            Ok(published) => {
                taken += 1;
                reached += usize::from(published.is_routed());
                if !published.is_routed()
                    && let Some(publish) = kept
                {
                    exceptions.push((at as u64, PublishFailure::Unroutable(publish)));
                }
                routed.extend(published.logs);
            }
            Err(_) => exceptions.push((at as u64, PublishFailure::Refused)),
        }
    }
    Vitals::count(&turn.engines.vitals.routed, reached);
    Vitals::count(&turn.engines.vitals.unroutable, taken - reached);
    if !routed.is_empty() {
        turn.engines.append_routed(turn.journal, routed, turn.now);
    }
    Ok(exceptions)
}

/// Whether a message goes by no queue: to who asked, or into a log by its name.
pub(super) fn goes_beside(turn: &Turn<'_>, names: Names<'_>, publish: &Publish) -> bool {
    let log = |name: &str| TopicName::new(name).is_ok_and(|name| turn.engines.log.topic(&name).is_some());
    publish.exchange.is_empty()
        && (ReplyBook::is_address(&publish.routing_key) || log(&names.host.full(&publish.routing_key)))
}

/// The default exchange leads to logs by their names as it does to queues.
fn append_to_log_of_that_name(
    turn: &mut Turn<'_>,
    name: &str,
    messages: &[NewMessage],
) -> Result<Option<Vec<(u64, PublishFailure)>>, Unpublished> {
    let Ok(name) = TopicName::new(name) else { return Ok(None) };
    let Some(topic) = turn.engines.log.topic(&name).map(std::sync::Arc::clone) else { return Ok(None) };
    let outgoing: Vec<Outgoing> = messages.iter().map(Outgoing::from).collect();
    let built = record_batches::build(
        &outgoing,
        topic.partitions().len() as u32,
        topic.config(),
        &turn.engines.limits,
        &turn.engines.partitioner,
        turn.now,
        None,
    );
    let mut failed = vec![false; built.batches.len()];
    for ((partition, batch), failed) in built.batches.into_iter().zip(&mut failed) {
        let Some(view) = topic.partition(partition) else { continue };
        let room = turn.ensure(log_engine::LogEngine::append_record_len(batch.len()));
        *failed = room.is_err()
            || turn.engines.log.append(turn.journal.block(), view.id(), batch, turn.now).is_err();
    }
    let refused = built.slots.iter().enumerate().filter(|(_, slot)| match slot {
        Ok(place) => failed.get(place.batch as usize).copied().unwrap_or(true),
        Err(_) => true,
    });
    let refused: Vec<_> = refused.map(|(at, _)| (at as u64, PublishFailure::Refused)).collect();
    Vitals::count(&turn.engines.vitals.routed, messages.len() - refused.len());
    Ok(Some(refused))
}

/// The batch was let in on the reserve, which is for what frees room; what brings data needs room beyond it.
pub(super) fn make_room(turn: &mut Turn<'_>, bytes: usize) -> Result<(), Refusal> {
    if turn.journal.room() < bytes as u64 {
        let made = turn.journal.make_room();
        turn.engines.vitals.disk_full.store(made.is_err(), Ordering::Relaxed);
        made?;
    }
    Ok(())
}

pub(super) fn new_message(publish: Publish) -> Result<NewMessage, Refusal> {
    let properties = Properties::from_bytes(publish.properties)
        .map_err(|error| Refusal::new(error.code(), error.to_string()))?;
    Ok(NewMessage { headers: publish.headers, properties, body: publish.body, ..NewMessage::default() })
}

impl From<&NewMessage> for Outgoing {
    fn from(message: &NewMessage) -> Outgoing {
        Outgoing {
            key: message.key.clone(),
            value: Some(message.body.clone()),
            headers: headers_of(&message.properties, &message.headers),
            content_type: message.properties.fields().content_type.map(str::to_owned),
            options: super::super::outgoing::OutgoingOptions::default(),
        }
    }
}
