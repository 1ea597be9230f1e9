//! From a data directory to running topics.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use dashmap::DashMap;
use log_engine::{LogEngine, LogEngineConfig, ProducerWindows};
use message::Limits;
use queue_engine::{EngineConfig, QueueEngine};
use segment_store::{Disk, Journal, JournalConfig, Lsn, RealDisk, RecordKind, Replayed, Source, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::clock::Clock;
use super::consumer_protocol;
use super::directory::Directory;
use super::jobs::Jobs;
use super::member_ids::MemberIds;
use super::partitioner::Partitioner;
use super::session::ReplyBook;
use super::shard::{
    Engines, Idempotency, IdempotencySettings, JobBook, Makers, Outlets, Owner, ShardHandle, ShovelBook,
    Staging, StagingSettings, Upkeep, Waiters,
};
use super::share::ShareBells;
use super::vitals::Vitals;
use super::{House, Topics};
use crate::auth::identity_record::{self, Entry};
use crate::auth::{Guard, GuardSettings, Identities, Pass, Usage};

/// What the topics are opened with.
#[derive(Clone, Debug)]
pub struct TopicsSettings {
    /// The data directory; made when missing.
    pub data_dir: PathBuf,
    /// The journal.
    pub journal: JournalConfig,
    /// The logs.
    pub log: LogEngineConfig,
    /// The queues.
    pub queue: EngineConfig,
    /// Kept answers.
    pub idempotency: IdempotencySettings,
    /// What open transactions may hold for queues.
    pub staging: StagingSettings,
    /// Sizes that nothing may exceed.
    pub limits: Limits,
    /// Most bytes of requests between a door and the disk.
    pub in_flight_bytes: u32,
    /// Who judges credentials; it is shown who there is.
    pub guard: Guard,
}

impl TopicsSettings {
    /// Defaults for a data directory.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> TopicsSettings {
        TopicsSettings {
            data_dir,
            journal: JournalConfig::default(),
            log: LogEngineConfig::default(),
            queue: EngineConfig::default(),
            idempotency: IdempotencySettings::default(),
            staging: StagingSettings::default(),
            limits: Limits::default(),
            in_flight_bytes: 64 << 20,
            guard: Guard::new(GuardSettings::default()),
        }
    }
}

/// The task that owns all state; it ends after the last [`Topics`] is gone or drained.
pub struct OwnerTask(tokio::task::JoinHandle<()>);

impl OwnerTask {
    /// Waits until everything accepted is on disk and the owner has ended.
    pub async fn ended(self) -> Result<(), tokio::task::JoinError> {
        self.0.await
    }
}

impl Topics {
    /// Recovers what the data directory holds and starts the owner. Needs a tokio runtime.
    ///
    /// # Errors
    /// When another process has the directory, or it cannot be read.
    pub fn open(settings: TopicsSettings) -> Result<(Topics, OwnerTask), StoreError> {
        let disk = RealDisk::new(settings.data_dir.clone());
        Topics::open_on(Arc::new(disk), settings)
    }

    /// The same over any disk.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        mut settings: TopicsSettings,
    ) -> Result<(Topics, OwnerTask), StoreError> {
        let clock = Clock::start();
        settings.log.limits = settings.limits;
        settings.log.groups.format = consumer_protocol::FORMAT;
        let topic_defaults = settings.log.topic_defaults;
        settings.queue.segment_bytes = settings.journal.segment_bytes;
        let directory = Arc::new(Directory::default());
        let vitals = Arc::new(Vitals::default());
        let share_bells = Arc::new(ShareBells::default());
        let mut engines = Engines {
            log: LogEngine::open(Arc::clone(&disk), settings.log),
            queue: QueueEngine::new(settings.queue),
            idempotency: Idempotency::new(settings.idempotency),
            jobs: JobBook::default(),
            queue_producers: ProducerWindows::default(),
            staging: Staging::new(settings.staging),
            outlets: Outlets::default(),
            waiters: Waiters::default(),
            replies: ReplyBook::default(),
            directory: Arc::clone(&directory),
            bells: HashMap::new(),
            partitioner: Partitioner::default(),
            limits: settings.limits,
            unkept: None,
            identities: Identities::default(),
            shovels: ShovelBook::default(),
            makers: Makers::default(),
            guard: settings.guard.clone(),
            vitals: Arc::clone(&vitals),
            share_bells: Arc::clone(&share_bells),
        };
        let (journal, report) = Journal::open(disk, settings.journal, &mut |record| engines.replay(record))?;
        if let Some(torn) = &report.torn_tail {
            info!(
                ?torn,
                "the journal ended in a torn write, as a crash leaves it; nothing confirmed was in it"
            );
        }
        for damage in &report.damage {
            warn!(file = %damage.file.display(), position = damage.position, length = damage.length, what = %damage.what,
                "the journal is damaged; what lies around the damage was recovered");
        }
        let now = clock.now();
        engines.queue.attach_reader(Arc::new(journal.reader()));
        engines.queue.finish_recovery(now);
        let damages = engines.log.finish_recovery(now).map_err(|error| unreadable(&error.to_string()))?;
        for damage in damages {
            warn!(?damage, "a log lost records to damage; what lies around them is served");
        }
        engines.show_identities();
        engines.shovels.show();
        info!(records = report.records, checkpoint = ?report.checkpoint, "recovered");
        let (shard, commands) = ShardHandle::new(settings.in_flight_bytes);
        let stop = CancellationToken::new();
        let topics = Topics(
            Arc::new(House {
                shard,
                guard: settings.guard,
                directory,
                limits: settings.limits,
                topic_defaults,
                clock,
                draining: CancellationToken::new(),
                stop: stop.clone(),
                jobs: Jobs::default(),
                positions: DashMap::new(),
                member_ids: MemberIds::default(),
                sweep_at: AtomicUsize::new(64),
                vitals: Arc::clone(&vitals),
                share_bells,
                shovels: engines.shovels.watch(),
            }),
            Pass::Open,
            Usage::default(),
        );
        topics.enter_all(&mut engines);
        let jobs = engines.jobs.at_work();
        let upkeep = Upkeep::new(report.checkpoint.unwrap_or(Lsn(0)));
        let owner = Owner::new(journal, engines, clock, upkeep)
            .map_err(|source| StoreError::Io { context: "starting the sync thread".into(), source })?;
        let owner = OwnerTask(tokio::spawn(owner.run(commands, stop)));
        topics.resume_jobs(jobs);
        Ok((topics, owner))
    }

    fn enter_all(&self, engines: &mut Engines) {
        // First: a topic is of the virtual host that its name begins with.
        engines.directory.hosts.set(engines.queue.virtual_hosts());
        let names: Vec<_> = engines.queue.queue_names().cloned().collect();
        for name in names {
            if let Ok(info) = engines.queue.queue_info(&name) {
                engines.directory.insert_queue(info.id, &name);
            }
        }
        let logs: Vec<_> = engines.log.topics().map(Arc::clone).collect();
        for log in logs {
            self.enter_log(engines, &log);
        }
        let Engines { makers, directory, .. } = engines;
        makers.keep(|topic| directory.has(topic));
    }
}

impl Engines {
    fn replay(&mut self, record: Replayed<'_>) -> Result<(), StoreError> {
        match record.kind {
            RecordKind::LOG => self.log.replay(record).map_err(|error| unreadable(&error.to_string())),
            RecordKind::QUEUE => self.queue.replay(record).map_err(|error| unreadable(&error.to_string())),
            RecordKind::GATEWAY | RecordKind::JOB | RecordKind::PRODUCER => {
                let is_news = record.source == Source::Checkpoint || record.lsn >= record.checkpoint_lsn;
                match record.kind {
                    RecordKind::JOB if is_news => self.jobs.replay(record.payload),
                    RecordKind::PRODUCER if is_news => self.queue_producers.replay(record.payload),
                    RecordKind::GATEWAY if is_news => self.idempotency.replay(record.payload),
                    _ => {}
                }
                Ok(())
            }
            RecordKind::IDENTITY => {
                if record.source == Source::Checkpoint || record.lsn >= record.checkpoint_lsn {
                    let entry = identity_record::decode(record.payload)
                        .ok_or_else(|| unreadable("a change of users, rules or quotas is unknown"))?;
                    match entry {
                        Entry::Change(change) => self.identities.fold(change),
                        Entry::Maker(topic, by) => self.makers.set(topic, by),
                    }
                }
                Ok(())
            }
            RecordKind::SHOVEL => {
                let is_news = record.source == Source::Checkpoint || record.lsn >= record.checkpoint_lsn;
                if is_news && !self.shovels.replay(record.payload) {
                    return Err(unreadable("a definition of a shovel is unknown"));
                }
                Ok(())
            }
            RecordKind(other) => Err(unreadable(&format!("records of kind {other} are unknown"))),
        }
    }
}

fn unreadable(what: &str) -> StoreError {
    StoreError::Corrupt {
        file: PathBuf::from("journal"),
        position: 0,
        what: format!("{what}; was it written by a newer version?"),
    }
}
