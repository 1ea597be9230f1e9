//! Single messages of a queue found, changed and moved, whoever holds them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use message::{HeaderTable, HeaderTableBuilder, HeaderValue, Timestamp, TopicName};
use queue_engine::{Amendment, Destination, Edits, MessageId, QueueError, Search, SearchBounds};

use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};

use super::Topics;
use super::authorization::Act;
use super::deeds::Deed;
use super::delivery::QueueDelivery;
use super::job_spec::ReplayTarget;
use super::outgoing::Acks;
use super::queue_topic::{LOOK, QueueTopic};
use super::shard::{Room, Terms, Turn};
use crate::refusal::Refusal;

/// Messages that one search looks at before it answers, found or not.
const LOOKED_AT: usize = 20_000;
/// Bytes of messages that one search reads before it answers.
const SEARCHED_BYTES: u64 = 4 << 20;

/// One of [`MessageFilter::STATES`].
pub type StateName = &'static str;

/// Which messages of a queue are wanted: those that fit all that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageFilter {
    /// Where they stand: `ready`, `leased`, `delayed`, `dying` or `damaged`.
    #[serde(deserialize_with = "read_state")]
    pub state: Option<StateName>,
    /// A header that they have, and its value as text.
    pub header: Option<(String, Option<String>)>,
    /// Text that their value holds.
    pub contains: Option<String>,
    /// Their key.
    pub key: Option<String>,
    /// The id that their publisher gave them.
    pub message_id: Option<String>,
}

fn read_state<'de, D: Deserializer<'de>>(from: D) -> Result<Option<StateName>, D::Error> {
    let Some(name) = Option::<String>::deserialize(from)? else { return Ok(None) };
    let known = MessageFilter::STATES.into_iter().find(|state| *state == name);
    known.map(Some).ok_or_else(|| D::Error::custom("no such state"))
}

impl MessageFilter {
    /// The names of the states.
    pub const STATES: [StateName; 5] = ["ready", "leased", "delayed", "dying", "damaged"];

    /// Whether it lets everything through.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self == MessageFilter::default()
    }
}

impl From<MessageFilter> for Search {
    fn from(filter: MessageFilter) -> Search {
        Search {
            state: filter.state,
            header: filter.header,
            body: filter.contains.map(String::into_bytes),
            key: filter.key.map(String::into_bytes),
            message_id: filter.message_id,
        }
    }
}

/// What is to become of a message that stays in its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageChange {
    /// Its new priority.
    pub priority: Option<u8>,
    /// When it is to be ready, from now on in milliseconds.
    pub delay_ms: Option<u64>,
    /// When it is to be ready, milliseconds since the epoch.
    pub deliver_at: Option<i64>,
}

/// What changes in a message that moves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MessageEdits {
    /// Headers that it gets, in place of those of the same name.
    #[serde(serialize_with = "put_headers", deserialize_with = "read_headers")]
    pub set_headers: Vec<(String, HeaderValue)>,
    /// Headers that it loses.
    pub remove_headers: Vec<String>,
    /// The priority that it gets.
    pub priority: Option<u8>,
}

/// Typed headers as AMQP writes them: JSON would lose what they are.
fn put_headers<S: Serializer>(headers: &[(String, HeaderValue)], to: S) -> Result<S::Ok, S::Error> {
    let mut table = HeaderTableBuilder::new();
    for (name, value) in headers {
        table.push(name, value).map_err(S::Error::custom)?;
    }
    to.serialize_str(&BASE64.encode(table.build().as_bytes()))
}

fn read_headers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, HeaderValue)>, D::Error> {
    let bytes = BASE64.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
    let table = HeaderTable::from_bytes(bytes.into()).map_err(D::Error::custom)?;
    Ok(table.iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

impl From<MessageEdits> for Edits {
    fn from(edits: MessageEdits) -> Edits {
        let MessageEdits { set_headers, remove_headers, priority } = edits;
        Edits { set_headers, remove_headers, priority }
    }
}

/// A target in the engine's words, once names were checked.
pub(crate) enum Way {
    Queue(TopicName),
    Exchange { name: String, key: String },
}

impl Way {
    pub(crate) fn new(target: &ReplayTarget) -> Result<Way, Refusal> {
        Ok(match target {
            ReplayTarget::Topic(name) => Way::Queue(TopicName::new(name)?),
            ReplayTarget::Exchange { exchange, routing_key } => {
                Way::Exchange { name: exchange.clone(), key: routing_key.clone().unwrap_or_default() }
            }
        })
    }

    pub(crate) fn destination(&self) -> Destination<'_> {
        match self {
            Way::Queue(name) => Destination::Queue(name),
            Way::Exchange { name, key } => Destination::Exchange { name, routing_key: key },
        }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Way::Queue(name) => write!(f, "queue {name}"),
            Way::Exchange { name, key } => write!(f, "exchange {name:?} by {key:?}"),
        }
    }
}

/// Journal bytes of a move that needs no block of its own.
const TRANSFER_BYTES: usize = 128 << 10;

impl Topics {
    /// Moves one message, whoever holds it, in one step. A `target` that is a topic must be a queue.
    pub async fn move_message(
        &self,
        queue: &QueueTopic,
        id: u64,
        target: &ReplayTarget,
        edits: MessageEdits,
    ) -> Result<(), Refusal> {
        self.allow_target(target)?;
        queue.move_message(id, target, edits).await
    }
}

impl QueueTopic {
    /// Looks for messages in order of id, from after `after` on. Answers those found and where to go on; a page may be
    /// empty although it is not the last.
    pub async fn search(
        &self,
        after: Option<u64>,
        limit: usize,
        filter: MessageFilter,
    ) -> Result<(Vec<QueueDelivery>, Option<u64>), Refusal> {
        self.allow(Act::Consume)?;
        let name = self.name.clone();
        let search = Search::from(filter);
        let look = move |turn: &mut Turn<'_>| {
            let bounds = SearchBounds { found: limit, looked_at: LOOKED_AT, bytes: SEARCHED_BYTES };
            let page = turn.engines.queue.search(&name, after.map(MessageId), &search, bounds)?;
            let next = page.next.map(|next| next.0);
            let found = page.messages.into_iter().map(|seen| turn.engines.shown(seen));
            Ok((found.collect::<Result<Vec<_>, Refusal>>()?, next))
        };
        self.shard.call(LOOK, look).await?
    }

    /// Changes one message, whoever holds it, and answers how it stands then.
    pub async fn amend(&self, id: u64, change: MessageChange) -> Result<QueueDelivery, Refusal> {
        self.allow(Act::ChangeMessage)?;
        if change.delay_ms.is_some() && change.deliver_at.is_some() {
            let detail = "give either `delay_ms` or `deliver_at`, not both";
            return Err(Refusal::invalid("/deliver_at", detail));
        }
        let queue = self.clone();
        let amend = move |turn: &mut Turn<'_>| {
            let now = turn.now;
            let after = |ms: u64| Timestamp(now.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)));
            let deliver_at = change.delay_ms.map(after).or(change.deliver_at.map(Timestamp));
            let amendment = Amendment { priority: change.priority, deliver_at };
            let (block, engine) = (turn.journal.block(), &mut turn.engines.queue);
            engine.amend_message(block, &queue.name, MessageId(id), amendment, now)?;
            let seen = engine.get(&queue.name, MessageId(id))?;
            queue.did(Deed::ChangeMessage, &format!("message {id} of queue {}: {amendment:?}", queue.name));
            turn.engines.shown(seen)
        };
        self.shard.call(Terms { acks: Acks::All, weight: 64 << 10, room: Room::Reserved }, amend).await?
    }

    async fn move_message(&self, id: u64, target: &ReplayTarget, edits: MessageEdits) -> Result<(), Refusal> {
        self.allow(Act::ChangeMessage)?;
        let queue = self.clone();
        let (way, edits, id) = (Way::new(target)?, Edits::from(edits), MessageId(id));
        let change = move |turn: &mut Turn<'_>| {
            let change = |turn: &mut Turn<'_>| {
                let (block, engine) = (turn.journal.block(), &mut turn.engines.queue);
                engine.move_message(block, &queue.name, id, way.destination(), &edits, turn.now)
            };
            match change(turn) {
                Err(QueueError::BlockFull) => {
                    turn.ensure(turn.engines.queue.wanted_room())?;
                    change(turn)?;
                }
                outcome => outcome?,
            }
            queue.did(Deed::MoveMessage, &format!("message {} of queue {} to {way}", id.0, queue.name));
            Ok(())
        };
        let terms = Terms { acks: Acks::All, weight: TRANSFER_BYTES, room: Room::Ordinary };
        self.shard.call(terms, change).await?
    }
}
