use std::sync::Arc;

use dashmap::DashMap;
use message::{ErrorCode, TopicName};
use queue_engine::QueueId;

use super::log_topic::{LogInner, LogTopic};
use super::spec::Model;
use super::virtual_hosts::{HostNames, VirtualHost};
use crate::auth::Pass;
use crate::refusal::Refusal;

/// Every topic by name, for all doors. The owner changes it in step with the engines; readers never wait for it.
#[derive(Default)]
pub(crate) struct Directory {
    topics: DashMap<TopicName, Kept>,
    /// Logs by the id that no other log ever gets.
    logs: DashMap<u64, TopicName>,
    /// The same for queues.
    queues: DashMap<u32, TopicName>,
    pub(crate) hosts: HostNames,
}

/// What is kept of a topic beside its name. Queues are many: what is the same for all handles of them is put in when
/// somebody asks for one.
enum Kept {
    Log(Arc<LogInner>),
    Queue(QueueId, VirtualHost),
}

impl Kept {
    fn model(&self) -> Model {
        match self {
            Kept::Log(_) => Model::Log,
            Kept::Queue(..) => Model::Queue,
        }
    }
}

/// A topic as the directory knows it.
pub(crate) enum Listed {
    Log(Arc<LogInner>),
    Queue { id: QueueId, name: TopicName, host: VirtualHost },
}

impl Listed {
    fn new(name: &TopicName, kept: &Kept) -> Listed {
        match kept {
            Kept::Log(log) => Listed::Log(Arc::clone(log)),
            Kept::Queue(id, host) => Listed::Queue { id: *id, name: name.clone(), host: host.clone() },
        }
    }
}

impl Directory {
    pub(crate) fn insert_log(&self, log: LogInner) {
        self.logs.insert(log.id, log.name.clone());
        self.topics.insert(log.name.clone(), Kept::Log(Arc::new(log)));
    }

    pub(crate) fn insert_queue(&self, id: QueueId, name: &TopicName) {
        self.queues.insert(id.0, name.clone());
        self.topics.insert(name.clone(), Kept::Queue(id, self.hosts.of(name.as_str())));
    }

    /// The name of the log with this id.
    pub(crate) fn name_of(&self, log: u64) -> Option<TopicName> {
        self.logs.get(&log).map(|name| name.value().clone())
    }

    /// The name of the queue with this id.
    pub(crate) fn name_of_queue(&self, queue: u32) -> Option<TopicName> {
        self.queues.get(&queue).map(|name| name.value().clone())
    }

    pub(crate) fn remove(&self, name: &TopicName) {
        match self.topics.remove(name) {
            Some((_, Kept::Log(log))) => drop(self.logs.remove(&log.id)),
            Some((_, Kept::Queue(id, _))) => drop(self.queues.remove(&id.0)),
            None => {}
        }
    }

    pub(crate) fn has(&self, name: &TopicName) -> bool {
        self.topics.contains_key(name)
    }

    pub(crate) fn get(&self, name: &str) -> Result<Listed, Refusal> {
        let found = self.topics.get(name).map(|found| Listed::new(found.key(), found.value()));
        found.ok_or_else(|| {
            let shown: String = name.chars().take(255).collect();
            Refusal::new(
                ErrorCode::UnknownTopic,
                format!(
                    "there is no topic {shown:?}; create it first, over HTTP with PUT /v1/topics/{{topic}}"
                ),
            )
        })
    }

    /// The first `limit` topics after `after` that `wanted` lets pass, sorted by name.
    pub(crate) fn list(
        &self,
        after: Option<&str>,
        limit: usize,
        wanted: impl Fn(&TopicName, Model) -> bool,
    ) -> Vec<Listed> {
        let later = self.topics.iter().filter(|found| {
            after.is_none_or(|after| found.key().as_str() > after)
                && wanted(found.key(), found.value().model())
        });
        let mut found: Vec<(TopicName, Listed)> =
            later.map(|found| (found.key().clone(), Listed::new(found.key(), found.value()))).collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found.truncate(limit);
        found.into_iter().map(|(_, listed)| listed).collect()
    }

    /// Every log, sorted by name, for the server itself.
    pub(crate) fn logs(&self) -> Vec<LogTopic> {
        let listed = self.list(None, usize::MAX, |_, model| model == Model::Log);
        let log = |listed| match listed {
            Listed::Log(log) => Some(LogTopic(log, Pass::Open)),
            Listed::Queue { .. } => None,
        };
        listed.into_iter().filter_map(log).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a queue takes here lies in a table that may be half empty, and doubles.
    #[test]
    fn an_idle_queue_takes_little_of_the_directory() {
        let size = size_of::<(TopicName, Kept)>();
        assert!(size <= 40, "{size} bytes");
    }
}
