use log_engine::{CleanResult, SettleResult};
use message::Timestamp;
use segment_store::{Journal, Lsn, RecordKind, StoreError};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::Engines;
use super::engines::has_queue;
use super::giving_way::giving_way;
use crate::auth::identity_record;

/// Segments that the journal may always have before any is given up. Each checkpoint syncs what has not settled by then;
/// the longer they are apart, the less of the journal goes to the disk.
const SEGMENTS_KEPT: u64 = 8;
/// Journal bytes of long-lived messages moved forward at a time at most, so that no group waits long for it.
const RELOCATED_AT_A_TIME: u64 = 512 << 10;

/// Keeps the journal and the logs short: settles and compacts logs, moves long-lived messages forward, writes checkpoints, recycles segments.
///
/// Slow work runs on blocking threads and reports back; the owner only starts it and takes the reports.
pub(crate) struct Upkeep {
    report: mpsc::UnboundedSender<UpkeepDone>,
    reports: mpsc::UnboundedReceiver<UpkeepDone>,
    checkpointing: bool,
    covered: Lsn,
    failures: u32,
}

/// A piece of slow work that ended.
pub(crate) enum UpkeepDone {
    Settled(SettleResult),
    Cleaned(CleanResult),
    Checkpointed { outcome: Result<Lsn, StoreError>, needed: Lsn },
}

impl Upkeep {
    pub(crate) fn new(covered: Lsn) -> Upkeep {
        let (report, reports) = mpsc::unbounded_channel();
        Upkeep { report, reports, checkpointing: false, covered, failures: 0 }
    }

    /// The next piece of slow work that ended.
    pub(crate) async fn done(&mut self) -> UpkeepDone {
        match self.reports.recv().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }

    /// Before a group is written: starts settling, moves messages forward within the group.
    pub(crate) fn before_flush(&mut self, engines: &mut Engines, journal: &mut Journal, now: Timestamp) {
        let target = reclaim_target(engines, journal);
        if let Some(target) = target {
            engines.log.settle_below(target);
            let budget = RELOCATED_AT_A_TIME.min(journal.segment_bytes() / 4);
            if engines.queue.oldest_needed().is_some_and(|oldest| oldest < target)
                && journal.ensure(2 * budget as usize).is_ok()
                && let Err(error) = engines.queue.relocate_before(journal.block(), target, budget)
            {
                warn!(%error, "a long-lived message cannot be moved; its journal segment stays");
            }
        }
        if engines.log.wants_settle()
            && let Some(job) = engines.log.take_settle_job(journal.durable(), now)
        {
            let report = self.report.clone();
            tokio::task::spawn_blocking(move || {
                let result = giving_way(|| job.run());
                drop(job);
                report.send(UpkeepDone::Settled(result))
            });
        }
        if engines.log.wants_clean()
            && let Some(job) = engines.log.take_clean_job(now)
        {
            let report = self.report.clone();
            tokio::task::spawn_blocking(move || report.send(UpkeepDone::Cleaned(job.run())));
        }
    }

    /// After a group was written, when memory and journal say the same: a checkpoint, if one would free segments.
    pub(crate) fn after_flush(&mut self, engines: &mut Engines, journal: &mut Journal) {
        let Some(target) = reclaim_target(engines, journal) else { return };
        let needed = oldest_needed(engines, journal);
        if self.checkpointing || needed < target || self.covered >= target {
            return;
        }
        self.checkpointing = true;
        let mut writer = journal.write_checkpoint(journal.end(), needed);
        let records = engines.checkpoint();
        let report = self.report.clone();
        tokio::task::spawn_blocking(move || {
            let pushed = records.iter().try_for_each(|(kind, record)| writer.push(*kind, &[record]));
            let outcome = pushed.and_then(|()| writer.finish());
            report.send(UpkeepDone::Checkpointed { outcome, needed })
        });
    }

    /// Takes a report; what it changes is journaled with the next group.
    pub(crate) fn finish(
        &mut self,
        done: UpkeepDone,
        engines: &mut Engines,
        journal: &mut Journal,
        now: Timestamp,
    ) {
        match done {
            UpkeepDone::Settled(result) => {
                let outcome = engines.log.settled(journal.block(), result, now);
                debug!(bytes = outcome.freed_bytes, "settled");
                for (partition, error) in outcome.failed {
                    warn!(%partition, %error, "records could not settle; they stay in the journal and are tried again");
                }
            }
            UpkeepDone::Cleaned(result) => {
                let outcome = engines.log.cleaned(journal.block(), result, now);
                let (partition, (before, after)) = (outcome.partition, outcome.bytes);
                match outcome.failed {
                    None => debug!(%partition, before, after, "compacted"),
                    Some(error) => {
                        warn!(%partition, %error, "a log could not be compacted; it stays as it is and is tried again");
                    }
                }
            }
            UpkeepDone::Checkpointed { outcome: Ok(at), needed } => {
                self.checkpointing = false;
                self.failures = 0;
                self.covered = at;
                if let Err(error) = journal.recycle_before(needed.min(at)) {
                    warn!(%error, "journal segments could not be recycled");
                }
            }
            UpkeepDone::Checkpointed { outcome: Err(error), .. } => {
                self.checkpointing = false;
                self.failures += 1;
                if self.failures.is_power_of_two() {
                    warn!(%error, failures = self.failures, "no checkpoint could be written; the journal grows");
                }
            }
        }
    }
}

/// Up to where the journal should be given up, when it is longer than what lives in it justifies.
fn reclaim_target(engines: &Engines, journal: &Journal) -> Option<Lsn> {
    let segment = journal.segment_bytes();
    let kept = SEGMENTS_KEPT * segment;
    if journal.retained_bytes() < kept {
        return None;
    }
    let (oldest, end) = (journal.oldest().0 / segment, journal.end().0 / segment);
    let messages: u64 =
        (oldest..=end).map(|number| engines.queue.segment_use(Lsn(number * segment)).bytes).sum();
    // A checkpoint syncs what has not settled; the more that is, the longer the journal has to be for it to be worth that.
    // Not twice as long: each further segment is page cache, which is slow where others have taken the memory meanwhile.
    let justified = kept + 2 * messages + engines.log.unsettled_bytes();
    let excess = journal.retained_bytes().checked_sub(justified)?;
    let whole = (excess / segment + 1) * segment;
    Some(Lsn(oldest * segment + whole))
}

/// The oldest position that an engine would miss beside a checkpoint of its present state.
fn oldest_needed(engines: &mut Engines, journal: &Journal) -> Lsn {
    let logs = engines.log.oldest_needed();
    let queues = engines.queue.oldest_needed();
    [logs, queues].into_iter().flatten().fold(journal.end(), Lsn::min)
}

impl Engines {
    /// Everything but messages, as records that rebuild it.
    fn checkpoint(&self) -> Vec<(RecordKind, Vec<u8>)> {
        let mut records = Vec::new();
        self.log.checkpoint(&mut |record| records.push((RecordKind::LOG, record.to_vec())));
        self.queue.checkpoint(&mut |record| records.push((RecordKind::QUEUE, record.to_vec())));
        self.idempotency.checkpoint(&mut |record| records.push((RecordKind::GATEWAY, record.to_vec())));
        let is_there = |place| has_queue(&self.queue, place);
        self.queue_producers
            .checkpoint(is_there, &mut |record| records.push((RecordKind::PRODUCER, record.to_vec())));
        self.jobs.checkpoint(&mut |record| records.push((RecordKind::JOB, record.to_vec())));
        let identities = self.identities.changes().map(|change| identity_record::encode(&change));
        let identities = identities.chain(self.makers.records());
        records.extend(identities.map(|record| (RecordKind::IDENTITY, record)));
        records.extend(self.shovels.records().map(|record| (RecordKind::SHOVEL, record)));
        records
    }
}
