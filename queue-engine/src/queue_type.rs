/// Which of RabbitMQ's queues a queue behaves like. Both are equally durable here; they differ in what they count and
/// which arguments they know.
///
/// Chosen when the queue is declared, for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum QueueType {
    /// Priorities up to a declared maximum; every return of a message counts towards a delivery limit, if one is set.
    #[default]
    Classic,
    /// 32 strict priorities; a delivery limit of 20 unless another is set, towards which only failures count: rejects
    /// and consumers that fell, not nacks and consumer timeouts (RabbitMQ 4.3). Always durable, never exclusive.
    Quorum,
}

impl QueueType {
    /// The highest priority of a quorum queue.
    pub const QUORUM_HIGHEST: u8 = 31;
    /// What a message without a priority counts as in a quorum queue.
    pub const QUORUM_DEFAULT: u8 = 4;
    /// How often a message may fail in a quorum queue that says nothing else.
    pub const QUORUM_DELIVERY_LIMIT: u32 = 20;

    /// The name that users see, and AMQP's `x-queue-type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            QueueType::Classic => "classic",
            QueueType::Quorum => "quorum",
        }
    }

    /// The type of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<QueueType> {
        [QueueType::Classic, QueueType::Quorum].into_iter().find(|kind| kind.as_str() == name)
    }

    /// What a message's priority, if it has one, means before the queue's own limit.
    pub(crate) fn priority(self, own: Option<u8>) -> u8 {
        match self {
            QueueType::Classic => own.unwrap_or(0),
            QueueType::Quorum => own.unwrap_or(QueueType::QUORUM_DEFAULT).min(QueueType::QUORUM_HIGHEST),
        }
    }
}
