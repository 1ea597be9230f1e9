//! Topics made, described, changed and deleted.

use std::sync::Arc;

use log_engine::{ConfigChange, TopicConfig, TopicView};
use message::TopicName;
use queue_engine::{DedupWindow, IfEmpty, QueueInfo, QueueOptions};

use super::authorization::Act;
use super::deeds::Deed;
use super::log_topic::{LogInner, LogPartition, LogTopic};
use super::outgoing::Acks;
use super::shard::{Engines, Room, Terms, Turn};
use super::spec::{
    Created, DeadLetterStrategy, DeleteIf, LogSettings, Model, Overflow, PartitionDescription, QueueSettings,
    QueueStats, QueueType, TopicDescription, TopicFilter, TopicPatch, TopicSpec,
};
use super::{Topic, Topics};
use crate::refusal::Refusal;

/// Definitions are always on disk before they are confirmed.
pub(crate) const DEFINE: Terms = Terms { acks: Acks::All, weight: 512 << 10, room: Room::Ordinary };
const UNDEFINE: Terms = Terms { acks: Acks::All, weight: 512 << 10, room: Room::Reserved };

impl Topics {
    /// Makes a topic, or finds it made the same way.
    pub async fn create(&self, name: &TopicName, spec: TopicSpec) -> Result<Created, Refusal> {
        self.allow_making_topic(name.as_str())?;
        self.check_not_draining()?;
        let (name, topics) = (name.clone(), self.clone());
        match spec {
            TopicSpec::Queue(settings) => {
                let terms = Terms { weight: 16 << 10, ..DEFINE };
                self.shard().call(terms, move |turn| topics.create_queue(turn, name, *settings)).await?
            }
            TopicSpec::Log(settings) => {
                self.shard().call(DEFINE, move |turn| topics.create_log(turn, name, settings)).await?
            }
        }
    }

    fn create_queue(
        &self,
        turn: &mut Turn<'_>,
        name: TopicName,
        settings: QueueSettings,
    ) -> Result<Created, Refusal> {
        turn.engines.check_name_is_free_of(&name, "log")?;
        check_keeper(turn, &settings)?;
        if !turn.engines.queue.has_queue(&name) {
            turn.check_may_make_topic(self.usage())?;
        }
        let declared = turn.engines.queue.declare_queue(
            turn.journal.block(),
            &name,
            QueueOptions::from(settings),
            turn.now,
        )?;
        if declared.created {
            turn.note_maker(&name, self.usage(), true);
            self.did(Deed::MakeTopic, &format!("queue {name}"));
            turn.engines.directory.insert_queue(declared.id, &name);
        }
        Ok(if declared.created { Created::Made } else { Created::Same })
    }

    fn create_log(
        &self,
        turn: &mut Turn<'_>,
        name: TopicName,
        settings: LogSettings,
    ) -> Result<Created, Refusal> {
        self.check_log_name(&name)?;
        turn.engines.check_name_is_free_of(&name, "queue")?;
        let config = turn.engines.log.topic_defaults().with(settings.config.iter())?;
        if let Some(have) = turn.engines.log.topic(&name) {
            check_same_log(have, settings.partitions, &config)?;
            return Ok(Created::Same);
        }
        turn.check_may_make_topic(self.usage())?;
        let made = turn.engines.log.create_topic(
            turn.journal.block(),
            &name,
            settings.partitions,
            config,
            turn.now,
        )?;
        turn.note_maker(&name, self.usage(), true);
        self.did(Deed::MakeTopic, &log_in_words(&made));
        self.enter_log(turn.engines, &made);
        Ok(Created::Made)
    }

    /// A topic as it stands.
    pub async fn describe(&self, name: &str) -> Result<TopicDescription, Refusal> {
        match self.topic(name)? {
            Topic::Log(log) => self.describe_log(&log),
            Topic::Queue(queue) => {
                let name = queue.name.clone();
                let look =
                    move |turn: &mut Turn<'_>| Ok(describe_queue(&turn.engines.queue.queue_info(&name)?));
                self.shard().call(super::queue_topic::LOOK, look).await?
            }
        }
    }

    fn describe_log(&self, log: &LogTopic) -> Result<TopicDescription, Refusal> {
        let partitions = log.0.partitions.iter().zip(0..).map(|(partition, number)| PartitionDescription {
            partition: number,
            log_start_offset: partition.view.log_start().0,
            high_watermark: partition.view.high_watermark().0,
            bytes: partition.view.size_bytes(),
        });
        let config = log.0.settings.explicit().into_iter();
        let config = config.map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(TopicDescription {
            name: log.name().to_string(),
            model: Model::Log,
            queue: None,
            log: Some(LogSettings { partitions: log.partitions(), config }),
            policy: None,
            operator_policy: None,
            effective: None,
            queue_stats: None,
            partitions: Some(partitions.collect()),
        })
    }

    /// Topics sorted by name, from after `after`.
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
        filter: &TopicFilter,
    ) -> Result<Vec<TopicDescription>, Refusal> {
        let wanted = |name: &TopicName, model: Model| {
            filter.model.is_none_or(|wanted| wanted == model)
                && filter.prefix.as_ref().is_none_or(|prefix| name.as_str().starts_with(prefix))
        };
        let found = self.list_topics(after, limit, wanted);
        let queues = found.iter().filter_map(|topic| match topic {
            Topic::Queue(queue) => Some(queue.name.clone()),
            Topic::Log(_) => None,
        });
        let queues: Vec<TopicName> = queues.collect();
        let look = move |turn: &mut Turn<'_>| -> Vec<Option<TopicDescription>> {
            let info = |name| turn.engines.queue.queue_info(name).ok().map(|info| describe_queue(&info));
            queues.iter().map(info).collect()
        };
        let mut queues = self.shard().call(super::queue_topic::LOOK, look).await?.into_iter();
        let mut described = Vec::with_capacity(found.len());
        for topic in &found {
            match topic {
                Topic::Log(log) => described.push(self.describe_log(log)?),
                // A queue that was deleted in between is left out.
                Topic::Queue(_) => described.extend(queues.next().flatten()),
            }
        }
        Ok(described)
    }

    /// Changes a topic's settings while it is in use.
    pub async fn update(&self, name: &str, patch: TopicPatch) -> Result<TopicDescription, Refusal> {
        self.allow(Act::ChangeTopicSettings, name)?;
        let found = self.topic(name)?;
        match (found, patch) {
            (Topic::Queue(queue), TopicPatch::Queue(settings)) => {
                let change = move |turn: &mut Turn<'_>| {
                    let name = &queue.name;
                    turn.engines.check_is_shared(name)?;
                    check_keeper(turn, &settings)?;
                    let before = turn.engines.queue.queue_options(name)?.clone();
                    let options = QueueOptions::from(*settings);
                    turn.engines.queue.update_queue(turn.journal.block(), name, options, turn.now)?;
                    if turn.engines.queue.queue_options(name)? != &before {
                        queue.did(Deed::ChangeTopic, &format!("queue {name}"));
                    }
                    Ok::<_, Refusal>(())
                };
                self.shard().call(Terms { room: Room::Reserved, ..DEFINE }, change).await??;
            }
            (Topic::Log(log), TopicPatch::Log { partitions, config }) => {
                if partitions.is_some_and(|wanted| wanted != log.partitions()) {
                    log.allow(Act::AddPartitions)?;
                }
                let (name, topics) = (log.name().clone(), self.clone());
                let change = move |turn: &mut Turn<'_>| topics.update_log(turn, &name, partitions, &config);
                self.shard().call(DEFINE, change).await??;
            }
            (topic, _) => return Err(super::wrong_model(&topic)),
        }
        self.describe(name).await
    }

    fn update_log(
        &self,
        turn: &mut Turn<'_>,
        name: &TopicName,
        partitions: Option<u32>,
        changes: &std::collections::BTreeMap<String, Option<String>>,
    ) -> Result<(), Refusal> {
        let Some(have) = turn.engines.log.topic(name).map(Arc::clone) else { return Ok(()) };
        let change = |value: &Option<String>| match value {
            Some(value) => ConfigChange::Set(value.clone()),
            None => ConfigChange::Unset,
        };
        let changes: Vec<_> = changes.iter().map(|(key, value)| (key.as_str(), change(value))).collect();
        let mut config = *have.config();
        let defaults = turn.engines.log.topic_defaults();
        config.change(changes.iter().map(|(key, change)| (*key, change)), defaults)?;
        let mut changed = turn.engines.log.alter_config(turn.journal.block(), name, config, turn.now)?;
        if let Some(partitions) = partitions.filter(|wanted| *wanted as usize != have.partitions().len()) {
            changed = turn.engines.log.add_partitions(turn.journal.block(), name, partitions, turn.now)?;
        }
        self.tell_log_changed(&have, &changed);
        self.enter_log(turn.engines, &changed);
        Ok(())
    }

    /// Writes down that a log is not as it was.
    pub(super) fn tell_log_changed(&self, before: &TopicView, after: &TopicView) {
        let what = |view: &TopicView| (view.partitions().len(), view.config().explicit());
        if what(before) != what(after) {
            self.did(Deed::ChangeTopic, &log_in_words(after));
        }
    }

    /// Deletes a topic and everything in it.
    pub async fn delete(&self, name: &str, only_if: DeleteIf) -> Result<(), Refusal> {
        self.allow(Act::DeleteTopic, name)?;
        let (found, topics) = (self.topic(name)?, self.clone());
        let delete = move |turn: &mut Turn<'_>| {
            let name = found.name();
            match &found {
                Topic::Queue(_) => {
                    turn.engines.check_is_shared(name)?;
                    let counts = turn.engines.queue.queue_info(name)?.totals;
                    let block = turn.journal.block();
                    let if_empty = if only_if.empty { IfEmpty::NoneAtAll } else { IfEmpty::Never };
                    turn.engines.queue.delete_queue(block, name, only_if.unused, if_empty)?;
                    turn.engines.vitals.keep_counts_of(&counts);
                }
                Topic::Log(log) => {
                    let holds = log
                        .0
                        .partitions
                        .iter()
                        .any(|partition| partition.view.log_start() < partition.view.high_watermark());
                    if only_if.empty && holds {
                        let detail = format!("{name} holds records; delete it without if_empty");
                        return Err(Refusal::new(message::ErrorCode::InUse, detail));
                    }
                    if let Some(queue) = turn.engines.queue.kept_by(name) {
                        let detail = format!("{queue} keeps in {name} what passes it; take that back first");
                        return Err(Refusal::new(message::ErrorCode::InUse, detail));
                    }
                    turn.delete_log(log)?;
                    topics.did(Deed::DeleteTopic, &format!("log {name}"));
                    return Ok(());
                }
            }
            turn.engines.forget_topic(name);
            topics.did(Deed::DeleteTopic, &format!("queue {name}"));
            Ok(())
        };
        self.shard().call(UNDEFINE, delete).await?
    }

    /// Whether a log may be called so: by Kafka's rule within its virtual host.
    pub(crate) fn check_log_name(&self, name: &TopicName) -> Result<(), Refusal> {
        name.check_for_log()?;
        if self.virtual_host_of(name.as_str()).local(name.as_str()).contains('/') {
            let detail = format!(
                "{name}: what is before a slash in a log's name is a virtual host, and there is none of that name"
            );
            return Err(Refusal::new(message::ErrorCode::InvalidName, detail));
        }
        Ok(())
    }

    /// Puts a log, new or changed, where doors find it. Partitions that were there keep their bells and readers.
    pub(crate) fn enter_log(&self, engines: &mut Engines, topic: &TopicView) {
        let partitions = topic.partitions().iter().map(|view| {
            let partition = engines.bells.entry(view.id()).or_insert_with(|| {
                Arc::new(LogPartition {
                    id: view.id(),
                    view: Arc::clone(view),
                    grew: tokio::sync::Notify::new(),
                })
            });
            Arc::clone(partition)
        });
        let inner = LogInner {
            id: topic.id().0,
            name: topic.name().clone(),
            host: self.virtual_host_of(topic.name().as_str()),
            partitions: partitions.collect(),
            partitioner: Arc::default(),
            settings: *topic.config(),
            decompressed_bytes: self.limits().decompressed_bytes,
            draining: self.draining().clone(),
        };
        engines.directory.insert_log(inner);
    }
}

impl Turn<'_> {
    /// Deletes a log with the bindings to it.
    pub(crate) fn delete_log(&mut self, log: &LogTopic) -> Result<(), Refusal> {
        let name = log.name();
        self.engines.queue.unbind_log(self.journal.block(), name)?;
        self.engines.log.delete_topic(self.journal.block(), name)?;
        for partition in &log.0.partitions {
            self.engines.bells.remove(&partition.id);
            partition.grew.notify_waiters();
        }
        self.engines.forget_topic(name);
        Ok(())
    }
}

/// A log with its settings, for the audit log.
pub(super) fn log_in_words(log: &TopicView) -> String {
    let settings = log.config().explicit().into_iter().map(|(key, value)| format!(", {key}={value}"));
    let (name, partitions, settings) = (log.name(), log.partitions().len(), settings.collect::<String>());
    format!("log {name}, {partitions} partitions{settings}")
}

/// A queue keeps what passes it in a log that is there and takes messages without a key.
fn check_keeper(turn: &Turn<'_>, settings: &QueueSettings) -> Result<(), Refusal> {
    let Some(log) = &settings.keep_in else { return Ok(()) };
    let refuse = |code, detail: String| Err(Refusal::new(code, detail).in_field("/queue/keep_in"));
    match TopicName::new(log).ok().and_then(|name| turn.engines.log.topic(&name)) {
        None => refuse(message::ErrorCode::UnknownTopic, format!("there is no log topic {log}")),
        Some(topic) if topic.config().cleanup().compact => {
            let detail = format!("{log} is compacted, so it does not keep what passed");
            refuse(message::ErrorCode::ConflictingSettings, detail)
        }
        Some(_) => Ok(()),
    }
}

fn check_same_log(have: &TopicView, partitions: u32, config: &TopicConfig) -> Result<(), Refusal> {
    let differs = |field: &str, have: String, want: String| {
        let detail = format!("the log exists with {field} = {have}, not {want}; change it with PATCH");
        Err(Refusal::new(message::ErrorCode::AlreadyExists, detail).in_field(format!("/log/{field}")))
    };
    if have.partitions().len() != partitions as usize {
        return differs("partitions", have.partitions().len().to_string(), partitions.to_string());
    }
    let (have, want) = (have.config().explicit(), config.explicit());
    if have != want {
        return differs("config", format!("{have:?}"), format!("{want:?}"));
    }
    Ok(())
}

fn describe_queue(info: &QueueInfo) -> TopicDescription {
    let totals = &info.totals;
    TopicDescription {
        name: info.name.to_string(),
        model: Model::Queue,
        queue: Some(QueueSettings::from(info.options.clone())),
        log: None,
        policy: info.policy.clone(),
        operator_policy: info.operator_policy.clone(),
        effective: (info.in_force != info.options).then(|| QueueSettings::from(info.in_force.clone())),
        queue_stats: Some(QueueStats {
            ready: info.ready,
            leased: info.leased,
            delayed: info.delayed,
            ready_bytes: info.ready_bytes,
            consumers: info.consumers,
            exclusive: info.owner.is_some(),
            published: totals.published,
            delivered: totals.delivered,
            acked: totals.acked,
            redelivered: totals.redelivered,
            duplicates: totals.duplicates,
            dead_lettered: totals.dead_rejected
                + totals.dead_expired
                + totals.dead_maxlen
                + totals.dead_delivery_limit,
        }),
        partitions: None,
    }
}

impl From<Overflow> for queue_engine::Overflow {
    fn from(overflow: Overflow) -> queue_engine::Overflow {
        match overflow {
            Overflow::DropHead => queue_engine::Overflow::DropHead,
            Overflow::RejectPublish => queue_engine::Overflow::RejectPublish,
            Overflow::RejectPublishDlx => queue_engine::Overflow::RejectPublishDlx,
        }
    }
}

impl From<queue_engine::Overflow> for Overflow {
    fn from(overflow: queue_engine::Overflow) -> Overflow {
        match overflow {
            queue_engine::Overflow::DropHead => Overflow::DropHead,
            queue_engine::Overflow::RejectPublish => Overflow::RejectPublish,
            queue_engine::Overflow::RejectPublishDlx => Overflow::RejectPublishDlx,
        }
    }
}

impl From<DeadLetterStrategy> for queue_engine::DeadLetterStrategy {
    fn from(strategy: DeadLetterStrategy) -> queue_engine::DeadLetterStrategy {
        match strategy {
            DeadLetterStrategy::AtMostOnce => queue_engine::DeadLetterStrategy::AtMostOnce,
            DeadLetterStrategy::AtLeastOnce => queue_engine::DeadLetterStrategy::AtLeastOnce,
        }
    }
}

impl From<queue_engine::DeadLetterStrategy> for DeadLetterStrategy {
    fn from(strategy: queue_engine::DeadLetterStrategy) -> DeadLetterStrategy {
        match strategy {
            queue_engine::DeadLetterStrategy::AtMostOnce => DeadLetterStrategy::AtMostOnce,
            queue_engine::DeadLetterStrategy::AtLeastOnce => DeadLetterStrategy::AtLeastOnce,
        }
    }
}

impl From<QueueSettings> for QueueOptions {
    fn from(settings: QueueSettings) -> QueueOptions {
        QueueOptions {
            kind: match settings.kind {
                QueueType::Classic => queue_engine::QueueType::Classic,
                QueueType::Quorum => queue_engine::QueueType::Quorum,
            },
            max_priority: settings.max_priority,
            message_ttl_ms: settings.message_ttl_ms,
            expires_ms: settings.expires_ms,
            max_length: settings.max_length,
            max_length_bytes: settings.max_length_bytes,
            overflow: settings.overflow.into(),
            dead_letter_exchange: settings.dead_letter_exchange,
            dead_letter_routing_key: settings.dead_letter_routing_key,
            dead_letter_strategy: settings.dead_letter_strategy.map(Into::into),
            delivery_limit: settings.delivery_limit,
            lease_ms: settings.lease_ms,
            durable: settings.durable,
            auto_delete: settings.auto_delete,
            single_active_consumer: settings.single_active_consumer,
            consumer_timeout_ms: settings.consumer_timeout_ms,
            arguments: None,
            order_per_key: settings.order_per_key,
            retry: settings.retry.map(Into::into),
            keep_in: settings.keep_in.and_then(|log| TopicName::new(&log).ok()),
            dedup: settings
                .dedup_window_ms
                .map(|window_ms| DedupWindow { window_ms, max_ids: settings.dedup_max_ids }),
        }
    }
}

impl From<QueueOptions> for QueueSettings {
    fn from(options: QueueOptions) -> QueueSettings {
        QueueSettings {
            kind: match options.kind {
                queue_engine::QueueType::Classic => QueueType::Classic,
                queue_engine::QueueType::Quorum => QueueType::Quorum,
            },
            max_priority: options.max_priority,
            message_ttl_ms: options.message_ttl_ms,
            expires_ms: options.expires_ms,
            max_length: options.max_length,
            max_length_bytes: options.max_length_bytes,
            overflow: options.overflow.into(),
            dead_letter_exchange: options.dead_letter_exchange,
            dead_letter_routing_key: options.dead_letter_routing_key,
            dead_letter_strategy: options.dead_letter_strategy.map(Into::into),
            delivery_limit: options.delivery_limit,
            lease_ms: options.lease_ms,
            durable: options.durable,
            auto_delete: options.auto_delete,
            single_active_consumer: options.single_active_consumer,
            consumer_timeout_ms: options.consumer_timeout_ms,
            order_per_key: options.order_per_key,
            retry: options.retry.map(Into::into),
            dedup_window_ms: options.dedup.map(|dedup| dedup.window_ms),
            dedup_max_ids: options.dedup.map_or(DedupWindow::DEFAULT_IDS, |dedup| dedup.max_ids),
            keep_in: options.keep_in.map(|log| log.to_string()),
        }
    }
}
