use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::message_edit::{MessageEdits, MessageFilter};

/// Where in a log to start or stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartAt {
    /// The first offset still held.
    Earliest,
    /// The end, as it is now.
    Latest,
    /// This offset.
    Offset(i64),
    /// The first record at or after this time, milliseconds since the epoch.
    Time(i64),
}

/// Where a replay sends what it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplayTarget {
    /// A topic of either model.
    Topic(String),
    /// An exchange, with a routing key.
    Exchange {
        /// Its name; empty is the default exchange.
        exchange: String,
        /// The key; absent: each record's own key.
        routing_key: Option<String>,
    },
}

/// A stretch of a log to be published again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaySpec {
    /// The log.
    pub source: String,
    /// Which partitions; empty: all.
    pub partitions: Vec<u32>,
    /// Where to start.
    pub from: StartAt,
    /// Where to stop, before the record there.
    pub to: StartAt,
    /// Where to.
    pub target: ReplayTarget,
    /// Most messages a second.
    pub rate_per_s: Option<u32>,
}

/// Dead letters to be sent back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RedriveSpec {
    /// Where to send them instead of where each came from: a queue or an exchange.
    pub destination: Option<ReplayTarget>,
    /// Only these, by id; empty: all.
    pub ids: Vec<u64>,
    /// Only those that died in this queue last.
    pub died_in: Option<String>,
    /// Only those that fit.
    pub filter: MessageFilter,
    /// What changes in each.
    pub edits: MessageEdits,
    /// Most messages to move.
    pub max: Option<u64>,
    /// Most messages a second.
    pub rate_per_s: Option<u32>,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// A log's past into a topic or exchange.
    Replay,
    /// Dead letters back to where they came from.
    Redrive,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// At work.
    Running,
    /// All done.
    Done,
    /// Stopped by request; what was moved stays moved.
    Cancelled,
    /// Stopped by an error.
    Failed,
}

/// A job as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct JobDescription {
    /// Its id.
    pub id: String,
    /// What it does.
    pub kind: JobKind,
    /// How it stands.
    pub state: JobState,
    /// The topic that it reads.
    pub source: String,
    /// The topic or exchange that it writes; absent: each message's own origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub destination: Option<String>,
    /// Messages moved so far.
    pub moved: u64,
    /// Messages to move, as far as known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub total: Option<u64>,
    /// When it started, milliseconds since the epoch.
    pub started_at: i64,
    /// When it ended, milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ended_at: Option<i64>,
    /// What stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<String>,
}
