use ::message::TopicName;

use crate::QueueId;

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

/// Everything that one message reaches, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) queues: Vec<QueueId>,
    pub(crate) logs: Vec<TopicName>,
    /// Whether other headers might have led elsewhere.
    pub(crate) reads_headers: bool,
}

impl Route {
    pub(crate) fn clear(&mut self) {
        self.queues.clear();
        self.logs.clear();
        self.reads_headers = false;
    }

    /// Orders the targets and drops repetitions.
    pub(crate) fn settle(&mut self) {
        self.queues.sort_unstable();
        self.queues.dedup();
        self.logs.sort_unstable();
        self.logs.dedup();
    }
}
