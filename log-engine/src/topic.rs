use std::sync::Arc;

use message::{Timestamp, TopicName};

use crate::{PartitionView, TopicConfig, TopicId};

/// A log as it is at one moment: changing it makes another view.
#[derive(Clone, Debug)]
pub struct TopicView {
    pub(crate) id: TopicId,
    pub(crate) name: TopicName,
    pub(crate) created: Timestamp,
    pub(crate) config: TopicConfig,
    pub(crate) partitions: Vec<Arc<PartitionView>>,
}

impl TopicView {
    /// The topic's id, which no other topic ever gets.
    #[must_use]
    pub fn id(&self) -> TopicId {
        self.id
    }

    /// The topic's name.
    #[must_use]
    pub fn name(&self) -> &TopicName {
        &self.name
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &TopicConfig {
        &self.config
    }

    /// All partitions, by number.
    #[must_use]
    pub fn partitions(&self) -> &[Arc<PartitionView>] {
        &self.partitions
    }

    /// One partition.
    #[must_use]
    pub fn partition(&self, number: u32) -> Option<&Arc<PartitionView>> {
        self.partitions.get(number as usize)
    }
}
