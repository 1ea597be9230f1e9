use dashmap::DashMap;
use message::{ErrorCode, TopicName};

use super::Topic;
use crate::refusal::Refusal;

/// Every topic by name, for all doors. The owner changes it in step with the engines; readers never wait for it.
#[derive(Default)]
pub(crate) struct Directory {
    topics: DashMap<Box<str>, Topic>,
}

impl Directory {
    pub(crate) fn insert(&self, topic: Topic) {
        self.topics.insert(topic.name().as_str().into(), topic);
    }

    pub(crate) fn remove(&self, name: &TopicName) {
        self.topics.remove(name.as_str());
    }

    pub(crate) fn get(&self, name: &str) -> Result<Topic, Refusal> {
        let found = self.topics.get(name).map(|topic| topic.value().clone());
        found.ok_or_else(|| {
            let shown: String = name.chars().take(255).collect();
            Refusal::new(
                ErrorCode::UnknownTopic,
                format!("there is no topic {shown:?}; create it with PUT /v1/topics/{{topic}}"),
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
