//! Bodies that change or move messages of a queue.

use std::collections::BTreeMap;

use message::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::document;
use super::publish_schema::Moment;
use super::replay_body::{Destination, ReplayDestination};
use crate::codec::json_moment;
use crate::refusal::Refusal;
use crate::topics::{MessageChange, MessageEdits, MessageFilter, ReplayTarget};

/// What is to change in a message that stays in its queue: `MessageChangeSchema` describes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MessageChangeBody {
    #[serde(deserialize_with = "document::maybe_whole::<0, 255, u8, _>")]
    priority: Option<u8>,
    #[serde(deserialize_with = "document::maybe_whole::<0, 1125899906842624, u64, _>")]
    delay_ms: Option<u64>,
    #[serde(deserialize_with = "json_moment::given")]
    deliver_at: Option<i64>,
}

/// What is to change in a message that stays in its queue: at least one thing, and one way to say when it is ready.
#[derive(ToSchema)]
#[schema(as = MessageChangeBody, examples(json!({"priority": 9})))]
#[serde(untagged)]
#[allow(dead_code, reason = "described, never built")]
pub enum MessageChangeSchema {
    /// With a time from now on, or none.
    After(MessageChangeAfter),
    /// With a moment.
    At(MessageChangeAt),
}

/// A change of priority, or of the time as a span.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
#[allow(dead_code, reason = "described, never built")]
pub struct MessageChangeAfter {
    /// Its new priority: higher first. The queue's `max_priority` clamps it.
    #[schema(required = false, minimum = 0, maximum = 255)]
    priority: u8,
    /// When it is to be ready, from now on; 0 is at once. Whoever holds the message loses it.
    #[schema(required = false, minimum = 0, maximum = 1125899906842624u64)]
    delay_ms: u64,
}

/// A change of the time as a moment.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "described, never built")]
pub struct MessageChangeAt {
    /// Its new priority: higher first. The queue's `max_priority` clamps it.
    #[schema(required = false, minimum = 0, maximum = 255)]
    priority: u8,
    /// When it is to be ready: milliseconds since the epoch, or as in RFC 3339. Whoever holds the message loses it.
    #[schema(value_type = Moment)]
    deliver_at: i64,
}

impl TryFrom<MessageChangeBody> for MessageChange {
    type Error = Refusal;

    fn try_from(body: MessageChangeBody) -> Result<MessageChange, Refusal> {
        let MessageChangeBody { priority, delay_ms, deliver_at } = body;
        let change = MessageChange { priority, delay_ms, deliver_at };
        if change == MessageChange::default() {
            return Err(Refusal::invalid("", "give `priority`, `delay_ms` or `deliver_at`"));
        }
        Ok(change)
    }
}

/// Where a message is to go, and what changes on the way.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"destination": {"topic": "orders"}}))]
pub struct MessageMoveBody {
    /// A queue, or an exchange.
    #[schema(value_type = ReplayDestination)]
    destination: Destination,
    /// What changes.
    #[serde(default)]
    #[schema(required = false)]
    edit: MessageEditBody,
}

impl TryFrom<MessageMoveBody> for (ReplayTarget, MessageEdits) {
    type Error = Refusal;

    fn try_from(body: MessageMoveBody) -> Result<(ReplayTarget, MessageEdits), Refusal> {
        Ok((body.destination.try_into()?, body.edit.try_into()?))
    }
}

/// What changes in messages that move.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MessageEditBody {
    /// Headers that they get, in place of those of the same name: text, numbers or truth values.
    #[schema(required = false, value_type = SetHeaders)]
    set_headers: BTreeMap<String, Value>,
    /// Headers that they lose.
    #[schema(required = false, max_items = 1000)]
    remove_headers: Vec<String>,
    /// The priority that they get.
    #[serde(deserialize_with = "document::maybe_whole::<0, 255, u8, _>")]
    #[schema(required = false, value_type = u8, minimum = 0, maximum = 255)]
    priority: Option<u8>,
}

/// Headers with their new values.
pub struct SetHeaders;

impl PartialSchema for SetHeaders {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
        let kinds = [Type::String, Type::Integer, Type::Boolean];
        let value = ObjectBuilder::new().schema_type(SchemaType::from_iter(kinds));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property_names(Some(name))
            .additional_properties(Some(RefOr::T(Schema::from(value.build()))))
            .build()
            .into()
    }
}

impl ToSchema for SetHeaders {}

impl TryFrom<MessageEditBody> for MessageEdits {
    type Error = Refusal;

    fn try_from(body: MessageEditBody) -> Result<MessageEdits, Refusal> {
        let mut set_headers = Vec::with_capacity(body.set_headers.len());
        for (name, value) in body.set_headers {
            let field = || format!("/edit/set_headers/{}", name.chars().take(80).collect::<String>());
            if name.is_empty() || name.len() > 255 {
                return Err(Refusal::invalid(field(), "a header's name has 1 to 255 bytes"));
            }
            let value = match value {
                Value::String(text) => HeaderValue::Text(text),
                Value::Bool(flag) => HeaderValue::Bool(flag),
                Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                    (Some(whole), _) => HeaderValue::Int(whole),
                    (None, Some(float)) => HeaderValue::Float(float),
                    (None, None) => return Err(Refusal::invalid(field(), "this number does not fit")),
                },
                _ => return Err(Refusal::invalid(field(), "this is text, a number or a truth value")),
            };
            set_headers.push((name, value));
        }
        Ok(MessageEdits { set_headers, remove_headers: body.remove_headers, priority: body.priority })
    }
}

/// Which messages are wanted: those that fit all that is given.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MessageFilterBody {
    /// A header that they have: its name, or name and value as `name=value`.
    #[serde(deserialize_with = "document::given")]
    #[schema(required = false, value_type = String, min_length = 1, max_length = 1000)]
    header: Option<String>,
    /// Text that their value holds.
    #[serde(deserialize_with = "document::given")]
    #[schema(required = false, value_type = String, min_length = 1, max_length = 1000)]
    contains: Option<String>,
    /// Their key.
    #[serde(deserialize_with = "document::given")]
    #[schema(required = false, value_type = String, max_length = 1000)]
    key: Option<String>,
    /// The `message_id` that they were published with.
    #[serde(deserialize_with = "document::given")]
    #[schema(required = false, value_type = String, max_length = 255)]
    message_id: Option<String>,
}

impl From<MessageFilterBody> for MessageFilter {
    fn from(body: MessageFilterBody) -> MessageFilter {
        MessageFilter {
            state: None,
            header: body.header.as_deref().map(named_header),
            contains: body.contains,
            key: body.key,
            message_id: body.message_id,
        }
    }
}

/// Reads `name` or `name=value`.
pub fn named_header(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}
