use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use log_engine::{
    AcknowledgeType, Acknowledgement, AcquiredRecords, MemberId, Offset, PartitionId, ShareAcquire,
    ShareAcquired, ShareError, ShareTaken,
};
use message::{ErrorCode, GroupName};
use tokio::sync::Notify;

use super::reading::{self, Reading};
use crate::refusal::Refusal;
use crate::topics::authorization::Act;
use crate::topics::outgoing::Acks;
use crate::topics::queue_topic::LOOK;
use crate::topics::shard::{Room, Terms, Turn};
use crate::topics::{LogTopic, LogWatch, Topics};

/// Who wants records, and how many.
#[derive(Clone, Debug)]
pub struct ShareWish {
    /// The group.
    pub group: GroupName,
    /// The member.
    pub member: MemberId,
    /// Most records, of all partitions together.
    pub records: u64,
    /// Most bytes, but for the first batch.
    pub bytes: usize,
    /// Whether the rest of a batch goes with its first records, beyond `records`, so that it is sent once only.
    pub whole_batches: bool,
}

/// Records that a member was given, with the bytes that hold them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareRecords {
    /// Whole stored batches, in order; some of their records may not be the member's.
    pub batches: Vec<Bytes>,
    /// The member's records.
    pub acquired: Vec<AcquiredRecords>,
}

/// What one partition gave.
pub struct Shared {
    /// The records, perhaps none.
    pub records: ShareRecords,
    /// How long the member may keep them.
    pub record_lock: Duration,
    /// Rings when there may be more to read.
    pub watch: LogWatch,
}

impl ShareRecords {
    /// How many the member got.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.acquired.iter().map(|run| u64::try_from(run.last.0 - run.first.0 + 1).unwrap_or(0)).sum()
    }

    /// Bytes of all batches.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.batches.iter().map(Bytes::len).sum()
    }
}

fn refused(error: ShareError) -> Refusal {
    match error {
        ShareError::Log(error) => Refusal::from(error),
        other => Refusal::new(other.code(), other.to_string()),
    }
}

impl Topics {
    /// Rings when records of the group may have come back.
    #[must_use]
    pub fn share_bell(&self, group: &GroupName) -> Arc<Notify> {
        self.0.share_bells.of(group)
    }

    /// The last listener of a group's bell is gone.
    pub fn leave_share_bell(&self, group: &GroupName, bell: Arc<Notify>) {
        drop(bell);
        self.0.share_bells.forget_unheard(group);
    }

    /// Gives a member records of one partition of a log, as many as are available now.
    pub async fn share_records(
        &self,
        wish: &ShareWish,
        log: &LogTopic,
        partition: u32,
        first: bool,
    ) -> Result<Shared, Refusal> {
        self.allow(Act::UseGroup, wish.group.as_str())?;
        log.allow(Act::Consume)?;
        let view = Arc::clone(&log.partition(partition)?.view);
        loop {
            let taken = self.share_taken(wish, view.id()).await?;
            let watch = log.watch_isolated(partition, taken.end.0, taken.isolation)?;
            let record_lock = taken.record_lock;
            let shared = |records| Ok(Shared { records, record_lock, watch });
            if taken.records.is_empty() {
                return shared(ShareRecords::default());
            }
            let read = reading::read(&view, &taken.records, taken.isolation, wish.bytes, first);
            let reading = match read {
                Ok(reading) => reading,
                Err(error) => {
                    let left = taken.records.iter().map(|run| (run.first, run.last)).collect();
                    self.share_settle_reading(wish, view.id(), Reading { left, ..Reading::default() }, None)
                        .await?;
                    return Err(error.into());
                }
            };
            let records = self.finish_share(wish, view.id(), &taken, reading).await?;
            // Where there was nothing but gaps, there is more behind them.
            if !records.acquired.is_empty() {
                return shared(records);
            }
            if self.draining().is_cancelled() {
                return shared(records);
            }
        }
    }

    /// Acquires records; gives the group its place in the partition first if it has none.
    async fn share_taken(&self, wish: &ShareWish, partition: PartitionId) -> Result<ShareTaken, Refusal> {
        let acquire = |wish: ShareWish| {
            move |turn: &mut Turn<'_>| {
                let ShareWish { group, member, records, .. } = &wish;
                let ask =
                    ShareAcquire { group, member, partition, records: *records, from: Offset(0), upto: None };
                turn.engines.log.share_acquire(&ask, turn.now)
            }
        };
        if let ShareAcquired::Taken(taken) =
            self.shard().call(LOOK, acquire(wish.clone())).await?.map_err(refused)?
        {
            return Ok(taken);
        }
        // Where the group begins must not be forgotten once it was told of records.
        let group = wish.group.clone();
        let then = acquire(wish.clone());
        let open = move |turn: &mut Turn<'_>| {
            turn.engines.log.share_open(turn.journal.block(), &group, partition, turn.now)?;
            then(turn)
        };
        let terms = Terms { acks: Acks::All, weight: 1024, room: Room::Reserved };
        match self.shard().call(terms, open).await?.map_err(refused)? {
            ShareAcquired::Taken(taken) => Ok(taken),
            ShareAcquired::NotOpen => {
                Err(Refusal::new(ErrorCode::Internal, "a share partition did not open; please report this"))
            }
        }
    }

    /// Tells the engine what reading came to, if that is not simply all.
    async fn finish_share(
        &self,
        wish: &ShareWish,
        partition: PartitionId,
        taken: &ShareTaken,
        reading: Reading,
    ) -> Result<ShareRecords, Refusal> {
        let rest = match (reading.found.last(), taken.records.last()) {
            (Some(found), Some(asked))
                if wish.whole_batches && found.last == asked.last && found.deliveries == 1 =>
            {
                Some((found.last.next(), reading.end)).filter(|(from, end)| from < end)
            }
            _ => None,
        };
        let mut records = ShareRecords { batches: reading.batches.clone(), acquired: reading.found.clone() };
        if rest.is_some() || !reading.gaps.is_empty() || !reading.left.is_empty() {
            records.acquired.extend(self.share_settle_reading(wish, partition, reading, rest).await?);
        }
        Ok(records)
    }

    async fn share_settle_reading(
        &self,
        wish: &ShareWish,
        partition: PartitionId,
        reading: Reading,
        rest: Option<(Offset, Offset)>,
    ) -> Result<Vec<AcquiredRecords>, Refusal> {
        let (group, member) = (wish.group.clone(), wish.member.clone());
        let gaps: Vec<Acknowledgement> = reading
            .gaps
            .iter()
            .filter_map(|(first, last)| Acknowledgement::new(*first, *last, vec![AcknowledgeType::Gap]))
            .collect();
        let settle = move |turn: &mut Turn<'_>| {
            let (now, log) = (turn.now, &mut turn.engines.log);
            for run in reading.left {
                log.share_give_back(&group, &member, partition, run);
            }
            if !gaps.is_empty() {
                turn.journal.ensure(log.share_settle_len(&group, u64::MAX))?;
                // Whoever lost its lock meanwhile leaves the gaps to the next.
                let _ = log.share_acknowledge(turn.journal.block(), (&group, &member), partition, &gaps, now);
            }
            let Some((from, upto)) = rest else { return Ok(Vec::new()) };
            let (group, member, upto) = (&group, &member, Some(upto));
            let ask = ShareAcquire { group, member, partition, records: u64::MAX, from, upto };
            match log.share_acquire(&ask, now) {
                Ok(ShareAcquired::Taken(more)) => Ok(more.records),
                Ok(ShareAcquired::NotOpen) | Err(_) => Ok(Vec::new()),
            }
        };
        self.shard().call(Terms { weight: 1024, ..LOOK }, settle).await?
    }

    /// Takes a member's word on records of logs' partitions: on all of a partition, or on none.
    pub async fn share_acknowledge(
        &self,
        group: &GroupName,
        member: &MemberId,
        acknowledgements: Vec<(LogTopic, u32, Vec<Acknowledgement>)>,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        self.allow(Act::UseGroup, group.as_str())?;
        let mut outcomes = Vec::with_capacity(acknowledgements.len());
        for (log, partition, batches) in acknowledgements {
            let allowed = log.allow(Act::Consume);
            let id = match allowed.and_then(|()| log.partition(partition)) {
                Ok(partition) => partition.id,
                Err(refusal) => {
                    outcomes.push(Err(refusal));
                    continue;
                }
            };
            let records =
                batches.iter().map(|one| u64::try_from(one.last().0 - one.first().0).unwrap_or(0) + 3);
            let records = records.fold(0, u64::saturating_add);
            let (group, member) = (group.clone(), member.clone());
            let settle = move |turn: &mut Turn<'_>| {
                let (now, log) = (turn.now, &mut turn.engines.log);
                turn.journal.ensure(log.share_settle_len(&group, records))?;
                let who = (&group, &member);
                log.share_acknowledge(turn.journal.block(), who, id, &batches, now).map_err(refused)
            };
            let terms = Terms { acks: Acks::All, weight: 1024, room: Room::Reserved };
            outcomes.push(self.shard().call(terms, settle).await?);
        }
        Ok(outcomes)
    }

    /// Takes back what a member has of logs' partitions, because it went away.
    pub async fn share_release(
        &self,
        group: &GroupName,
        member: &MemberId,
        partitions: Vec<(LogTopic, u32)>,
    ) {
        for (log, partition) in partitions {
            let Ok(id) = log.partition(partition).map(|partition| partition.id) else { continue };
            let (group, member) = (group.clone(), member.clone());
            let release = move |turn: &mut Turn<'_>| {
                let log = &mut turn.engines.log;
                // Without room the locks end by themselves.
                if turn.journal.ensure(log.share_settle_len(&group, u64::MAX)).is_ok() {
                    log.share_release(turn.journal.block(), (&group, &member), id);
                }
            };
            let terms = Terms { acks: Acks::Leader, weight: 1024, room: Room::Reserved };
            // When the owner is gone, nobody has anything any more.
            let _ = self.shard().call(terms, release).await;
        }
    }
}
