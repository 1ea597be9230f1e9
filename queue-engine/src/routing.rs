use std::borrow::Cow;

use ::message::{HeaderTable, HeaderTableBuilder, HeaderValue, TopicName};

use crate::exchange_kind::{ExchangeOptions, HashProperty};
use crate::hash_choice::hash;
use crate::{Properties, QueueId, header_edit};

/// Where a publish goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    /// Straight into a queue, which must exist.
    Queue(&'a TopicName),
    /// Through an exchange, which must exist; `""` is the default exchange, whose keys are the names of queues.
    Exchange {
        /// The exchange's name.
        name: &'a str,
        /// The message's routing key.
        routing_key: &'a str,
    },
}

/// What a message's way depends on.
#[derive(Clone, Copy)]
pub(crate) struct Address<'a> {
    /// The routing key, and those of `CC` and `BCC`.
    pub(crate) keys: &'a [&'a str],
    pub(crate) headers: &'a HeaderTable,
    pub(crate) properties: &'a Properties,
}

/// The header that holds a message back in a delayed-message exchange, in milliseconds.
const DELAY: &str = "x-delay";
/// The header that keeps a message out of a recent-history exchange's memory.
const NO_STORE: &str = "x-recent-history-no-store";

impl Address<'_> {
    /// Whether a recent-history exchange may keep the message.
    pub(crate) fn may_be_kept(&self) -> bool {
        !header_edit::has(self.headers, NO_STORE)
            || self.headers.get(NO_STORE) != Some(HeaderValue::Bool(true))
    }

    /// What a consistent-hash exchange goes by, beside the routing keys: `None` when it goes by those.
    pub(crate) fn hash_by(&self, options: &ExchangeOptions) -> Option<u64> {
        if let Some(name) = &options.hash_header {
            let value = header_edit::entries(self.headers).find(|(have, _)| *have == name.as_bytes());
            return Some(hash(value.map_or(&[], |(_, entry)| entry)));
        }
        let fields = self.properties.fields();
        Some(match options.hash_property? {
            HashProperty::MessageId => hash(fields.message_id.unwrap_or_default().as_bytes()),
            HashProperty::CorrelationId => hash(fields.correlation_id.unwrap_or_default().as_bytes()),
            HashProperty::Timestamp => hash(&fields.timestamp.unwrap_or_default().to_le_bytes()),
        })
    }
}

/// How long a delayed-message exchange is to hold a message with these headers back.
pub(crate) fn delay_ms(headers: &HeaderTable) -> Option<u64> {
    if !header_edit::has(headers, DELAY) {
        return None;
    }
    let delay = match headers.get(DELAY)? {
        HeaderValue::Int(delay) => delay,
        HeaderValue::Float(delay) => delay as i64,
        HeaderValue::Text(delay) => delay.parse().ok()?,
        _ => return None,
    };
    u64::try_from(delay).ok().filter(|delay| *delay > 0)
}

/// The headers of a message whose delay is over: as the plugin leaves them, with the delay's sign turned, so that the
/// next delayed-message exchange lets it pass.
pub(crate) fn after_delay(headers: &HeaderTable, delay_ms: u64) -> HeaderTable {
    let mut turned = HeaderTableBuilder::new();
    let delay = i64::try_from(delay_ms).unwrap_or(i64::MAX);
    // The name is ours and short.
    let _ = turned.push(DELAY, &HeaderValue::Int(-delay));
    header_edit::replace(headers, &[DELAY], turned.build().as_bytes())
}

/// Everything that one message reaches, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) queues: Vec<QueueId>,
    pub(crate) logs: Vec<TopicName>,
    /// What recent-history exchanges on the way keep messages in.
    pub(crate) histories: Vec<QueueId>,
    /// Where delayed-message exchanges on the way hold it back.
    pub(crate) delayed: Vec<QueueId>,
    /// Whether another message with the same routing key might go elsewhere.
    pub(crate) per_message: bool,
}

impl Route {
    pub(crate) fn clear(&mut self) {
        self.queues.clear();
        self.logs.clear();
        self.histories.clear();
        self.delayed.clear();
        self.per_message = false;
    }

    /// All queues that take the message at once, those of exchanges included.
    pub(crate) fn taking(&self) -> Cow<'_, [QueueId]> {
        if self.histories.is_empty() {
            return Cow::Borrowed(&self.queues);
        }
        Cow::Owned([self.queues.as_slice(), &self.histories].concat())
    }

    /// Whether it leads nowhere at all, not even into an exchange's own memory.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.logs.is_empty() && self.histories.is_empty() && self.delayed.is_empty()
    }

    /// Orders the targets and drops repetitions.
    pub(crate) fn settle(&mut self) {
        for list in [&mut self.queues, &mut self.histories, &mut self.delayed] {
            list.sort_unstable();
            list.dedup();
        }
        self.logs.sort_unstable();
        self.logs.dedup();
    }
}
