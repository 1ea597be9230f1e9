use std::path::{Path, PathBuf};
use std::sync::Arc;

use message::{Timestamp, TopicName};
use segment_store::{Block, Lsn};

use crate::engine::{Doomed, DoomedFiles};
use crate::partition::Partition;
use crate::record::{LogRecord, TopicDefinition};
use crate::segment::PartitionDir;
use crate::settle::Removal;
use crate::{
    LogEngine, LogError, PartitionId, PartitionView, TopicConfig, TopicId, TopicPartition, TopicView,
};

/// Partitions that one topic may have: its whole definition is one record.
const TOPIC_PARTITIONS_MAX: u32 = 50_000;

impl LogEngine {
    /// Makes a topic.
    pub fn create_topic(
        &mut self,
        block: &mut Block,
        name: &TopicName,
        partitions: u32,
        config: TopicConfig,
        now: Timestamp,
    ) -> Result<Arc<TopicView>, LogError> {
        name.check_for_log()?;
        if self.topics.contains_key(name) {
            return Err(LogError::TopicExists(name.clone()));
        }
        self.check_count(partitions, partitions)?;
        let id = TopicId(self.next_topic);
        let ids = (0..partitions).map(|more| PartitionId(self.next_partition + more)).collect();
        let view = self.define_topic(id, name, now, ids, config, now);
        self.record_topic(block, &view);
        self.topic_changed_for_groups(name);
        Ok(view)
    }

    /// Deletes a topic with its records and what groups committed for it. Its files go once nobody reads them.
    pub fn delete_topic(&mut self, block: &mut Block, name: &TopicName) -> Result<(), LogError> {
        let topic = self.topics.get(name).ok_or_else(|| LogError::UnknownTopic(name.clone()))?;
        let id = topic.id;
        let record = self.push(block, &LogRecord::TopicDeleted(id));
        self.remove_topic(id, record);
        Ok(())
    }

    /// What topics have unless they say otherwise.
    #[must_use]
    pub fn topic_defaults(&self) -> &TopicConfig {
        &self.config.topic_defaults
    }

    /// Replaces a topic's configuration; what is not new takes effect with the next append, tick or job.
    pub fn alter_config(
        &mut self,
        block: &mut Block,
        name: &TopicName,
        config: TopicConfig,
        now: Timestamp,
    ) -> Result<Arc<TopicView>, LogError> {
        let topic = self.topics.get(name).ok_or_else(|| LogError::UnknownTopic(name.clone()))?;
        let ids = topic.partitions.iter().map(|view| view.id()).collect();
        let (id, created) = (topic.id, topic.created);
        let view = self.define_topic(id, name, created, ids, config, now);
        self.record_topic(block, &view);
        Ok(view)
    }

    /// Raises a topic's number of partitions to `partitions`. It cannot be lowered, because that would lose records.
    pub fn add_partitions(
        &mut self,
        block: &mut Block,
        name: &TopicName,
        partitions: u32,
        now: Timestamp,
    ) -> Result<Arc<TopicView>, LogError> {
        self.check_more_partitions(name, partitions)?;
        let topic = self.topics.get(name).ok_or_else(|| LogError::UnknownTopic(name.clone()))?;
        let more = partitions - topic.partitions.len() as u32;
        let mut ids: Vec<_> = topic.partitions.iter().map(|view| view.id()).collect();
        ids.extend((0..more).map(|more| PartitionId(self.next_partition + more)));
        let (id, created, config) = (topic.id, topic.created, topic.config);
        let view = self.define_topic(id, name, created, ids, config, now);
        self.record_topic(block, &view);
        self.topic_changed_for_groups(name);
        Ok(view)
    }

    /// Whether [`LogEngine::add_partitions`] would do it.
    pub fn check_more_partitions(&self, name: &TopicName, partitions: u32) -> Result<(), LogError> {
        let topic = self.topics.get(name).ok_or_else(|| LogError::UnknownTopic(name.clone()))?;
        let has = topic.partitions.len() as u32;
        match partitions.checked_sub(has) {
            Some(more @ 1..) => self.check_count(partitions, more),
            _ => Err(LogError::ConflictingConfig(format!(
                "topic {name} has {has} partitions; give a larger number, for partitions can only be added"
            ))),
        }
    }

    fn check_count(&self, count: u32, more: u32) -> Result<(), LogError> {
        if !(1..=TOPIC_PARTITIONS_MAX).contains(&count) {
            return Err(LogError::InvalidConfig(format!(
                "a topic has 1 to {TOPIC_PARTITIONS_MAX} partitions, not {count}"
            )));
        }
        let max = self.config.partitions_max;
        if self.partitions.len() + more as usize > max {
            return Err(LogError::InvalidConfig(format!(
                "{more} partitions more would exceed the limit of {max} partitions in all"
            )));
        }
        Ok(())
    }

    fn record_topic(&mut self, block: &mut Block, view: &TopicView) -> Lsn {
        let config = view.config.explicit();
        let record = LogRecord::Topic(definition(view, &config));
        self.push(block, &record)
    }

    /// Makes or changes a topic in memory: for commands and for replay alike.
    pub(crate) fn define_topic(
        &mut self,
        id: TopicId,
        name: &TopicName,
        created: Timestamp,
        partitions: Vec<PartitionId>,
        config: TopicConfig,
        now: Timestamp,
    ) -> Arc<TopicView> {
        let directory = PartitionDir::topic_dir_name(name.as_str(), id);
        let directory: Arc<Path> = Arc::from(PathBuf::from(PartitionDir::ROOT).join(directory));
        let mut views = Vec::with_capacity(partitions.len());
        for (number, partition) in partitions.into_iter().enumerate() {
            let number = number as u32;
            let settings = &self.settings;
            let slot = self.partitions.entry(partition).or_insert_with(|| {
                let name = TopicPartition { topic: name.clone(), partition: number };
                let dir = PartitionDir::new(Arc::clone(&directory), number);
                let view = PartitionView::new(partition, name, dir, Arc::clone(settings));
                Partition::new(Arc::new(view), config, now)
            });
            slot.config = config;
            views.push(Arc::clone(&slot.view));
            self.next_partition = self.next_partition.max(partition.0 + 1);
        }
        self.next_topic = self.next_topic.max(id.0 + 1);
        let view = Arc::new(TopicView { id, name: name.clone(), created, config, partitions: views });
        self.topics.insert(name.clone(), Arc::clone(&view));
        self.topic_names.insert(id, name.clone());
        view
    }

    /// Forgets a topic: for the command and for replay alike.
    pub(crate) fn remove_topic(&mut self, id: TopicId, record: Lsn) {
        let Some(name) = self.topic_names.remove(&id) else { return };
        let Some(topic) = self.topics.remove(&name) else { return };
        let mut directory = None;
        for view in &topic.partitions {
            if let Some(partition) = self.partitions.remove(&view.id()) {
                self.settling.unsettled -= partition.tail_weight();
                self.producer_count = self.producer_count.saturating_sub(partition.producers.len());
                self.settling.oldest_known = None;
                view.set_deleted();
                directory = Some(view.dir().topic().to_path_buf());
            }
        }
        if let Some(directory) = directory {
            let what = DoomedFiles::Other(Removal::Directory(directory));
            let delay = topic.config.file_delete_delay_ms();
            let not_before = Timestamp(self.ticked.0.saturating_add(delay));
            self.settling.doomed.push(Doomed { record, not_before, what });
            self.settling.removal_due = true;
        }
        let gone: Vec<PartitionId> = topic.partitions.iter().map(|view| view.id()).collect();
        self.forget_partitions(&gone);
        self.shares.forget(&gone);
        self.topic_changed_for_groups(&name);
    }
}

/// A topic as the journal records it.
pub(crate) fn definition<'a>(
    view: &'a TopicView,
    config: &'a std::collections::BTreeMap<&'static str, String>,
) -> TopicDefinition<'a> {
    TopicDefinition {
        id: view.id,
        name: view.name.as_str(),
        created: view.created,
        partitions: view.partitions.iter().map(|view| view.id()).collect(),
        config: config.iter().map(|(name, value)| (*name, value.as_str())).collect(),
    }
}
