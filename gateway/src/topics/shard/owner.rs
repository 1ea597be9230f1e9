use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use log_engine::{GroupAnswer, LogEngine, PartitionView, Ticket, Visible};
use message::{ErrorCode, Timestamp};
use queue_engine::{ConsumerId, Ended, LeaseToken};
use segment_store::{Journal, Lsn, StoreError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::Engines;
use super::command::{Command, Room, Turn};
use super::group::{Group, GroupQueue};
use super::outlets::{self, DeliveryRun, Undelivered};
use super::sync_thread::{COHORT, GATHER, SyncThread};
use super::upkeep::{Upkeep, UpkeepDone};
use crate::refusal::Refusal;
use crate::topics::Acks;
use crate::topics::clock::Clock;
use crate::topics::queue_topic::SETTLE_WEIGHT;

/// Most commands that one group takes, so that the first of them does not wait for the last of a flood.
const GROUP_COMMANDS: usize = 1024;
/// Engines are asked for what is due at least this often while anything can become due.
const TICK: Duration = Duration::from_millis(1000);
/// The owner waits for the disk itself only for so many commands and bytes: while it waits it applies nothing.
const FEW: usize = 32;
const LITTLE: u64 = 16 << 10;

/// What a group does to the outside once it may.
pub(crate) struct Effects {
    commands: Vec<Box<dyn Command>>,
    advanced: Vec<(Arc<PartitionView>, Visible)>,
    deliveries: Vec<DeliveryRun>,
    ended: Vec<(ConsumerId, Ended)>,
    group_answers: Vec<(Ticket, GroupAnswer)>,
    taken_at: std::time::Instant,
}

/// Drains the inbox, applies, writes, and releases in journal order.
pub(crate) struct Owner {
    journal: Journal,
    engines: Engines,
    clock: Clock,
    sync: SyncThread,
    groups: GroupQueue<Effects>,
    upkeep: Upkeep,
    written: Lsn,
    poisoned: Option<String>,
    /// A report of slow work that found no room in the journal yet.
    parked: Option<UpkeepDone>,
    due: Timestamp,
    /// Where the journal ended some time ago, and when that was.
    unhurried: (Lsn, Timestamp),
    /// How many commands the last sync answered, and when.
    answered: (usize, std::time::Instant),
}

impl Owner {
    pub(crate) fn new(
        journal: Journal,
        engines: Engines,
        clock: Clock,
        upkeep: Upkeep,
    ) -> std::io::Result<Owner> {
        let sync = SyncThread::start(journal.syncer(), journal.durable(), Arc::clone(&engines.vitals))?;
        let due = clock.now();
        let written = journal.end();
        let groups = GroupQueue::new(written);
        let mut engines = engines;
        engines.outlets.begin(groups.next());
        Ok(Owner {
            journal,
            engines,
            clock,
            sync,
            groups,
            upkeep,
            written,
            poisoned: None,
            parked: None,
            due,
            unhurried: (written, due),
            answered: (0, std::time::Instant::now()),
        })
    }

    /// Runs until it is told to stop and the inbox is empty, then puts everything on disk.
    pub(crate) async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Box<dyn Command>>,
        stop: CancellationToken,
    ) {
        let mut drained = Vec::with_capacity(GROUP_COMMANDS);
        let timer = sleep_until(self.wake_at());
        tokio::pin!(timer);
        loop {
            tokio::select! {
                biased;
                () = self.sync.progressed() => self.release(),
                count = inbox.recv_many(&mut drained, GROUP_COMMANDS), if self.takes_more() => {
                    if count == 0 {
                        break;
                    }
                    self.turn(&mut drained);
                }
                done = self.upkeep.done(), if self.parked.is_none() => self.finish_upkeep(done),
                () = &mut timer => self.turn(&mut drained),
                () = stop.cancelled(), if !inbox.is_closed() => inbox.close(),
            }
            self.reach_disk(&mut inbox, &mut drained).await;
            let wake_at = self.wake_at();
            if timer.deadline() != wake_at {
                timer.as_mut().reset(wake_at);
            }
        }
        self.stop();
    }

    /// Has what waits for the disk synced: here, if that is soon done, else by the thread.
    async fn reach_disk(
        &mut self,
        inbox: &mut mpsc::UnboundedReceiver<Box<dyn Command>>,
        drained: &mut Vec<Box<dyn Command>>,
    ) {
        while let Some((wanted, waiting)) = self.groups.wanted() {
            let little = wanted.0 - self.groups.released().end.0 <= LITTLE;
            if waiting > FEW || !little || !self.sync.is_quick() {
                self.sync.request(wanted, waiting);
                return;
            }
            // Whoever was answered or sent something just now has its turn first, and those who have more bring it.
            tokio::task::yield_now().await;
            while drained.len() < GROUP_COMMANDS && self.takes_more() {
                let Ok(command) = inbox.try_recv() else { break };
                drained.push(command);
            }
            if !drained.is_empty() {
                self.turn(drained);
            } else if !self.expects(waiting) {
                self.sync.sync_here(wanted);
                self.answered = (waiting, std::time::Instant::now());
                self.release();
                return;
            }
        }
    }

    /// Whether those that the last sync answered are about to be back: a sync for the first of them alone would make
    /// all others wait for two.
    fn expects(&self, waiting: usize) -> bool {
        let (cohort, at) = self.answered;
        cohort >= COHORT && waiting < cohort / 4 * 3 && at.elapsed() < GATHER
    }

    /// Whether what comes next is to be taken, or waits until more has settled. Where the report of what settled finds no
    /// place in the journal, or nothing does any more, it would wait for ever: it is taken then, and refused if need be.
    fn takes_more(&self) -> bool {
        self.poisoned.is_some() || self.parked.is_some() || !self.engines.log.is_overrun()
    }

    fn wake_at(&self) -> Instant {
        Instant::from_std(self.clock.instant_of(self.due))
    }

    /// One group: everything that was drained, and what became due meanwhile.
    fn turn(&mut self, drained: &mut Vec<Box<dyn Command>>) {
        let now = self.clock.now();
        let taken_at = std::time::Instant::now();
        let mut commands = Vec::with_capacity(drained.len());
        let mut synced = false;
        if let Some(done) = self.parked.take() {
            self.finish_upkeep(done);
        }
        self.engines.queue.hold_logs(!self.engines.log.has_room());
        for mut command in drained.drain(..) {
            match self.admit(command.as_ref()) {
                Ok(()) => {
                    synced |= command.terms().acks == Acks::All;
                    let (engines, journal) = (&mut self.engines, &mut self.journal);
                    command.apply(&mut Turn { engines, journal, now, tail: 0 });
                    self.engines.append_passed(&mut self.journal, now);
                    commands.push(command);
                }
                Err(refusal) => command.refuse(refusal),
            }
        }
        synced |= self.engines.log.take_flush_due();
        if self.poisoned.is_none() {
            self.due = self.tick(now);
            if let Some(flush_at) = self.engines.log.flush_at() {
                self.due = self.due.min(flush_at);
            }
            self.close_group(commands, synced, taken_at);
        } else {
            self.due = now.plus(TICK);
            let refusal = self.poison_refusal();
            commands.into_iter().for_each(|command| command.refuse(refusal.clone()));
        }
        self.release();
    }

    /// Makes sure that what the command may write has a place before it changes anything.
    fn admit(&mut self, command: &dyn Command) -> Result<(), Refusal> {
        if self.poisoned.is_some() {
            return Err(self.poison_refusal());
        }
        let terms = command.terms();
        if terms.room == Room::Ordinary && self.journal.room() < terms.weight as u64 {
            let made = self.journal.make_room();
            self.engines.vitals.disk_full.store(made.is_err(), Ordering::Relaxed);
            made?;
        }
        match self.journal.ensure(terms.weight) {
            Err(StoreError::Poisoned(why)) => Err(self.poison(&StoreError::Poisoned(why))),
            outcome => Ok(outcome?),
        }
    }

    /// What time brings: expired leases and messages, retention, sessions. Answers when to ask again.
    fn tick(&mut self, now: Timestamp) -> Timestamp {
        let engines_due = self.engines.next_deadline();
        if now < self.due && engines_due.is_none_or(|due| due > now) {
            return engines_due.map_or(self.due, |due| due.min(self.due));
        }
        self.look_for_room();
        if self.journal.ensure(LogEngine::RECORDS_LEN_MAX).is_err() {
            return now.plus(TICK);
        }
        let wanted = self.engines.queue.wanted_room();
        let has_room = self.make_block_for(wanted);
        self.engines.queue.tick(self.journal.block(), now);
        self.engines.append_passed(&mut self.journal, now);
        let log_due = self.engines.log.tick(self.journal.block(), now);
        self.engines.idempotency.forget_old(now);
        self.engines.forget_queue_producers(now);
        let log = &self.engines.log;
        self.engines.staging.retain(|producer| log.is_transaction_open(producer));
        self.sync_what_waited_long(now);
        // What waits for room that is not there is not asked for all the time.
        let queue_due = self.engines.queue.next_deadline().filter(|_| has_room);
        let next = [log_due, queue_due].into_iter().flatten().fold(now.plus(TICK), Timestamp::min);
        next.max(now.plus(Duration::from_millis(1)))
    }

    /// What nobody asked to have on disk gets there within about two ticks, and a restart has little to rewrite. Not at
    /// once: most of a log that is being written settles meanwhile, and its copy in the journal is given up unsynced.
    fn sync_what_waited_long(&mut self, now: Timestamp) {
        let (end, since) = self.unhurried;
        if now >= since.plus(TICK) || now < since {
            self.sync.request(end, 0);
            self.unhurried = (self.journal.end(), now);
        }
    }

    /// A block for what moves on by itself and did not fit the last one. It is new data, which a full disk has no room for.
    fn make_block_for(&mut self, wanted: usize) -> bool {
        if self.journal.block().fits(wanted) {
            return true;
        }
        let has_room = self.journal.room() >= wanted as u64 || self.journal.make_room().is_ok();
        has_room && self.journal.ensure(wanted).is_ok()
    }

    /// While publishers wait for the disk nobody asks for room: time does.
    fn look_for_room(&mut self) {
        let full = &self.engines.vitals.disk_full;
        if full.load(Ordering::Relaxed) && self.journal.make_room().is_ok() {
            full.store(false, Ordering::Relaxed);
        }
    }

    fn close_group(&mut self, commands: Vec<Box<dyn Command>>, synced: bool, taken_at: std::time::Instant) {
        let now = self.clock.now();
        self.upkeep.before_flush(&mut self.engines, &mut self.journal, now);
        let outbox = self.engines.collect(&mut self.journal, now);
        for group in self.engines.log.take_freed_shares() {
            self.engines.share_bells.ring(&group);
        }
        let mut effects = Effects {
            commands,
            advanced: self.engines.log.take_advanced(),
            deliveries: outlets::runs(outbox.deliveries),
            ended: outbox.ended,
            group_answers: self.engines.log.take_group_answers(),
            taken_at,
        };
        match self.flush(synced) {
            Ok(end) => {
                self.engines.vitals.written_bytes.fetch_add(end.0 - self.written.0, Ordering::Relaxed);
                self.written = end;
                let commands = effects.commands.len();
                let early = match synced || !self.groups.is_empty() {
                    true => self.engines.outlets.take_early(&mut effects.deliveries, self.groups.released()),
                    false => Vec::new(),
                };
                self.groups.push(Group { end, synced, commands, effects });
                self.engines.outlets.begin(self.groups.next());
                self.upkeep.after_flush(&mut self.engines, &mut self.journal);
                let undelivered = self.engines.outlets.send(early, &self.engines.vitals);
                self.take_back(undelivered);
            }
            Err(refusal) => effects.commands.into_iter().for_each(|command| command.refuse(refusal.clone())),
        }
    }

    fn flush(&mut self, synced: bool) -> Result<Lsn, Refusal> {
        if let Some(error) = self.engines.unkept.take() {
            return Err(self.poison(&error));
        }
        let flushed = if synced { self.journal.flush() } else { self.journal.flush_cached() };
        flushed.map_err(|error| self.poison(&error))
    }

    /// Memory is ahead of the disk from here on: only a restart can tell the truth again.
    fn poison(&mut self, error: &StoreError) -> Refusal {
        error!(%error, "storage failed; nothing more is accepted until a restart");
        self.fail(error.to_string());
        self.poison_refusal()
    }

    fn fail(&mut self, why: String) {
        if self.poisoned.is_none() {
            *self.engines.vitals.failed.lock() = Some(why.clone());
            self.poisoned = Some(why);
            self.engines.waiters.give_up();
        }
    }

    fn poison_refusal(&self) -> Refusal {
        let why = self.poisoned.as_deref().unwrap_or("a write failed");
        Refusal::new(
            ErrorCode::StorageFailed,
            format!("storage failed ({why}); restart the server to recover"),
        )
    }

    /// Lets go every group that is durable enough.
    fn release(&mut self) {
        match self.sync.outcome() {
            Ok(durable) => self.release_upto(durable),
            Err(why) => {
                self.fail(why);
                let refusal = self.poison_refusal();
                for group in self.groups.drain() {
                    group.effects.commands.into_iter().for_each(|command| command.refuse(refusal.clone()));
                }
            }
        }
    }

    fn release_upto(&mut self, durable: Lsn) {
        while let Some(group) = self.groups.pop_ready(durable) {
            let Effects { commands, advanced, deliveries, ended, group_answers, taken_at } = group.effects;
            if !commands.is_empty() {
                self.engines.vitals.commit.record(taken_at.elapsed());
            }
            for (view, visible) in advanced {
                self.engines.advance(&view, visible);
            }
            commands.into_iter().for_each(|command| command.release());
            self.engines.waiters.send(group_answers);
            let undelivered = self.engines.outlets.send(deliveries, &self.engines.vitals);
            ended.into_iter().for_each(|(consumer, why)| self.engines.outlets.end(consumer, why));
            self.take_back(undelivered);
        }
    }

    /// A consumer that vanished gives back what it was sent.
    fn take_back(&mut self, undelivered: Vec<Undelivered>) {
        let now = self.clock.now();
        for Undelivered { consumer, run } in undelivered {
            let unread: Vec<LeaseToken> = run.into_iter().filter_map(|delivery| delivery.lease).collect();
            if self.journal.ensure(512 + unread.len() * SETTLE_WEIGHT).is_ok() {
                self.engines.cancel(self.journal.block(), consumer, now);
                self.engines.give_back(self.journal.block(), &unread, now);
                self.engines.append_passed(&mut self.journal, now);
            }
            self.due = now;
        }
    }

    /// Takes a report of slow work. Without room for what it changes it waits: a report that got lost would leave the
    /// engine waiting for ever, and a full disk full.
    fn finish_upkeep(&mut self, done: UpkeepDone) {
        let now = self.clock.now();
        if self.poisoned.is_none() && self.journal.ensure(LogEngine::RECORDS_LEN_MAX).is_ok() {
            self.upkeep.finish(done, &mut self.engines, &mut self.journal, now);
            self.due = now;
        } else {
            self.parked = Some(done);
        }
    }

    /// The last sync: everything written is on disk when the process ends in good order.
    fn stop(mut self) {
        self.release();
        if self.poisoned.is_some() {
            return;
        }
        let synced = self.journal.flush().and_then(|end| self.journal.syncer().sync(end));
        match synced {
            Ok(durable) => self.release_upto(durable),
            Err(error) => error!(%error, "the last sync failed"),
        }
        if let Err(error) = self.journal.close() {
            error!(%error, "the journal could not be closed in order");
        }
    }
}
