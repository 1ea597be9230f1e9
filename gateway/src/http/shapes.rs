//! The shapes of messages and results in JSON, for the description only: `codec::render` writes them.

#![allow(dead_code, reason = "described, never built")]

use serde_json::Value;
use utoipa::ToSchema;

use super::refusals::ProblemSchema;

/// A header of a message.
#[derive(ToSchema)]
pub struct Header {
    /// Its name; may repeat.
    name: String,
    /// Text, or any JSON where the header is typed.
    #[schema(required = false)]
    value: Value,
    /// Instead of `value`, when it is bytes.
    #[schema(required = false)]
    value_base64: String,
}

/// A record of a log. It has exactly one of `value` and `value_base64`.
#[derive(ToSchema)]
pub struct Record {
    /// The log; only when read as a group.
    #[schema(required = false)]
    topic: String,
    /// Its partition.
    #[schema(minimum = 0)]
    partition: u32,
    /// Its offset.
    #[schema(minimum = 0)]
    offset: i64,
    /// Milliseconds since the epoch.
    timestamp: i64,
    /// As published; `null` when there is none.
    #[schema(required = false)]
    key: Option<String>,
    /// Instead of `key`, when that is not UTF-8.
    #[schema(required = false)]
    key_base64: String,
    /// In the order published.
    headers: Vec<Header>,
    /// What the value is.
    #[schema(required = false, example = "application/json")]
    content_type: String,
    /// JSON, text, or `null` for a tombstone.
    #[schema(required = false)]
    value: Value,
    /// Instead of `value`, when that is neither.
    #[schema(required = false)]
    value_base64: String,
}

/// A message of a queue. It has exactly one of `value` and `value_base64`.
#[derive(ToSchema)]
pub struct Message {
    /// Its id within the queue.
    #[schema(minimum = 0)]
    id: u64,
    /// When it arrived, milliseconds since the epoch.
    timestamp: i64,
    /// As published; `null` when there is none.
    #[schema(required = false)]
    key: Option<String>,
    /// Instead of `key`, when that is not UTF-8.
    #[schema(required = false)]
    key_base64: String,
    /// In the order published.
    headers: Vec<Header>,
    /// What the value is.
    #[schema(required = false, example = "application/json")]
    content_type: String,
    /// Higher first.
    #[schema(minimum = 0, maximum = 255)]
    priority: u8,
    /// How often it was handed out, this time included.
    #[schema(minimum = 0)]
    attempt: u32,
    /// Whether it was handed out before.
    redelivered: bool,
    /// As published.
    #[schema(required = false)]
    message_id: String,
    /// As published.
    #[schema(required = false)]
    correlation_id: String,
    /// As published.
    #[schema(required = false)]
    reply_to: String,
    /// The token to settle it with.
    #[schema(required = false)]
    lease: String,
    /// When the lease ends, milliseconds since the epoch. Absent when it lasts until the message is settled.
    #[schema(required = false)]
    lease_expires_at: i64,
    /// When only looked at.
    #[schema(required = false)]
    state: MessageState,
    /// Who holds it, when only looked at and somebody does.
    #[schema(required = false)]
    held_by: String,
    /// When a delayed message becomes ready, milliseconds since the epoch.
    #[schema(required = false)]
    ready_at: i64,
    /// Attempts that failed, if the queue has `retry` set and there were any: the latest 64.
    #[schema(required = false)]
    failures: Vec<Failure>,
    /// JSON or text.
    #[schema(required = false)]
    value: Value,
    /// Instead of `value`, when that is neither.
    #[schema(required = false)]
    value_base64: String,
}

/// An attempt that failed.
#[derive(ToSchema)]
pub struct Failure {
    /// Which delivery it was, from 1.
    #[schema(minimum = 1)]
    attempt: u32,
    /// How it ended.
    outcome: FailureOutcome,
    /// When it ended, milliseconds since the epoch.
    at: i64,
    /// Until when the message was to wait, milliseconds since the epoch; absent when it was not.
    #[schema(required = false)]
    retry_at: i64,
}

/// How an attempt ended that failed.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum FailureOutcome {
    /// The consumer returned the message.
    Returned,
    /// The lease ended by itself.
    LeaseExpired,
    /// The consumer rejected the message.
    Rejected,
}

/// How a message of a queue stands.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum MessageState {
    /// It can be taken.
    Ready,
    /// Somebody holds it.
    Leased,
    /// It waits for its time.
    Delayed,
    /// It waits to be moved to the dead-letter exchange.
    Dying,
}

/// A message of either model.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum AnyMessage {
    /// Of a log.
    Record(Record),
    /// Of a queue.
    Message(Message),
}

/// What one message became, or why it was refused.
#[derive(ToSchema)]
pub struct PublishResult {
    /// In a log.
    #[schema(required = false, minimum = 0)]
    partition: u32,
    /// In a log.
    #[schema(required = false, minimum = 0)]
    offset: i64,
    /// In a log: as stored, milliseconds since the epoch.
    #[schema(required = false)]
    timestamp: i64,
    /// In a queue.
    #[schema(required = false, minimum = 0)]
    id: u64,
    /// In a queue that took a message with this `message_id` before, within its window: `id` is that one's, and nothing
    /// was added.
    #[schema(required = false)]
    duplicate: bool,
    /// Through an exchange: how many queues have it.
    #[schema(required = false, minimum = 0)]
    queues: u32,
    /// Through an exchange: how many of the queues had it before, by its `message_id`.
    #[schema(required = false, minimum = 1)]
    duplicates: u32,
    /// Through an exchange: how many logs took it.
    #[schema(required = false, minimum = 0)]
    logs: u32,
    /// Through an exchange: whether one holds it back. Where it goes shows when its delay is over.
    #[schema(required = false)]
    held: bool,
    /// With `acks=none`, or for a queue within a transaction: nothing is known of it yet.
    #[schema(required = false)]
    unconfirmed: bool,
    /// Why it was refused.
    #[schema(required = false, value_type = ProblemSchema)]
    error: Value,
}

/// One result per message, in the order sent.
#[derive(ToSchema)]
pub struct PublishResults {
    results: Vec<PublishResult>,
}
