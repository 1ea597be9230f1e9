//! A log's settings, partitions and start, read and changed while it is in use.

use log_engine::batch::Batch;
use log_engine::{ConfigChange, ConfigEntry, Offset, TopicConfig, TopicView};
use message::{Timestamp, TopicName};

use super::Topics;
use super::administration::DEFINE;
use super::authorization::Act;
use super::deeds::Deed;
use super::job_spec::StartAt;
use super::log_topic::LogTopic;
use super::shard::{Room, Terms, Turn};
use super::spec::LogSettings;
use crate::refusal::Refusal;

/// What a list of changes means for the settings that it does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They stay.
    Stay,
    /// They get the broker's value again, or the default: the list is the whole configuration.
    Unset,
}

/// Whether a change is made, or only looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is made.
    Make,
    /// It is checked as if it were made, and nothing changes.
    Check,
}

/// Of a log, on the way to its owner.
const SHORTEN: Terms = Terms { weight: 4096, room: Room::Reserved, ..DEFINE };

impl LogTopic {
    /// Every setting with its value and where that comes from, by name.
    #[must_use]
    pub fn settings(&self) -> Vec<ConfigEntry> {
        self.0.settings.describe()
    }

    /// Checks a producer's batch against the log's settings and compresses it as they ask: to be called by whoever
    /// brings the batch, before it goes to the owner.
    pub fn take_in(&self, batch: Batch, now: Timestamp) -> Result<Batch, Refusal> {
        let (settings, max) = (&self.0.settings, self.0.decompressed_bytes);
        if let Err(error) = settings.check_records(&batch, now, max) {
            let faults = settings.at_fault(batch.as_bytes(), now, max);
            let records = faults.into_iter().map(|(place, why)| (place, why.to_string())).collect();
            return Err(Refusal { records, ..Refusal::from(error) });
        }
        Ok(settings.pack(batch, max)?)
    }
}

impl Topics {
    /// What settings a log made so would have, or why it cannot be made.
    pub fn check_log_settings(&self, settings: &LogSettings) -> Result<Vec<ConfigEntry>, Refusal> {
        Ok(self.0.topic_defaults.with(settings.config.iter())?.describe())
    }

    /// Changes a log's settings, all or none; they hold from then on. Answers what they are afterwards.
    pub async fn change_log_settings(
        &self,
        name: &str,
        changes: Vec<(String, ConfigChange)>,
        others: Others,
        mode: Mode,
    ) -> Result<Vec<ConfigEntry>, Refusal> {
        self.allow(Act::ChangeTopicSettings, name)?;
        let (name, topics) = (self.log(name)?.name().clone(), self.clone());
        let change = move |turn: &mut Turn<'_>| {
            let config = changed_settings(turn, &name, &changes, others)?;
            if mode == Mode::Make {
                let block = turn.journal.block();
                let before = turn.engines.log.topic(&name).map(std::sync::Arc::clone);
                let view = turn.engines.log.alter_config(block, &name, config, turn.now)?;
                before.iter().for_each(|before| topics.tell_log_changed(before, &view));
                topics.enter_log(turn.engines, &view);
            }
            Ok(config.describe())
        };
        self.shard().call(DEFINE, change).await?
    }

    /// Raises a log's number of partitions.
    pub async fn add_partitions(&self, name: &str, partitions: u32, mode: Mode) -> Result<(), Refusal> {
        self.allow(Act::AddPartitions, name)?;
        let (name, topics) = (self.log(name)?.name().clone(), self.clone());
        let change = move |turn: &mut Turn<'_>| {
            if mode == Mode::Check {
                return Ok(turn.engines.log.check_more_partitions(&name, partitions)?);
            }
            let block = turn.journal.block();
            let before = turn.engines.log.topic(&name).map(std::sync::Arc::clone);
            let view = turn.engines.log.add_partitions(block, &name, partitions, turn.now)?;
            before.iter().for_each(|before| topics.tell_log_changed(before, &view));
            topics.enter_log(turn.engines, &view);
            Ok(())
        };
        self.shard().call(DEFINE, change).await?
    }

    /// Removes everything of a partition before a place, and answers where it starts by now. A place that lies before
    /// the start changes nothing; one beyond the end is refused.
    pub async fn delete_records(&self, name: &str, partition: u32, before: StartAt) -> Result<i64, Refusal> {
        self.allow(Act::RemoveMessages, name)?;
        let log = self.log(name)?;
        let id = log.partition(partition)?.id;
        let before = Offset(log.resolve(partition, before)?);
        let topics = self.clone();
        let shorten = move |turn: &mut Turn<'_>| {
            let start = turn.engines.log.partition(id).map_or(before, |view| view.log_start());
            if before <= start {
                return Ok(start.0);
            }
            let start = turn.engines.log.delete_records(turn.journal.block(), id, before)?.0;
            topics.did(
                Deed::DeleteRecords,
                &format!("log {} partition {partition} before {start}", log.name()),
            );
            Ok(start)
        };
        self.shard().call(SHORTEN, shorten).await?
    }
}

/// The settings that a log would have after these changes.
fn changed_settings(
    turn: &Turn<'_>,
    name: &TopicName,
    changes: &[(String, ConfigChange)],
    others: Others,
) -> Result<TopicConfig, Refusal> {
    let defaults = *turn.engines.log.topic_defaults();
    let have = turn.engines.log.topic(name).map(|topic: &std::sync::Arc<TopicView>| *topic.config());
    let mut config = match others {
        Others::Stay => have.unwrap_or(defaults),
        Others::Unset => defaults,
    };
    config.change(changes.iter().map(|(key, change)| (key.as_str(), change)), &defaults)?;
    Ok(config)
}
