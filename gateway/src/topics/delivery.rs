use std::sync::Arc;

use queue_engine::{Browsed, ConsumerId, Delivery, FailedAttempt, LeaseToken, Message, MessageState};

use super::lease::Lease;
use crate::refusal::Refusal;

use super::view::{HeadersView, MessageView, Place, Standing};

/// A message of a queue in a reader's hands: delivered, or only looked at.
#[derive(Clone, Debug)]
pub struct QueueDelivery {
    pub(crate) id: u64,
    pub(crate) attempt: u32,
    pub(crate) redelivered: bool,
    pub(crate) priority: u8,
    pub(crate) enqueued_at: i64,
    pub(crate) failures: Vec<FailedAttempt>,
    pub(crate) standing: Standing,
    pub(crate) message: Arc<Message>,
}

impl QueueDelivery {
    /// Its id within the queue.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What to settle it with; `None` when it was delivered for good or only looked at.
    #[must_use]
    pub fn lease(&self) -> Option<Lease> {
        match self.standing {
            Standing::Leased { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// Bytes of its body, for credit.
    #[must_use]
    pub fn body_len(&self) -> usize {
        self.message.body.len()
    }

    /// The message as doors render it.
    #[must_use]
    pub fn view(&self) -> MessageView<'_> {
        let fields = self.message.properties.fields();
        let properties = [
            ("message_id", fields.message_id),
            ("correlation_id", fields.correlation_id),
            ("reply_to", fields.reply_to),
            ("content_encoding", fields.content_encoding),
            ("type", fields.kind),
            ("user_id", fields.user_id),
            ("app_id", fields.app_id),
        ];
        MessageView {
            key: self.message.key.as_deref(),
            headers: HeadersView::Table(&self.message.headers),
            content_type: fields.content_type,
            timestamp: self.enqueued_at,
            value: Some(&self.message.body),
            place: Place::Queue {
                id: self.id,
                priority: self.priority,
                attempt: self.attempt,
                redelivered: self.redelivered,
                properties: properties.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
                failures: &self.failures,
                standing: self.standing.clone(),
            },
        }
    }
}

impl From<Delivery> for QueueDelivery {
    fn from(delivery: Delivery) -> QueueDelivery {
        let expires_at = delivery.lease_expires_at.map_or(Standing::NEVER, |at| at.0);
        let standing = match delivery.lease {
            Some(lease) => Standing::Leased { lease: Lease(lease.to_bytes()), expires_at },
            None => Standing::Taken,
        };
        QueueDelivery {
            id: delivery.id.0,
            attempt: delivery.attempt,
            redelivered: delivery.redelivered,
            priority: delivery.priority,
            enqueued_at: delivery.enqueued_at.0,
            failures: delivery.history,
            standing,
            message: delivery.message,
        }
    }
}

impl QueueDelivery {
    /// A message that was only looked at; `holder` says who a consumer is.
    pub(crate) fn seen(
        seen: Browsed,
        holder: impl Fn(Option<ConsumerId>) -> Arc<str>,
    ) -> Result<QueueDelivery, Refusal> {
        let standing = match seen.state {
            MessageState::Ready | MessageState::Damaged => Standing::Ready,
            MessageState::Dying => Standing::Dying,
            MessageState::Leased { expires_at, consumer } => Standing::LeasedByOther {
                expires_at: expires_at.map_or(Standing::NEVER, |at| at.0),
                holder: holder(consumer),
            },
            MessageState::Delayed { until } => Standing::Delayed { ready_at: until.0 },
        };
        Ok(QueueDelivery {
            id: seen.id.0,
            attempt: seen.attempts,
            redelivered: seen.attempts > 0,
            priority: seen.priority,
            enqueued_at: seen.enqueued_at.0,
            failures: seen.history,
            standing,
            message: seen.message?,
        })
    }
}

impl From<Lease> for LeaseToken {
    fn from(lease: Lease) -> LeaseToken {
        LeaseToken::from(lease.0)
    }
}
