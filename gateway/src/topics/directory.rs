use dashmap::DashMap;
use message::{ErrorCode, TopicName};

use super::Topic;
use super::virtual_hosts::HostNames;
use crate::refusal::Refusal;

/// Every topic by name, for all doors. The owner changes it in step with the engines; readers never wait for it.
#[derive(Default)]
pub(crate) struct Directory {
    topics: DashMap<Box<str>, Topic>,
    /// Logs by the id that no other log ever gets.
    logs: DashMap<u64, TopicName>,
    /// The same for queues.
    queues: DashMap<u32, TopicName>,
    pub(crate) hosts: HostNames,
}

impl Directory {
    pub(crate) fn insert(&self, topic: Topic) {
        match &topic {
            Topic::Log(log) => self.logs.insert(log.id(), log.name().clone()),
            Topic::Queue(queue) => self.queues.insert(queue.id(), queue.name().clone()),
        };
        self.topics.insert(topic.name().as_str().into(), topic);
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
        match self.topics.remove(name.as_str()) {
            Some((_, Topic::Log(log))) => drop(self.logs.remove(&log.id())),
            Some((_, Topic::Queue(queue))) => drop(self.queues.remove(&queue.id())),
            None => {}
        }
    }

    pub(crate) fn get(&self, name: &str) -> Result<Topic, Refusal> {
        let found = self.topics.get(name).map(|topic| topic.value().clone());
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
        wanted: impl Fn(&Topic) -> bool,
    ) -> Vec<Topic> {
        let mut found: Vec<Topic> = self
            .topics
            .iter()
            .filter(|entry| after.is_none_or(|after| entry.key().as_ref() > after) && wanted(entry.value()))
            .map(|entry| entry.value().clone())
            .collect();
        found.sort_by(|a, b| a.name().cmp(b.name()));
        found.truncate(limit);
        found
    }
}
