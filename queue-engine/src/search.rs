use ::message::{HeaderValue, TopicName};

use crate::browse::{BrowsePage, MessageState};
use crate::engine::QueueEngine;
use crate::message::Message;
use crate::{MessageId, QueueError};

/// Which messages of a queue are wanted: those that fit all that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Where they stand: a name that [`MessageState::as_str`] gives.
    pub state: Option<&'static str>,
    /// A header that they have, and the value that it has, as text.
    pub header: Option<(String, Option<String>)>,
    /// Bytes that their body holds.
    pub body: Option<Vec<u8>>,
    /// Their key.
    pub key: Option<Vec<u8>>,
    /// The id that their publisher gave them.
    pub message_id: Option<String>,
}

/// How much one step of a search may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchBounds {
    /// Most messages found.
    pub found: usize,
    /// Most messages looked at, whether found or not.
    pub looked_at: usize,
    /// Bytes of messages read, as long as one is.
    pub bytes: u64,
}

impl Search {
    /// Whether all messages are wanted.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self == Search::default()
    }

    /// Whether a message must be read to know.
    fn reads_messages(&self) -> bool {
        !(Search { state: None, ..self.clone() }).is_any()
    }

    fn wants_state(&self, state: MessageState) -> bool {
        self.state.is_none_or(|wanted| wanted == state.as_str())
    }

    /// Whether a message fits, wherever it stands.
    pub(crate) fn wants(&self, message: &Message) -> bool {
        let Search { state: _, header, body, key, message_id } = self;
        key.as_ref().is_none_or(|key| message.key.as_deref() == Some(key.as_slice()))
            && message_id
                .as_ref()
                .is_none_or(|id| message.properties.fields().message_id == Some(id.as_str()))
            && header.as_ref().is_none_or(|(name, value)| has_header(message, name, value.as_deref()))
            && body.as_ref().is_none_or(|body| contains(&message.body, body))
    }
}

fn has_header(message: &Message, name: &str, wanted: Option<&str>) -> bool {
    let is_it = |have: HeaderValue| wanted.is_none_or(|wanted| is_text(&have, wanted));
    message.headers.iter().filter(|(have, _)| *have == name).any(|(_, value)| is_it(value))
}

/// Whether a header's value reads like that.
fn is_text(value: &HeaderValue, text: &str) -> bool {
    match value {
        HeaderValue::Text(have) => have == text,
        HeaderValue::Bytes(have) => have == text.as_bytes(),
        HeaderValue::Bool(have) => have.to_string() == text,
        HeaderValue::Int(have) => have.to_string() == text,
        HeaderValue::Timestamp(have) => have.to_string() == text,
        HeaderValue::Float(have) => text.parse::<f64>().is_ok_and(|wanted| wanted == *have),
        HeaderValue::Null => text.is_empty(),
        HeaderValue::Decimal(..) | HeaderValue::List(_) | HeaderValue::Table(_) => false,
    }
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    let Some(first) = wanted.first() else { return true };
    let mut rest = body;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with(wanted) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

impl QueueEngine {
    /// Looks for messages in order of arrival, `after` one of them. One step is bounded: a page may be empty although
    /// it is not the last.
    pub fn search(
        &self,
        queue: &TopicName,
        after: Option<MessageId>,
        search: &Search,
        bounds: SearchBounds,
    ) -> Result<BrowsePage, QueueError> {
        let queue = self.queue(queue)?;
        let from = after.map_or(0, |after| after.0.saturating_add(1));
        let reads = search.reads_messages();
        let mut page = BrowsePage::default();
        let (mut bytes, mut last) = (0, None);
        for (looked_at, (sequence, slot)) in queue.slots.iter_from(from).enumerate() {
            if page.messages.len() >= bounds.found || looked_at >= bounds.looked_at || bytes > bounds.bytes {
                page.next = last;
                break;
            }
            last = Some(MessageId(sequence));
            if !search.wants_state(MessageState::of(slot)) {
                continue;
            }
            bytes += u64::from(slot.envelope_len);
            let browsed = self.look(queue, sequence, slot);
            if !reads || browsed.message.as_ref().is_ok_and(|message| search.wants(message)) {
                page.messages.push(browsed);
            }
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_a_window_by_window_search_finds(
            body in prop::collection::vec(0u8..3, 0..40), wanted in prop::collection::vec(0u8..3, 0..5),
        ) {
            let found = wanted.is_empty() || body.windows(wanted.len()).any(|window| window == wanted);
            prop_assert_eq!(contains(&body, &wanted), found);
        }
    }

    #[test]
    fn values_compare_as_they_read() {
        for (value, text) in [
            (HeaderValue::Text("a".to_owned()), "a"),
            (HeaderValue::Int(-7), "-7"),
            (HeaderValue::Bool(true), "true"),
            (HeaderValue::Float(1.5), "1.5"),
        ] {
            assert!(is_text(&value, text) && !is_text(&value, "other"));
        }
    }
}
