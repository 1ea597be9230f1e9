//! The engines and the journal without a door: one owner thread, one thread that syncs, group commit between them.
//!
//! The same discipline as the broker's: everything that waits is applied and written at once, and answered when a
//! sync has passed it. The callers are free of cost, so what is measured is the engine and the journal alone.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use log_engine::{LogEngine, LogEngineConfig, SettleResult};
use message::Timestamp;
use queue_engine::{EngineConfig, Outbox, QueueEngine};
use segment_store::{Disk, Journal, JournalConfig, Lsn, RealDisk, RecordKind, StoreError};

/// Journal bytes of long-lived messages moved forward at a time.
const RELOCATED_AT_A_TIME: u64 = 512 << 10;

/// What happens beside the owner.
enum Event<R> {
    Synced(Lsn),
    Settled(SettleResult),
    Checkpointed(Result<Lsn, StoreError>, Lsn),
    #[allow(dead_code, reason = "names the type of what groups carry")]
    Never(R),
}

/// Engines with a journal. Groups carry `R`, which comes back when they are durable.
pub struct Shard<R> {
    /// The log engine.
    pub log: LogEngine,
    /// The queue engine.
    pub queue: QueueEngine,
    /// What both write to.
    pub journal: Journal,
    events: Receiver<Event<R>>,
    report: Sender<Event<R>>,
    sync: Sender<Lsn>,
    groups: VecDeque<(Lsn, R)>,
    durable: Lsn,
    unhurried: (Lsn, Instant),
    checkpointing: bool,
}

impl<R: Send + 'static> Shard<R> {
    /// On an empty directory.
    pub fn open(directory: &Path) -> Shard<R> {
        Shard::open_with(directory, LogEngineConfig::default())
    }

    /// The same with other limits of the log engine.
    pub fn open_with(directory: &Path, log: LogEngineConfig) -> Shard<R> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(directory.to_path_buf()));
        let config = JournalConfig::default();
        let engine = EngineConfig { segment_bytes: config.segment_bytes, ..EngineConfig::default() };
        let (journal, _) =
            Journal::open(Arc::clone(&disk), config, &mut |_| Ok(())).expect("an empty journal");
        let mut log = LogEngine::open(disk, log);
        log.finish_recovery(now()).expect("an empty log");
        let (report, events) = channel();
        let (sync, asked) = channel::<Lsn>();
        let (syncer, synced) = (journal.syncer(), report.clone());
        std::thread::spawn(move || {
            while let Ok(mut upto) = asked.recv() {
                while let Ok(later) = asked.try_recv() {
                    upto = later;
                }
                let durable = syncer.sync(upto).expect("the disk syncs");
                if synced.send(Event::Synced(durable)).is_err() {
                    return;
                }
            }
        });
        let (groups, durable) = (VecDeque::new(), journal.durable());
        let mut queue = QueueEngine::new(engine);
        queue.attach_reader(Arc::new(journal.reader()));
        let unhurried = (durable, Instant::now());
        Shard { log, queue, journal, events, report, sync, groups, durable, unhurried, checkpointing: false }
    }

    /// Makes sure that the next records find a place.
    pub fn make_room(&mut self, bytes: usize) {
        if self.journal.room() < bytes as u64 {
            self.journal.make_room().expect("disk space");
        }
        self.journal.ensure(bytes).expect("room");
    }

    /// The queue engine's outbox of this group, which the caller releases with it. Moves long-lived messages forward
    /// first, as far as the journal is longer than what lives in it justifies.
    pub fn outbox(&mut self) -> Outbox {
        if let Some(target) = self.reclaim_target()
            && self.queue.oldest_needed().is_some_and(|oldest| oldest < target)
        {
            self.make_room(2 * RELOCATED_AT_A_TIME as usize);
            let block = self.journal.block();
            self.queue.relocate_before(block, target, RELOCATED_AT_A_TIME).expect("readable messages");
        }
        self.queue.take_outbox(self.journal.block())
    }

    /// Writes the group and asks for its sync.
    pub fn commit(&mut self, released: R) {
        self.commit_with(released, true);
    }

    /// Writes the group. Without `synced` it is released as soon as it is written; a sync of what is a second old is
    /// asked for all the same, as the broker does.
    pub fn commit_with(&mut self, released: R, synced: bool) {
        let flushed = if synced { self.journal.flush() } else { self.journal.flush_cached() };
        let end = flushed.expect("the disk takes it");
        self.groups.push_back((if synced { end } else { Lsn(0) }, released));
        if synced {
            self.sync.send(end).expect("the sync thread runs");
        } else if self.unhurried.1.elapsed() >= Duration::from_secs(1) {
            self.sync.send(self.unhurried.0).expect("the sync thread runs");
            self.unhurried = (end, Instant::now());
        }
        self.keep_short();
    }

    /// Groups that are not durable yet.
    pub fn under_way(&self) -> usize {
        self.groups.len()
    }

    /// What became durable since the last time; waits for something when `wait` is set.
    pub fn released(&mut self, wait: bool) -> Vec<R> {
        // What waits for no sync is there already, unless it is settling that is waited for.
        let free = self.groups.front().is_some_and(|(end, _)| *end == Lsn(0));
        let mut wait = wait && (!free || self.log.is_overrun());
        loop {
            let event = if wait { self.events.recv().ok() } else { self.events.try_recv().ok() };
            match event {
                Some(Event::Synced(durable)) => self.durable = durable,
                Some(Event::Settled(result)) => {
                    self.make_room(LogEngine::RECORDS_LEN_MAX);
                    self.log.settled(self.journal.block(), result, now());
                    self.settle();
                }
                Some(Event::Checkpointed(outcome, needed)) => {
                    self.checkpointing = false;
                    let covered = outcome.expect("a checkpoint");
                    self.journal.recycle_before(needed.min(covered)).expect("a healthy journal");
                }
                Some(Event::Never(_)) | None => break,
            }
            wait = false;
        }
        let ready = self.groups.iter().take_while(|(end, _)| *end <= self.durable).count();
        self.groups.drain(..ready).map(|(_, released)| released).collect()
    }

    /// Up to where the journal should be given up, by the broker's own rule.
    fn reclaim_target(&self) -> Option<Lsn> {
        let segment = self.journal.segment_bytes();
        let kept = 8 * segment;
        if self.journal.retained_bytes() < kept {
            return None;
        }
        let (oldest, end) = (self.journal.oldest().0 / segment, self.journal.end().0 / segment);
        let messages: u64 =
            (oldest..=end).map(|number| self.queue.segment_use(Lsn(number * segment)).bytes).sum();
        let justified = kept + 2 * (messages + self.log.unsettled_bytes());
        let excess = self.journal.retained_bytes().checked_sub(justified)?;
        Some(Lsn((oldest + excess / segment + 1) * segment))
    }

    fn keep_short(&mut self) {
        let Some(target) = self.reclaim_target() else { return self.settle() };
        self.log.settle_below(target);
        self.settle();
        let needed = [self.log.oldest_needed(), self.queue.oldest_needed()];
        let needed = needed.into_iter().flatten().fold(self.journal.end(), Lsn::min);
        if self.checkpointing || needed < target {
            return;
        }
        self.checkpointing = true;
        let mut writer = self.journal.write_checkpoint(self.journal.end(), needed);
        let mut records = Vec::new();
        self.log.checkpoint(&mut |record| records.push((RecordKind::LOG, record.to_vec())));
        self.queue.checkpoint(&mut |record| records.push((RecordKind::QUEUE, record.to_vec())));
        let report = self.report.clone();
        std::thread::spawn(move || {
            let pushed = records.iter().try_for_each(|(kind, record)| writer.push(*kind, &[record]));
            let _ = report.send(Event::Checkpointed(pushed.and_then(|()| writer.finish()), needed));
        });
    }

    /// Settles everything and waits for it.
    pub fn settle_all(&mut self) {
        let end = self.journal.flush().expect("the disk takes it");
        self.durable = self.journal.syncer().sync(end).expect("the disk syncs");
        while self.log.unsettled_bytes() > 0 {
            self.log.settle_below(self.journal.end());
            self.settle();
            self.released(true);
            self.journal.flush().expect("the disk takes it");
        }
    }

    fn settle(&mut self) {
        if self.log.wants_settle()
            && let Some(job) = self.log.take_settle_job(self.journal.durable(), now())
        {
            let report = self.report.clone();
            std::thread::spawn(move || {
                // It gives way to the owner, as in the broker.
                let _ = rustix::process::nice(10);
                report.send(Event::Settled(job.run()))
            });
        }
    }
}

/// The time for the engines.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_millis() as i64)
}
