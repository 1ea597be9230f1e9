//! Looking at a topic's messages without taking them; one message by its id.

use std::ops::ControlFlow;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use message::ErrorCode;
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::media::Form;
use super::message_body::named_header;
use super::parameters::{PageQuery, TopicPath, ValuesQuery};
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals};
use super::reply;
use super::shapes::AnyMessage;
use super::topics::wrong_model;
use crate::auth::quota::Measure;
use crate::codec::cursor;
use crate::codec::render::{ValueMode, string, write_message};
use crate::refusal::Refusal;
use crate::topics::{LogTopic, MessageFilter, Topic};

/// Bytes of stored batches read for a page of a log.
const PAGE_BYTES: usize = 1 << 20;

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct MessagePath {
    /// The topic's name, percent-encoded.
    #[param(min_length = 1, max_length = 255, example = "orders")]
    topic: String,
    /// In a queue the message's id, in a log partition and offset: `0-42`.
    #[param(pattern = "^[0-9]{1,15}(-[0-9]{1,15})?$", example = "1")]
    id: String,
}

/// A page of messages.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct MessagePage {
    messages: Vec<AnyMessage>,
    /// Where to go on, if there are more.
    #[schema(required = false)]
    next_cursor: String,
}

/// How many messages were deleted.
#[derive(serde::Serialize, ToSchema)]
pub struct Purged {
    purged: u64,
}

/// Look at messages without taking them
///
/// A queue's in the order of their ids, those included that somebody holds or that wait for their time; a log's by
/// partition and offset. A page ends with `next_cursor` if there are more: repeat the request with it as the parameter
/// `cursor`. A queue is searched with the parameters `state`, `header`, `contains`, `key` and `message_id`; each request
/// looks at a bounded number of messages, so that a page may be empty and still have a `next_cursor`.
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}/messages",
    operation_id = "browse",
    tag = "messages",
    params(TopicPath, PageQuery, ValuesQuery, SearchQuery),
    responses((status = 200, description = "A page of messages", body = MessagePage), LookRefusals)
)]
pub async fn browse(api: Api, At(topic): At<String>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &BROWSE)?;
    let filter = search_of(&query)?;
    let limit = query.number("limit", 1..=1000)?.unwrap_or(100) as usize;
    let values = query.values()?;
    api.usage().admit(Measure::Consume, 1)?;
    let scope = format!("messages {topic}");
    let positions = match query.text("cursor") {
        Some(text) => cursor::positions(&scope, "cursor", text)?,
        None => Vec::new(),
    };
    let mut out = Vec::with_capacity(4096);
    out.extend_from_slice(b"{\"messages\":[");
    let next = match api.topics().topic(&topic)? {
        Topic::Queue(queue) => {
            let after = positions.first().map(|(_, id)| *id as u64);
            let (found, next) = if filter.is_any() {
                let mut found = queue.browse(after, limit + 1).await?;
                let more = found.len() > limit;
                found.truncate(limit);
                let next = found.last().filter(|_| more).map(|last| last.id());
                (found, next)
            } else {
                queue.search(after, limit, filter).await?
            };
            for (index, message) in found.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_message(&mut out, &message.view(), values);
            }
            next.map(|next| vec![(0, next as i64)])
        }
        Topic::Log(_) if !filter.is_any() => {
            return Err(wrong_model(&topic, "is a log: only queues are searched").into());
        }
        Topic::Log(log) => browse_log(&log, positions, limit, values, &mut out)?,
    };
    out.push(b']');
    if let Some(next) = next {
        out.extend_from_slice(b",\"next_cursor\":");
        string(&mut out, &cursor::at_positions(&scope, &next));
    }
    out.push(b'}');
    api.usage().take(Measure::Consume, out.len() as u64);
    Ok(reply::bytes(StatusCode::OK, Form::Json, out))
}

/// What a queue is searched for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described, never built")]
pub struct SearchQuery {
    /// Only messages of a queue that stand so.
    #[param(inline, required = false)]
    state: SearchedState,
    /// Only messages of a queue with this header: its name, or name and value as `name=value`.
    #[param(required = false, min_length = 1, max_length = 1000)]
    header: String,
    /// Only messages of a queue whose value holds this text.
    #[param(required = false, min_length = 1, max_length = 1000)]
    contains: String,
    /// Only messages of a queue with this key.
    #[param(required = false, min_length = 1, max_length = 1000)]
    key: String,
    /// Only messages of a queue that were published with this id.
    #[param(required = false, min_length = 1, max_length = 255)]
    message_id: String,
}

/// How a message of a queue stands.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "described, never built")]
enum SearchedState {
    Ready,
    Leased,
    Delayed,
    Dying,
    Damaged,
}

const BROWSE: [&str; 8] = ["limit", "cursor", "values", "state", "header", "contains", "key", "message_id"];

fn search_of(query: &Query<'_>) -> Result<MessageFilter, Problem> {
    let text = |name, longest| Ok::<_, Problem>(query.filled(name, longest)?.map(str::to_owned));
    Ok(MessageFilter {
        state: query.choice("state", &MessageFilter::STATES.map(|state| (state, state)))?,
        header: query.filled("header", 1000)?.map(named_header),
        contains: text("contains", 1000)?,
        key: text("key", 1000)?,
        message_id: text("message_id", 255)?,
    })
}

/// Writes a page and answers where the next one starts, if there is one.
fn browse_log(
    log: &LogTopic,
    positions: Vec<(u32, i64)>,
    limit: usize,
    values: ValueMode,
    out: &mut Vec<u8>,
) -> Result<Option<Vec<(u32, i64)>>, Refusal> {
    let mut left = limit;
    let mut next = Vec::with_capacity(log.partitions() as usize);
    let mut more = false;
    let mut first = true;
    for partition in 0..log.partitions() {
        let bounds = log.bounds(partition)?;
        let asked = positions.iter().find(|(have, _)| *have == partition).map(|(_, offset)| *offset);
        // What retention removed meanwhile is skipped, not refused.
        let mut at = asked.unwrap_or(bounds.log_start).clamp(bounds.log_start, bounds.last_stable_offset);
        while left > 0 && at < bounds.last_stable_offset {
            let chunk = log.read(partition, at, PAGE_BYTES)?;
            let mut shown = None;
            chunk.for_each(&mut |view| {
                if left == 0 {
                    return ControlFlow::Break(());
                }
                left -= 1;
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                if let crate::topics::Place::Log { offset, .. } = view.place {
                    shown = Some(offset);
                }
                write_message(out, &view, values);
                ControlFlow::Continue(())
            })?;
            at = match shown {
                Some(offset) if left == 0 => offset + 1,
                _ => chunk.next_offset.max(at + 1),
            };
        }
        more |= at < bounds.last_stable_offset;
        next.push((partition, at));
    }
    Ok(Some(next).filter(|_| more))
}

/// Delete every ready message of a queue
///
/// Messages that somebody holds stay theirs.
#[utoipa::path(
    delete,
    path = "/v1/topics/{topic}/messages",
    operation_id = "purge",
    tag = "messages",
    params(TopicPath),
    responses((status = 200, description = "Deleted", body = Purged), ChangeRefusals)
)]
pub async fn purge(api: Api, At(topic): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let purged = api.topics().queue(&topic)?.purge().await?;
    Ok(reply::json(StatusCode::OK, &Purged { purged }))
}

/// One message by its id
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}/messages/{id}",
    operation_id = "getMessage",
    tag = "messages",
    params(MessagePath, ValuesQuery),
    responses((status = 200, description = "The message", body = AnyMessage), LookRefusals)
)]
pub async fn get(
    api: Api,
    At((topic, id)): At<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let values = Query::parse(request.uri().query(), &["values"])?.values()?;
    api.usage().admit(Measure::Consume, 1)?;
    let mut out = Vec::with_capacity(1024);
    match api.topics().topic(&topic)? {
        Topic::Queue(queue) => {
            let id = id_in_queue(&id).ok_or_else(|| unknown(&topic, &id))?;
            write_message(&mut out, &queue.get(id).await?.view(), values);
        }
        Topic::Log(log) => {
            let (partition, offset) = id_in_log(&id).ok_or_else(|| unknown(&topic, &id))?;
            if !find_record(&log, partition, offset, values, &mut out)? {
                return Err(unknown(&topic, &id).into());
            }
        }
    }
    api.usage().take(Measure::Consume, out.len() as u64);
    Ok(reply::bytes(StatusCode::OK, Form::Json, out))
}

fn find_record(
    log: &LogTopic,
    partition: u32,
    offset: i64,
    values: ValueMode,
    out: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    if partition >= log.partitions() {
        return Ok(false);
    }
    let bounds = log.bounds(partition)?;
    if !(bounds.log_start..bounds.last_stable_offset).contains(&offset) {
        return Ok(false);
    }
    let mut found = false;
    log.read(partition, offset, 1)?.for_each(&mut |view| {
        if matches!(view.place, crate::topics::Place::Log { offset: have, .. } if have == offset) {
            write_message(out, &view, values);
            found = true;
        }
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// Delete one message of a queue
///
/// Whoever holds it: a lease on it ends.
#[utoipa::path(
    delete,
    path = "/v1/topics/{topic}/messages/{id}",
    operation_id = "deleteMessage",
    tag = "messages",
    params(MessagePath),
    responses((status = 204, description = "Deleted"), ChangeRefusals)
)]
pub async fn delete(
    api: Api,
    At((topic, id)): At<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let Topic::Queue(queue) = api.topics().topic(&topic)? else {
        return Err(wrong_model(&topic, "is a log: its records are not deleted one by one").into());
    };
    queue.delete_message(id_in_queue(&id).ok_or_else(|| unknown(&topic, &id))?).await?;
    Ok(reply::no_content())
}

pub(super) fn unknown(topic: &str, id: &str) -> Refusal {
    let id: String = id.chars().take(80).collect();
    Refusal::new(ErrorCode::UnknownMessage, format!("{topic} has no message {id}")).in_field("id")
}

fn plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn id_in_queue(id: &str) -> Option<u64> {
    id.parse().ok().filter(|_| plain(id))
}

fn id_in_log(id: &str) -> Option<(u32, i64)> {
    let (partition, offset) =
        id.split_once('-').filter(|(partition, offset)| plain(partition) && plain(offset))?;
    Some((partition.parse().ok()?, offset.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_strictly() {
        assert_eq!(id_in_queue("17"), Some(17));
        assert_eq!(id_in_log("3-42"), Some((3, 42)));
        for bad in ["", "+1", "-1", "1-", "-", "1-2-3", "x", "99999999999999999999"] {
            assert_eq!((id_in_queue(bad), id_in_log(bad)), (None, None), "{bad}");
        }
    }
}
