//! Carries out what a session asks for.

use std::time::Duration;

use message::ErrorCode;

use super::answer::{Position, Seat, SettleResults};
use super::client::Client;
use super::command::{From, Publish, Settle, Subscribe, Subscription, Target, Verdict};
use super::door::WsDoor;
use super::effect::{Effect, Farewell, Opened, Outcome};
use super::encoding::Encoding;
use super::message_errand;
use super::sources::{LogSource, QueueSource, Source};
use super::subscription::{LogTerms, Reading, for_log, for_queue};
use crate::auth::{Origin, Pass};
use crate::codec::render::ValueMode;
use crate::http::login::LoginRefusal;
use crate::refusal::Refusal;
use crate::topics::{
    Acks, CommitNote, CommitOffset, GroupCommit, LogTopic, Reader, Receipts, SettleAction, SettleRequest,
    StartAt, SubscribeOptions, Topic, TopicPartition,
};

/// What an errand brings back.
pub struct Done {
    /// For the session.
    pub outcome: Outcome,
    /// For the socket, when a subscription was opened.
    pub source: Option<Source>,
    /// What the client may do from now on, when it logged in.
    pub pass: Option<Pass>,
}

/// Carries out an effect that takes time. Those that do not are none of its business and bring nothing back.
pub async fn run(door: WsDoor, client: Client, encoding: Encoding, effect: Effect) -> Option<Done> {
    let outcome = match effect {
        Effect::Open { id, subscription, ask } => {
            let (opened, source) = match open(&door, &client, encoding, subscription, &ask).await {
                Ok((opened, source)) => (Ok(opened), Some(source)),
                Err(refusal) => (Err(refusal), None),
            };
            let outcome = Outcome::Opened { id, subscription, ask, opened };
            return Some(Done { outcome, source, pass: None });
        }
        Effect::LogIn { id, token } => {
            let (user, pass) = match log_in(&door, &token, client.origin).await {
                Ok(pass) => (Ok(pass.caller().map(|caller| caller.user().to_owned())), Some(pass)),
                Err(refusal) => (Err(refusal), None),
            };
            return Some(Done { outcome: Outcome::LoggedIn { id, user }, source: None, pass });
        }
        Effect::Publish { id, publish: ask } => {
            Outcome::Published { id, results: publish(&door, *ask).await }
        }
        Effect::Message { id, ask } => {
            Outcome::Message { id, answer: message_errand::run(door.topics(), *ask).await }
        }
        Effect::Settle { id, settle: ask } => {
            let results = settle(&door, &ask).await;
            Outcome::Settled { id, settle: ask, results }
        }
        Effect::Commit { subscription, farewell } => {
            Outcome::Committed { subscription, result: commit(&door, farewell).await }
        }
        Effect::Rejoin { subscription, topic, seat, session_timeout_ms, fallback, holds } => {
            let reader = reader(Some(&seat), &topic, session_timeout_ms, &holds);
            let result = rejoin(&door, &topic, &seat, reader, fallback).await;
            Outcome::Joined { subscription, result }
        }
        Effect::Grant { .. }
        | Effect::Pause(_)
        | Effect::Resume(_)
        | Effect::Watch { .. }
        | Effect::Drop { .. } => {
            return None;
        }
    };
    Some(Done { outcome, source: None, pass: None })
}

/// A bearer token or an API key, or a user's name and password joined by a colon.
async fn log_in(door: &WsDoor, token: &str, origin: Origin) -> Result<Pass, Refusal> {
    let guard = door.topics().guard();
    if !guard.is_required() {
        return Ok(Pass::Open);
    }
    let caller = match token.split_once(':') {
        Some((user, password)) => guard.password(user, password.as_bytes(), origin).await,
        None => guard.bearer(token, origin).await,
    };
    Ok(Pass::As(caller.map_err(|error| Refusal::from(LoginRefusal::Login(error)).in_field("/token"))?))
}

async fn open(
    door: &WsDoor,
    client: &Client,
    encoding: Encoding,
    subscription: Subscription,
    ask: &Subscribe,
) -> Result<(Opened, Source), Refusal> {
    let in_topic =
        |refusal: Refusal| if refusal.field.is_none() { refusal.in_field("/topic") } else { refusal };
    let in_group =
        |refusal: Refusal| if refusal.field.is_none() { refusal.in_field("/group") } else { refusal };
    let values = ask.values.as_deref().and_then(ValueMode::from_name).unwrap_or_default();
    match door.topics().topic(&ask.topic).map_err(in_topic)? {
        Topic::Queue(queue) => {
            let terms = for_queue(ask, door.limits())?;
            let options = SubscribeOptions {
                credit_messages: terms.credit.messages.unwrap_or(0),
                credit_bytes: terms.credit.bytes.unwrap_or(0),
                hold: terms.hold,
                priority: ask.priority.unwrap_or(0),
                exclusive: ask.exclusive.unwrap_or(false),
            };
            let holder = client.holder(subscription, door.topics().pass());
            let subscription = queue.subscribe_as(options, &holder).await.map_err(in_topic)?;
            Ok((Opened::Queue, Source::Queue(QueueSource::new(subscription))))
        }
        Topic::Log(log) => {
            let LogTerms { reading, .. } = for_log(ask)?;
            let opened = match reading {
                Reading::From(from) => Opened::Log(positions(&log, &from, ask.partitions.as_deref())?),
                Reading::Group { group, fallback, session_timeout_ms } => {
                    let reader = reader(None, &ask.topic, session_timeout_ms, &[]);
                    let joined = door.topics().group_join(&group, reader).await.map_err(in_group)?;
                    let assigned = joined.assignment.iter().map(|one| one.partition).collect::<Vec<_>>();
                    let positions = committed(door, &log, &group, &assigned, fallback).await?;
                    let seat = Seat { group, member_id: joined.member_id, generation: joined.generation };
                    Opened::Group { seat, positions }
                }
            };
            Ok((opened, Source::Log(LogSource::new(log, door.cache(), encoding, values))))
        }
    }
}

/// Where each partition of a stateless subscription starts.
fn positions(log: &LogTopic, from: &From, partitions: Option<&[u32]>) -> Result<Vec<Position>, Refusal> {
    let starts: Vec<(u32, StartAt)> = match (from, partitions) {
        (From::Each(each), _) => each.clone(),
        (From::Everywhere(start), Some(named)) => {
            named.iter().map(|&partition| (partition, *start)).collect()
        }
        (From::Everywhere(start), None) => {
            (0..log.partitions()).map(|partition| (partition, *start)).collect()
        }
    };
    if starts.is_empty() {
        return Err(Refusal::invalid(
            "/partitions",
            "name at least one partition, or leave `partitions` out",
        ));
    }
    let mut positions = Vec::with_capacity(starts.len());
    for (partition, start) in starts {
        let field = if matches!(from, From::Each(_)) { "/from" } else { "/partitions" };
        let bounds = log.bounds(partition).map_err(|refusal| refusal.in_field(field))?;
        let offset = log.resolve(partition, start)?;
        if !(bounds.log_start..=bounds.high_watermark.max(bounds.log_start)).contains(&offset) {
            let (first, end) = (bounds.log_start, bounds.high_watermark);
            let why = format!("partition {partition} holds offsets from {first} up to, without, {end}");
            return Err(Refusal::new(ErrorCode::OffsetOutOfRange, why).in_field("/from"));
        }
        positions.push(Position { partition, offset });
    }
    positions.sort_unstable_by_key(|position| position.partition);
    positions.dedup_by_key(|position| position.partition);
    Ok(positions)
}

/// Where a group's member goes on: behind what is committed, as far as it is still there.
async fn committed(
    door: &WsDoor,
    log: &LogTopic,
    group: &str,
    assigned: &[u32],
    fallback: StartAt,
) -> Result<Vec<Position>, Refusal> {
    let described = door.topics().group(group).await?;
    let name = log.name().as_str();
    let mut positions = Vec::with_capacity(assigned.len());
    for &partition in assigned {
        let of = described.offsets.iter().find(|one| one.topic == name && one.partition == partition);
        let bounds = log.bounds(partition)?;
        let offset = match of.and_then(|one| one.committed) {
            Some(offset) => offset,
            None => log.resolve(partition, fallback)?,
        };
        let offset = offset.clamp(bounds.log_start, bounds.high_watermark.max(bounds.log_start));
        positions.push(Position { partition, offset });
    }
    Ok(positions)
}

async fn publish(door: &WsDoor, ask: Publish) -> Result<Receipts, Refusal> {
    let Publish { target, messages, acks, idempotency, transaction } = ask;
    match (target, transaction) {
        (Target::Topic(topic), Some(transaction)) => {
            door.topics().publish_in_transaction(transaction, &topic, messages, idempotency).await
        }
        (Target::Topic(topic), None) => door.topics().publish(&topic, messages, acks, idempotency).await,
        (Target::Exchange { exchange, routing_key }, _) => {
            door.topics().publish_to_exchange(&exchange, &routing_key, messages, acks, idempotency).await
        }
    }
}

async fn settle(door: &WsDoor, ask: &Settle) -> Result<SettleResults, Refusal> {
    let action = match ask.verdict {
        Verdict::Ack => SettleAction::Ack,
        Verdict::Nack { delay_ms } => SettleAction::Nack { delay_ms },
        Verdict::Fail => SettleAction::Fail,
        Verdict::Reject => SettleAction::Reject,
        Verdict::Extend { lease_ms } => SettleAction::Extend { lease_ms },
    };
    let requests = ask.leases.iter().map(|&lease| SettleRequest { lease, action }).collect();
    let settled = door.topics().settle(requests, ask.acks).await?;
    Ok(settled.into_iter().map(|one| one.map(|settled| settled.lease_expires_at)).collect())
}

/// Commits a member's positions.
async fn commit(door: &WsDoor, ask: Farewell) -> Result<Vec<Position>, Refusal> {
    let Farewell { topic, seat, offsets } = ask;
    let positions =
        offsets.iter().map(|at| Position { partition: at.partition, offset: at.offset }).collect();
    let offsets = offsets
        .into_iter()
        .map(|at| CommitOffset {
            topic: topic.clone(),
            partition: at.partition,
            offset: at.offset,
            note: CommitNote {
                metadata: at.metadata,
                leader_epoch: at.leader_epoch,
                retention_ms: at.retention_ms,
            },
        })
        .collect();
    let commit = GroupCommit { member: Some(seat.member_id), generation: Some(seat.generation), offsets };
    door.topics().group_commit(&seat.group, commit, Acks::All).await?;
    Ok(positions)
}

fn reader(seat: Option<&Seat>, topic: &str, session_timeout_ms: u64, holds: &[u32]) -> Reader {
    let held = |&partition: &u32| TopicPartition { topic: topic.to_owned(), partition };
    Reader {
        member: seat.map(|seat| seat.member_id.clone()),
        door: "websocket",
        host: String::new(),
        topics: vec![topic.to_owned()],
        session_timeout: Duration::from_millis(session_timeout_ms),
        holds: holds.iter().map(held).collect(),
    }
}

/// Says that a member is alive. The partitions are only told when they are others than it holds.
async fn rejoin(
    door: &WsDoor,
    topic: &str,
    seat: &Seat,
    reader: Reader,
    fallback: StartAt,
) -> Result<(Seat, Option<Vec<Position>>), Refusal> {
    let joined = match door.topics().group_join(&seat.group, reader.clone()).await {
        // The group gave it up for lost: it comes back as a new member.
        Err(refusal) if refusal.code == ErrorCode::UnknownMember => {
            let anew = Reader { member: None, holds: Vec::new(), ..reader.clone() };
            door.topics().group_join(&seat.group, anew).await?
        }
        joined => joined?,
    };
    let same = joined.member_id == seat.member_id
        && joined.generation == seat.generation
        && joined.assignment == reader.holds;
    let seat = Seat { group: seat.group.clone(), member_id: joined.member_id, generation: joined.generation };
    if same {
        return Ok((seat, None));
    }
    let log = door.topics().log(topic)?;
    let assigned = joined.assignment.iter().map(|one| one.partition).collect::<Vec<_>>();
    let positions = committed(door, &log, &seat.group, &assigned, fallback).await?;
    Ok((seat, Some(positions)))
}

/// Tells a group that a member leaves, after its last positions. Nobody waits for it.
pub async fn leave(door: WsDoor, farewell: Farewell) {
    let (group, member) = (farewell.seat.group.clone(), farewell.seat.member_id.clone());
    if !farewell.offsets.is_empty()
        && let Err(error) = commit(&door, farewell).await
    {
        tracing::debug!(%error, %group, "the last positions of a member that left were not committed");
    }
    if let Err(error) = door.topics().group_leave(&group, &member).await {
        tracing::debug!(%error, %group, "a member that left was not known any more");
    }
}
