use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use message::TopicName;

use crate::partition::Partition;
use crate::{PartitionId, TopicPartition, TopicView};

/// The topics, as far as groups ask for them.
#[derive(Clone, Copy)]
pub(crate) struct Catalog<'a> {
    pub topics: &'a BTreeMap<TopicName, Arc<TopicView>>,
    pub partitions: &'a HashMap<PartitionId, Partition>,
}

impl Catalog<'_> {
    /// A topic's partitions in order; none when there is no such topic.
    pub(crate) fn partitions_of(&self, topic: &TopicName) -> Vec<PartitionId> {
        let topic = self.topics.get(topic);
        topic.map(|topic| topic.partitions.iter().map(|view| view.id()).collect()).unwrap_or_default()
    }

    /// A partition by name.
    pub(crate) fn find(&self, partition: &TopicPartition) -> Option<PartitionId> {
        Some(self.topics.get(&partition.topic)?.partition(partition.partition)?.id())
    }

    /// A partition's name; none when it is gone.
    pub(crate) fn name(&self, id: PartitionId) -> Option<&TopicPartition> {
        self.partitions.get(&id).map(|partition| partition.view.name())
    }

    /// Names for many, sorted.
    pub(crate) fn names<'i>(&self, ids: impl IntoIterator<Item = &'i PartitionId>) -> Vec<TopicPartition> {
        let mut names: Vec<_> = ids.into_iter().filter_map(|id| self.name(*id).cloned()).collect();
        names.sort();
        names
    }
}
