//! Commands as the subprotocol `sluice.v1.json` writes them.

use std::borrow::Cow;

use bytes::Bytes;
use message::ErrorCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::command::{
    AckRecords, Auth, BadFrame, Command, CommandId, Commit, CreditGrant, OffsetRun, Publish, Request, Settle,
    Target, Verdict,
};
use super::json_fields::{
    AckFields, AcksField, AuthFields, CommitFields, CreditFields, ExtendFields, NackFields, NoFields,
    PauseFields, PublishFields, RecordFields, RejectFields, SubscribeFields, SubscriptionField,
};
use super::message_fields::{BrowseFields, ChangeFields, DeleteFields, GetFields, MoveFields};
use crate::codec::json_message::parse_list;
use crate::codec::json_trail::nearest;
use crate::refusal::Refusal;
use crate::topics::{Acks, Lease, NotATransaction, TransactionId};

/// Every command's name.
pub const NAMES: [&str; 19] = [
    "subscribe",
    "publish",
    "ack",
    "nack",
    "fail",
    "reject",
    "extend",
    "credit",
    "pause",
    "resume",
    "commit",
    "unsubscribe",
    "browse",
    "get",
    "change",
    "move",
    "delete",
    "auth",
    "ping",
];

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

/// Reads one text frame.
pub fn decode(text: &Bytes) -> Result<Request, BadFrame> {
    let garbage = |refusal| BadFrame { id: None, refusal, garbage: true };
    let head: Head<'_> = serde_json::from_slice(text)
        .map_err(|error| garbage(Refusal::invalid("", format!("a frame is one JSON object: {error}"))))?;
    let id = match head.id {
        Some(raw) => read_id(raw.get()).map_err(garbage)?,
        None => return Err(garbage(Refusal::invalid("/id", "every command carries an `id`"))),
    };
    let known = |refusal| BadFrame { id: Some(id.clone()), refusal, garbage: false };
    let kind = head.kind.ok_or_else(|| known(Refusal::invalid("/type", "every command carries a `type`")))?;
    let command = decode_named(&kind, text).map_err(known)?;
    Ok(Request { id, command })
}

/// Reads a command whose id came in the header of a binary frame.
pub fn decode_with_id(id: u32, text: &Bytes) -> Result<Request, BadFrame> {
    let id = CommandId::Number(u64::from(id));
    let known = |refusal| BadFrame { id: Some(id.clone()), refusal, garbage: false };
    let head: Head<'_> = serde_json::from_slice(text).map_err(|error| BadFrame {
        garbage: true,
        ..known(Refusal::invalid("", format!("a control frame carries one JSON object: {error}")))
    })?;
    if head.id.is_some() {
        return Err(known(Refusal::invalid("/id", "in a binary frame the id travels in the header only")));
    }
    let kind = head.kind.ok_or_else(|| known(Refusal::invalid("/type", "every command carries a `type`")))?;
    let command = decode_named(&kind, text).map_err(known)?;
    Ok(Request { id, command })
}

fn read_id(raw: &str) -> Result<CommandId, Refusal> {
    let wrong = || {
        let most = CommandId::TEXT_BYTES;
        Refusal::invalid("/id", format!("an id is a whole number from 0 up or at most {most} bytes of text"))
    };
    match serde_json::from_str::<CommandId>(raw).map_err(|_| wrong())? {
        CommandId::Text(text) if text.len() > CommandId::TEXT_BYTES => Err(wrong()),
        id => Ok(id),
    }
}

fn decode_named(kind: &str, text: &Bytes) -> Result<Command, Refusal> {
    Ok(match kind {
        "subscribe" => Command::Subscribe(fields::<SubscribeFields>(text)?.into_command()?),
        "publish" => Command::Publish(publish(text)?),
        "ack" => ack(fields::<AckFields>(text)?)?,
        "nack" => {
            let body = fields::<NackFields>(text)?;
            let leases = leases_of("nack", body.leases, body.subscription, body.records)?;
            settle(&leases, Verdict::Nack { delay_ms: body.delay_ms }, body.acks)?
        }
        "fail" | "reject" => {
            let body = fields::<RejectFields>(text)?;
            let leases = leases_of(kind, body.leases, body.subscription, body.records)?;
            let verdict = if kind == "fail" { Verdict::Fail } else { Verdict::Reject };
            settle(&leases, verdict, body.acks)?
        }
        "extend" => {
            let body = fields::<ExtendFields>(text)?;
            let leases = leases_of("extend", body.leases, body.subscription, body.records)?;
            settle(&leases, Verdict::Extend { lease_ms: body.lease_ms }, body.acks)?
        }
        "credit" => {
            let body = fields::<CreditFields>(text)?;
            Command::Credit(body.subscription, CreditGrant { messages: body.messages, bytes: body.bytes })
        }
        "pause" => {
            let body = fields::<PauseFields>(text)?;
            Command::Pause(body.subscription, body.partitions)
        }
        "resume" => {
            let body = fields::<PauseFields>(text)?;
            Command::Resume(body.subscription, body.partitions)
        }
        "unsubscribe" => Command::Unsubscribe(fields::<SubscriptionField>(text)?.subscription),
        "commit" => {
            let body = fields::<CommitFields>(text)?;
            Command::Commit(Commit { subscription: body.subscription, offsets: body.offsets })
        }
        "browse" => fields::<BrowseFields>(text)?.into_command()?,
        "get" => fields::<GetFields>(text)?.into_command()?,
        "change" => fields::<ChangeFields>(text)?.into_command()?,
        "move" => fields::<MoveFields>(text)?.into_command()?,
        "delete" => fields::<DeleteFields>(text)?.into_command(),
        "auth" => Command::Auth(Auth { token: fields::<AuthFields>(text)?.token }),
        "ping" => {
            fields::<NoFields>(text)?;
            Command::Ping
        }
        other => {
            let shown: String = other.chars().take(40).collect();
            let hint =
                nearest(&shown, &NAMES).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            return Err(Refusal::invalid("/type", format!("there is no command {shown:?}{hint}")));
        }
    })
}

/// Reads the fields of one command; the refusal names the one at fault as a JSON pointer.
fn fields<'t, T: Deserialize<'t>>(text: &'t Bytes) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let mut pointer = String::new();
        for step in error.path() {
            let step = match step {
                serde_path_to_error::Segment::Seq { index } => index.to_string(),
                serde_path_to_error::Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
                serde_path_to_error::Segment::Enum { variant } => variant.clone(),
                serde_path_to_error::Segment::Unknown => continue,
            };
            pointer.push('/');
            pointer.push_str(&step);
        }
        Refusal::invalid(pointer, error.into_inner().to_string())
    })
}

fn settle(texts: &[String], verdict: Verdict, acks: AcksField) -> Result<Command, Refusal> {
    let mut leases = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let lease = text
            .parse::<Lease>()
            .map_err(|error| Refusal::invalid(format!("/leases/{index}"), error.to_string()))?;
        leases.push(lease);
    }
    Ok(Command::Settle(Settle { leases, verdict, acks: acks.into() }))
}

/// The leases of a command that only queues know; naming records of a log is told apart from naming nothing.
fn leases_of(
    command: &str,
    leases: Option<Vec<String>>,
    subscription: Option<IgnoredAny>,
    records: Option<IgnoredAny>,
) -> Result<Vec<String>, Refusal> {
    let stray = if records.is_some() { Some("/records") } else { subscription.map(|_| "/subscription") };
    match (leases, stray) {
        (Some(leases), None) => Ok(leases),
        (None, None) => Err(Refusal::invalid("/leases", format!("`{command}` needs a list of `leases`"))),
        (_, Some(field)) => {
            let why = format!(
                "`{command}` is for leases of a queue; a log keeps its records, so they are only acknowledged or committed"
            );
            Err(Refusal::new(ErrorCode::WrongModel, why).in_field(field))
        }
    }
}

fn ack(body: AckFields) -> Result<Command, Refusal> {
    match (body.leases, body.subscription, body.records) {
        (Some(leases), None, None) => settle(&leases, Verdict::Ack, body.acks.unwrap_or_default()),
        (None, Some(subscription), Some(records)) => {
            if body.acks.is_some() {
                return Err(Refusal::invalid(
                    "/acks",
                    "offsets are always committed durably: leave `acks` out",
                ));
            }
            Ok(Command::AckRecords(AckRecords { subscription, runs: runs(&records) }))
        }
        (None, None, Some(_)) => {
            Err(Refusal::invalid("/subscription", "`records` need the `subscription` that delivered them"))
        }
        (None, Some(_), None) => {
            Err(Refusal::invalid("/records", "name the records to acknowledge, or give `leases` instead"))
        }
        (Some(_), _, _) => Err(Refusal::invalid(
            "/leases",
            "give `leases` (a queue) or `subscription` and `records` (a log), not both",
        )),
        (None, None, None) => Err(Refusal::invalid(
            "/leases",
            "give `leases` (a queue), or `subscription` and `records` (a log)",
        )),
    }
}

/// Neighbours become one run, so that what follows costs per run.
fn runs(records: &[RecordFields]) -> Vec<OffsetRun> {
    let mut runs: Vec<OffsetRun> = Vec::new();
    for record in records {
        for &offset in &record.offsets {
            match runs.last_mut() {
                Some(run) if run.partition == record.partition && offset == run.last.saturating_add(1) => {
                    run.last = offset;
                }
                _ => runs.push(OffsetRun { partition: record.partition, first: offset, last: offset }),
            }
        }
    }
    runs
}

fn publish(text: &Bytes) -> Result<Publish, Refusal> {
    let body = fields::<PublishFields<'_>>(text)?;
    let target = match (body.topic, body.exchange, body.routing_key) {
        (Some(topic), None, None) => Target::Topic(topic),
        (None, Some(exchange), routing_key) => {
            Target::Exchange { exchange, routing_key: routing_key.unwrap_or_default() }
        }
        (Some(_), None, Some(_)) => {
            return Err(Refusal::invalid(
                "/routing_key",
                "a routing key belongs to an `exchange`, not to a `topic`",
            ));
        }
        (Some(_), Some(_), _) => {
            return Err(Refusal::invalid("/exchange", "give either `topic` or `exchange`, not both"));
        }
        (None, None, _) => return Err(Refusal::invalid("/topic", "give a `topic` or an `exchange`")),
    };
    let raw = body.messages.get().as_bytes();
    let messages = parse_list(&text.slice_ref(raw), "/messages")?;
    let idempotency = match body.idempotency_key {
        Some(key) => Some(super::idempotency::named(key, &target, raw)?),
        None => None,
    };
    let transaction = match body.transaction {
        Some(text) => Some(in_transaction(&text, &target, body.acks.into())?),
        None => None,
    };
    Ok(Publish { target, messages, acks: body.acks.into(), idempotency, transaction })
}

fn in_transaction(text: &str, target: &Target, acks: Acks) -> Result<TransactionId, Refusal> {
    let transaction =
        text.parse().map_err(|error: NotATransaction| Refusal::invalid("/transaction", error.to_string()))?;
    if matches!(target, Target::Exchange { .. }) {
        let why = "an exchange cannot be part of a transaction; publish to the queue or log itself";
        return Err(Refusal::invalid("/exchange", why));
    }
    if acks != Acks::All {
        let why = "what belongs to a transaction is always on disk before it is confirmed; leave `acks` out";
        return Err(Refusal::invalid("/acks", why));
    }
    Ok(transaction)
}
