use super::command::{AckMode, CreditGrant};
use super::limits::WsLimits;
use super::subscription::QueueTerms;
use crate::refusal::Refusal;

/// A subscription to a queue. The queue counts its credit; here is only what the socket adds to that.
#[derive(Debug)]
pub struct QueueFeed {
    /// Who acknowledges.
    pub ack: AckMode,
    /// Whether the client left the pace to the socket, so that credit is renewed as messages leave.
    pub renewing: bool,
    /// Credit to be renewed: messages and bytes that were handed over since the last renewal.
    pub owed: (u32, u64),
    /// Credit that the client gave and that, as far as is known here, is not used up for good.
    pub granted: (u64, u64),
}

/// What a queue is granted at a time when the client leaves the pace to the socket.
pub const RENEWING_WINDOW: CreditGrant = CreditGrant { messages: Some(1024), bytes: Some(4 << 20) };
/// What may be in flight when a client that acknowledges does not say.
pub const DEFAULT_WINDOW: CreditGrant = CreditGrant { messages: Some(1000), bytes: Some(16 << 20) };

impl QueueFeed {
    /// A subscription on these terms.
    #[must_use]
    pub fn new(terms: QueueTerms) -> QueueFeed {
        let CreditGrant { messages, bytes } = terms.credit;
        let granted = (messages.map_or(0, u64::from), bytes.unwrap_or(0));
        QueueFeed { ack: terms.ack, renewing: terms.renewing, owed: (0, 0), granted }
    }

    /// Adds to the credit, unless that made it more than a subscription may have in flight.
    pub fn widen(&mut self, messages: u32, bytes: u64, limits: &WsLimits) -> Result<(), Refusal> {
        let granted = (self.granted.0 + u64::from(messages), self.granted.1.saturating_add(bytes));
        let refuse = |field: &str, most: u64| {
            Refusal::invalid(
                field,
                format!("that made more credit than the {most} that a subscription may have"),
            )
        };
        if messages > 0 && granted.0 > u64::from(limits.credit_messages) {
            return Err(refuse("/messages", u64::from(limits.credit_messages)));
        }
        if bytes > 0 && granted.1 > limits.credit_bytes {
            return Err(refuse("/bytes", limits.credit_bytes));
        }
        self.granted = granted;
        Ok(())
    }

    /// Notes that a message was handed over.
    pub fn delivered(&mut self, bytes: u64) {
        if self.ack == AckMode::Auto {
            self.granted.0 = self.granted.0.saturating_sub(1);
            self.granted.1 = self.granted.1.saturating_sub(bytes);
        }
        if self.renewing {
            self.owed.0 = self.owed.0.saturating_add(1);
            self.owed.1 = self.owed.1.saturating_add(bytes);
        }
    }

    /// Takes what is owed, once that is worth a trip.
    pub fn renew(&mut self) -> Option<(u32, u64)> {
        let (messages, bytes) = self.owed;
        let worth_it = messages >= 256 || bytes >= 1 << 20;
        worth_it.then(|| std::mem::take(&mut self.owed))
    }
}
