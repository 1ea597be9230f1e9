//! How long a queue may get.
use crate::Overflow;
use crate::queue::Queue;

impl Queue {
    /// Whether one more body of that size would exceed the limits, given that the queue refuses then.
    pub(crate) fn refuses(&self, body_len: usize) -> bool {
        self.would_refuse(1, body_len as u64)
    }

    /// Whether so many more messages, with bodies of so many bytes in all, would exceed the limits, given that the
    /// queue refuses then and nobody takes any meanwhile.
    pub(crate) fn would_refuse(&self, messages: u64, bytes: u64) -> bool {
        self.may_refuse()
            && (self.options.max_length.is_some_and(|most| self.counts.ready.saturating_add(messages) > most)
                || self
                    .options
                    .max_length_bytes
                    .is_some_and(|most| self.counts.ready_bytes.saturating_add(bytes) > most))
    }

    /// Whether the head has to give way.
    pub(crate) fn is_too_long(&self) -> bool {
        self.options.overflow == Overflow::DropHead
            && (self.options.max_length.is_some_and(|most| self.counts.ready > most)
                || self.options.max_length_bytes.is_some_and(|most| self.counts.ready_bytes > most))
    }

    /// Whether publishing to it can refuse, so that messages must go in one by one.
    pub(crate) fn may_refuse(&self) -> bool {
        self.options.overflow != Overflow::DropHead
            && (self.options.max_length.is_some() || self.options.max_length_bytes.is_some())
    }
}
