use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use message::{Limits, Timestamp, TopicName};
use segment_store::{Block, Disk, Lsn, RecordKind};

use crate::batch::Batch;
use crate::cleaner::Cleaning;
use crate::group::{GroupConfig, Groups};
use crate::group_settings::Choices;
use crate::partition::Partition;
use crate::producer::ProducerId;
use crate::producers::Standing;
use crate::record::{self, LogRecord};
use crate::segment::SegmentCache;
use crate::settle::{Removal, WriteBuffers};
use crate::share::{ShareConfig, ShareGroups};
use crate::transaction::Coordinator;
use crate::transactions::Enrolment;
use crate::view::ReadSettings;
use crate::{
    LogError, Offset, PartitionId, PartitionView, TopicConfig, TopicId, TopicPartition, TopicView, Visible,
};

/// What bounds a log engine.
#[derive(Clone, Debug)]
pub struct LogEngineConfig {
    /// Memory of unsettled batches from which on settling is due.
    pub settle_bytes: u64,
    /// Memory of unsettled batches beyond which appends are refused until settling has caught up.
    pub unsettled_bytes_max: u64,
    /// Segments whose files are open for reading at once.
    pub open_segments_max: usize,
    /// Partitions of all topics together.
    pub partitions_max: usize,
    /// Consumer groups.
    pub groups: GroupConfig,
    /// Share groups.
    pub shares: ShareConfig,
    /// Whether reading from segments compares checksums.
    pub verify_reads: bool,
    /// How often retention looks at the logs, and idle files are closed.
    pub check_interval: std::time::Duration,
    /// How long a producer that writes nothing is remembered (Kafka's `producer.id.expiration.ms`).
    pub producer_expiration: std::time::Duration,
    /// Producers remembered in all partitions together; beyond it those that were silent the longest are forgotten.
    pub producers_max: usize,
    /// The longest that a transaction may ask to stay open (`transaction.max.timeout.ms`).
    pub transaction_timeout_max: std::time::Duration,
    /// How long a transactional id that nobody uses is remembered (`transactional.id.expiration.ms`).
    pub transactional_id_expiration: std::time::Duration,
    /// How long the outcome of a transaction without a name of its own can be asked for.
    pub outcome_retention: std::time::Duration,
    /// Transactional ids remembered at a time.
    pub transactional_ids_max: usize,
    /// Memory for keys while a partition is compacted.
    pub cleaner_bytes: usize,
    /// Makes the hashes of keys unpredictable, so that nobody can send two keys that compaction takes for one.
    pub hash_secret: (u64, u64),
    /// What topics have unless they say otherwise: the broker's own settings.
    pub topic_defaults: TopicConfig,
    /// Sizes that nothing may exceed.
    pub limits: Limits,
}

impl Default for LogEngineConfig {
    fn default() -> LogEngineConfig {
        LogEngineConfig {
            settle_bytes: 8 << 20,
            unsettled_bytes_max: 512 << 20,
            open_segments_max: 256,
            partitions_max: 200_000,
            groups: GroupConfig::default(),
            shares: ShareConfig::default(),
            verify_reads: true,
            check_interval: std::time::Duration::from_secs(1),
            producer_expiration: std::time::Duration::from_secs(24 * 3600),
            producers_max: 1_000_000,
            transaction_timeout_max: std::time::Duration::from_secs(15 * 60),
            transactional_id_expiration: std::time::Duration::from_secs(7 * 24 * 3600),
            outcome_retention: std::time::Duration::from_secs(3600),
            transactional_ids_max: 100_000,
            cleaner_bytes: 128 << 20,
            hash_secret: (0, 0),
            topic_defaults: TopicConfig::default(),
            limits: Limits::default(),
        }
    }
}

/// Where a batch ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The partition.
    pub partition: PartitionId,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Its largest timestamp: the broker's when the topic says so, the producer's otherwise.
    pub timestamp: Timestamp,
    /// Whether it was there already: the producer sent it again, and this is where it was stored the first time.
    pub is_duplicate: bool,
}

/// All logs of a shard, for their one owner.
///
/// Methods change memory at once and push what they did into the journal block that the caller writes afterwards;
/// a caller whose write fails must throw the engine away. See the crate's documentation for the order of calls.
pub struct LogEngine {
    pub(crate) config: LogEngineConfig,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) settings: Arc<ReadSettings>,
    pub(crate) partitions: HashMap<PartitionId, Partition>,
    pub(crate) topics: BTreeMap<TopicName, Arc<TopicView>>,
    pub(crate) topic_names: HashMap<TopicId, TopicName>,
    pub(crate) groups: Groups,
    pub(crate) shares: ShareGroups,
    pub(crate) choices: Choices,
    pub(crate) next_partition: u32,
    pub(crate) next_topic: u64,
    pub(crate) advanced: Vec<PartitionId>,
    pub(crate) settling: Settling,
    pub(crate) damage: Vec<crate::Damage>,
    pub(crate) next_check: Timestamp,
    pub(crate) cache_clock: u64,
    /// Producers remembered in all partitions together.
    pub(crate) producer_count: usize,
    /// When to look for producers to forget.
    pub(crate) next_producer_check: Timestamp,
    pub(crate) transactions: Coordinator,
    /// Transactions left open in a partition by a producer whom the coordinator does not know to have one.
    pub(crate) hanging: Vec<(PartitionId, ProducerId)>,
    /// Open transactions that the last crash took something of.
    pub(crate) lost: Vec<ProducerId>,
    /// The time of the last tick.
    pub(crate) ticked: Timestamp,
    pub(crate) scratch: Vec<u8>,
    pub(crate) flushing: Flushing,
    pub(crate) cleaning: Cleaning,
}

/// What topics want synced whatever their producers asked for: `flush.messages` and `flush.ms`.
#[derive(Default)]
pub(crate) struct Flushing {
    /// Whether something appended since the last question must not be answered before it is synced.
    now: bool,
    /// When the oldest record that has waited for a sync has waited long enough.
    at: Option<Timestamp>,
}

/// How far settling has come.
#[derive(Default)]
pub(crate) struct Settling {
    /// Memory of unsettled batches.
    pub unsettled: u64,
    /// Partitions with unsettled batches, perhaps with some that have none any more.
    pub dirty: Vec<PartitionId>,
    /// Where the oldest of those batches is, if that is known.
    pub oldest_known: Option<Option<Lsn>>,
    pub in_flight: bool,
    /// Partitions that a crash may have left files in.
    pub unchecked: Vec<PartitionId>,
    /// Journal that the shell would like to recycle.
    pub wanted_below: Lsn,
    /// Partitions whose unsettled batches have waited long enough.
    pub aged: Vec<PartitionId>,
    /// What jobs write from.
    pub buffers: Arc<WriteBuffers>,
    /// After a failure, no attempt before this.
    pub blocked_until: Option<Timestamp>,
    pub disk_full: bool,
    pub doomed: Vec<Doomed>,
    /// Whether a tick found files to remove since the last job was taken.
    pub removal_due: bool,
}

impl Settling {
    /// Refuses more batches while too many wait to be settled.
    fn check_room(&self, max: u64) -> Result<(), LogError> {
        match (self.unsettled < max, self.disk_full) {
            (true, _) => Ok(()),
            (false, true) => Err(LogError::DiskFull),
            (false, false) => Err(LogError::Overloaded(self.unsettled)),
        }
    }

    /// Takes note of a batch that waits to be settled.
    pub(crate) fn add(&mut self, weight: u64, lsn: Lsn) {
        self.unsettled += weight;
        if self.oldest_known == Some(None) {
            self.oldest_known = Some(Some(lsn));
        }
    }
}

/// Files to remove once the record that gave them up is durable and nobody reads them.
pub(crate) struct Doomed {
    pub record: Lsn,
    /// They stay until then, unless the disk is full: `file.delete.delay.ms`.
    pub not_before: Timestamp,
    pub what: DoomedFiles,
}

pub(crate) enum DoomedFiles {
    Segment(Arc<crate::segment::SegmentFiles>),
    Other(Removal),
}

impl LogEngine {
    /// An engine without topics, to be filled by replaying the journal; then call `finish_recovery`.
    #[must_use]
    pub fn open(disk: Arc<dyn Disk>, config: LogEngineConfig) -> LogEngine {
        let settings = ReadSettings {
            cache: SegmentCache::new(Arc::clone(&disk), config.open_segments_max),
            verify: config.verify_reads,
            decompressed_max: config.limits.decompressed_bytes,
        };
        LogEngine {
            config,
            disk,
            settings: Arc::new(settings),
            partitions: HashMap::new(),
            topics: BTreeMap::new(),
            topic_names: HashMap::new(),
            groups: Groups::default(),
            shares: ShareGroups::default(),
            choices: Choices::default(),
            next_partition: 0,
            next_topic: 0,
            advanced: Vec::new(),
            settling: Settling::default(),
            damage: Vec::new(),
            next_check: Timestamp(0),
            cache_clock: 0,
            producer_count: 0,
            next_producer_check: Timestamp(0),
            transactions: Coordinator::default(),
            hanging: Vec::new(),
            lost: Vec::new(),
            ticked: Timestamp(0),
            scratch: Vec::new(),
            flushing: Flushing::default(),
            cleaning: Cleaning::default(),
        }
    }

    /// Bytes that the record of an append takes in a block, for asking [`Block::fits`] beforehand.
    #[must_use]
    pub fn append_record_len(batch_len: usize) -> usize {
        batch_len + record::APPEND_OVERHEAD
    }

    /// Bytes of records that one call of anything but [`LogEngine::append`] pushes at most, as long as what it was
    /// given is not larger itself.
    pub const RECORDS_LEN_MAX: usize = 512 << 10;

    /// Appends a batch: gives it the next offsets and puts it into `block`. Readers see it after
    /// [`PartitionView::advance`]. Costs the same whatever the number of records.
    ///
    /// A batch of an idempotent producer that is stored already is answered with its first place. One that belongs to a
    /// transaction goes through [`LogEngine::append_transactional`].
    pub fn append(
        &mut self,
        block: &mut Block,
        partition: PartitionId,
        batch: Batch,
        now: Timestamp,
    ) -> Result<Appended, LogError> {
        if batch.header().is_transactional() {
            return Err(LogError::InvalidTransactionState(
                "the batch belongs to a transaction; name the transactional id beside it".to_owned(),
            ));
        }
        self.append_checked(block, partition, batch, None, now)
    }

    pub(crate) fn append_checked(
        &mut self,
        block: &mut Block,
        partition: PartitionId,
        batch: Batch,
        enrolment: Option<Enrolment<'_>>,
        now: Timestamp,
    ) -> Result<Appended, LogError> {
        let is_produced = batch.header().producer_id >= 0;
        let joins = match is_produced {
            false => false,
            true => match self.check_producer(batch.header(), partition, enrolment)? {
                Standing::Duplicate(stored) => return Ok(stored),
                Standing::Next { joins } => joins,
            },
        };
        let slot = self.partitions.get(&partition).ok_or(LogError::GonePartition(partition))?;
        let (size, max) = (batch.len(), slot.config.max_message_bytes());
        if size > max {
            return Err(LogError::TooLarge { size, max });
        }
        self.settling.check_room(self.config.unsettled_bytes_max)?;
        if joins {
            let producer = ProducerId(batch.header().producer_id);
            self.join_transaction(block, producer, &[partition], now);
        }
        self.place(block, partition, batch, now)
    }

    /// Appends what the broker itself brings: messages that passed elsewhere, whatever their size. They are in the journal
    /// or in this log's block, and have nowhere to wait: who brings them asks [`LogEngine::has_room`] before it takes
    /// any in.
    pub fn append_passed(
        &mut self,
        block: &mut Block,
        partition: PartitionId,
        batch: Batch,
        now: Timestamp,
    ) -> Result<Appended, LogError> {
        self.place(block, partition, batch, now)
    }

    /// Whether appends are taken: while too many batches wait to be settled they are refused.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.settling.check_room(self.config.unsettled_bytes_max).is_ok()
    }

    fn place(
        &mut self,
        block: &mut Block,
        partition: PartitionId,
        batch: Batch,
        now: Timestamp,
    ) -> Result<Appended, LogError> {
        let is_produced = batch.header().producer_id >= 0;
        let slot = self.partitions.get_mut(&partition).ok_or(LogError::GonePartition(partition))?;
        let header = slot.place(block, batch, &mut self.settling, &mut self.advanced, now);
        slot.unflushed = slot.unflushed.saturating_add(header.count as u64);
        if slot.unflushed >= slot.config.flush_messages() {
            slot.unflushed = 0;
            self.flushing.now = true;
        }
        if slot.config.flush_ms() < i64::MAX {
            let at = Timestamp(now.0.saturating_add(slot.config.flush_ms()));
            self.flushing.at = Some(self.flushing.at.map_or(at, |earlier| earlier.min(at)));
        }
        if is_produced {
            self.producer_count += usize::from(slot.producers.record(&header, now));
        }
        Ok(Appended {
            partition,
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            timestamp: Timestamp(header.max_timestamp),
            is_duplicate: false,
        })
    }

    /// The partitions that grew since the last call and how far; the shell calls [`PartitionView::advance`] with
    /// each when it releases the group of commands.
    pub fn take_advanced(&mut self) -> Vec<(Arc<PartitionView>, Visible)> {
        let partitions = &mut self.partitions;
        let advanced = self.advanced.drain(..).filter_map(|id| {
            let partition = partitions.get_mut(&id)?;
            partition.advanced = false;
            Some((Arc::clone(&partition.view), partition.visible()))
        });
        advanced.collect()
    }

    /// Whether what was appended since the last call must be synced before it is answered, because `flush.messages`
    /// of a topic says so.
    pub fn take_flush_due(&mut self) -> bool {
        std::mem::take(&mut self.flushing.now)
    }

    /// When the journal must be synced at the latest, because `flush.ms` of a topic says so. The shell syncs with
    /// every [`LogEngine::tick`] and calls it then.
    #[must_use]
    pub fn flush_at(&self) -> Option<Timestamp> {
        self.flushing.at
    }

    /// Takes note that everything appended so far is being synced.
    pub(crate) fn forget_flush(&mut self) {
        self.flushing.at = None;
    }

    /// A topic by name.
    #[must_use]
    pub fn topic(&self, name: &TopicName) -> Option<&Arc<TopicView>> {
        self.topics.get(name)
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicView>> {
        self.topics.values()
    }

    /// A partition by id.
    #[must_use]
    pub fn partition(&self, id: PartitionId) -> Option<&Arc<PartitionView>> {
        self.partitions.get(&id).map(|partition| &partition.view)
    }

    /// A partition by name.
    pub fn resolve(&self, partition: &TopicPartition) -> Result<&Arc<PartitionView>, LogError> {
        let topic = self
            .topics
            .get(&partition.topic)
            .ok_or_else(|| LogError::UnknownTopic(partition.topic.clone()))?;
        topic.partition(partition.partition).ok_or_else(|| LogError::UnknownPartition(partition.clone()))
    }

    /// Memory that unsettled batches take.
    #[must_use]
    pub fn unsettled_bytes(&self) -> u64 {
        self.settling.unsettled
    }

    /// Segments whose files are open for reading.
    #[must_use]
    pub fn open_segments(&self) -> usize {
        self.settings.cache.open_count()
    }

    /// Writes one record into the block.
    pub(crate) fn push(&mut self, block: &mut Block, record: &LogRecord<'_>) -> Lsn {
        self.scratch.clear();
        record.encode(&mut self.scratch);
        block.push(RecordKind::LOG, &[&self.scratch])
    }
}
