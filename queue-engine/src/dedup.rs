//! Deduplication: the message ids that a queue took within a window, and what each became.
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ::message::Timestamp;

use crate::MessageId;
use crate::fields::{Fields, Malformed, put_bytes, put_varint};
use crate::queue::after;

/// Within which time, and among how many, a queue recognises a message by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DedupWindow {
    /// How long an id is remembered after its first message, in milliseconds. Not 0.
    pub window_ms: u64,
    /// How many ids are remembered at most; beyond, the oldest is forgotten before its time. Not 0.
    pub max_ids: u32,
}

impl DedupWindow {
    /// Ids remembered when nobody says how many.
    pub const DEFAULT_IDS: u32 = 100_000;
    /// Most ids that may be remembered, so that a queue's memory stays bounded.
    pub const MOST_IDS: u32 = 10_000_000;
}

/// The ids that were seen lately, in the order in which they came.
///
/// Without memory while there are none: most queues never look at an id.
#[derive(Debug, Default)]
pub(crate) struct SeenIds(Option<Box<Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    by_id: HashMap<Arc<str>, MessageId>,
    order: VecDeque<Seen>,
}

#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Timestamp,
    pub(crate) id: Arc<str>,
    pub(crate) message: MessageId,
}

impl SeenIds {
    /// The message that had this id first, if it is remembered.
    pub(crate) fn first(&mut self, id: &str, window: DedupWindow, now: Timestamp) -> Option<MessageId> {
        self.forget_old(window, now);
        self.0.as_ref()?.by_id.get(id).copied()
    }

    /// Remembers a message that was taken.
    pub(crate) fn remember(&mut self, id: &str, message: MessageId, window: DedupWindow, at: Timestamp) {
        self.forget_old(window, at);
        let kept = self.0.get_or_insert_default();
        if kept.by_id.contains_key(id) {
            return;
        }
        let id: Arc<str> = id.into();
        kept.by_id.insert(id.clone(), message);
        kept.order.push_back(Seen { at, id, message });
        while kept.order.len() > window.max_ids as usize {
            kept.forget_first();
        }
    }

    /// Forgets what fell out of the window.
    pub(crate) fn forget_old(&mut self, window: DedupWindow, now: Timestamp) {
        let Some(kept) = &mut self.0 else { return };
        while kept.order.front().is_some_and(|seen| after(seen.at, window.window_ms) <= now) {
            kept.forget_first();
        }
        if kept.order.is_empty() && kept.order.capacity() > 64 {
            self.0 = None;
        }
    }

    /// When all of it is forgotten, if nothing comes any more.
    pub(crate) fn empty_at(&self, window: DedupWindow) -> Option<Timestamp> {
        self.0.as_ref()?.order.back().map(|seen| after(seen.at, window.window_ms))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Seen> {
        self.0.iter().flat_map(|kept| &kept.order)
    }
}

impl Remembered {
    fn forget_first(&mut self) {
        if let Some(seen) = self.order.pop_front() {
            self.by_id.remove(&seen.id);
        }
    }
}

impl Seen {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.at.0 as u64);
        put_varint(out, self.message.0);
        put_bytes(out, self.id.as_bytes());
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Seen, Malformed> {
        let at = Timestamp(fields.varint()? as i64);
        Ok(Seen { at, message: MessageId(fields.varint()?), id: fields.text()?.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_remembered_for_the_window_and_up_to_the_bound() {
        let window = DedupWindow { window_ms: 100, max_ids: 2 };
        let mut seen = SeenIds::default();
        seen.remember("a", MessageId(1), window, Timestamp(0));
        seen.remember("b", MessageId(2), window, Timestamp(50));
        assert_eq!(seen.first("a", window, Timestamp(99)), Some(MessageId(1)));
        assert_eq!(seen.first("a", window, Timestamp(100)), None);
        assert_eq!(seen.first("b", window, Timestamp(100)), Some(MessageId(2)));
        seen.remember("c", MessageId(3), window, Timestamp(100));
        seen.remember("d", MessageId(4), window, Timestamp(100));
        assert_eq!(seen.first("b", window, Timestamp(100)), None);
        assert_eq!((seen.iter().count(), seen.empty_at(window)), (2, Some(Timestamp(200))));
    }

    #[test]
    fn what_is_kept_reads_back() {
        let seen = Seen { at: Timestamp(7), id: "order-1".into(), message: MessageId(9) };
        let mut stored = Vec::new();
        seen.put(&mut stored);
        let read = Seen::read(&mut Fields::new(&stored)).map(|seen| (seen.at, seen.id, seen.message));
        assert_eq!(read, Ok((seen.at, seen.id, seen.message)));
    }
}
