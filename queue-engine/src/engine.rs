use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use ::message::{Timestamp, TopicName};
use segment_store::{Block, Lsn, RecordKind};

use crate::binding::Topology;
use crate::config::EngineConfig;
use crate::consumer::Consumer;
use crate::dead_letter::{Dying, Reason};
use crate::dead_letter_strategy::Undelivered;
use crate::dispatch::Audience;
use crate::handover::Reached;
use crate::identity::IdMap;
use crate::ledger::{Ledger, SegmentAccount};
use crate::message_record::PublishTarget;
use crate::names::Names;
use crate::outbox::{Ended, LogTarget, Outbox};
use crate::paging::BodyReader;
use crate::policy::Policies;
use crate::prefetch::Pools;
use crate::queue::{Queue, after};
use crate::record::Record;
use crate::relocation::Victim;
use crate::routing::Route;
use crate::runs::Runs;
use crate::slots::{NEVER, SpareChunks, State};
use crate::virtual_host::VirtualHosts;
use crate::{ConsumerId, OwnerId, QueueError, QueueId, QueueType};

/// All queues, exchanges and bindings of a shard, and who waits for their messages.
///
/// Order of calls: [`replay`] for every record, [`attach_reader`], [`finish_recovery`]; then any of the others. After
/// every group of calls [`take_outbox`], and [`tick`] when [`next_deadline`] is reached. Every method that takes a
/// block may push records into it; what they say is durable once the block is, and what a method answers may be told
/// once the block has committed.
///
/// [`replay`]: QueueEngine::replay
/// [`attach_reader`]: QueueEngine::attach_reader
/// [`finish_recovery`]: QueueEngine::finish_recovery
/// [`take_outbox`]: QueueEngine::take_outbox
/// [`tick`]: QueueEngine::tick
/// [`next_deadline`]: QueueEngine::next_deadline
pub struct QueueEngine {
    pub(crate) queues: IdMap<QueueId, Box<Queue>>,
    pub(crate) names: Names,
    pub(crate) next_queue: u32,
    pub(crate) topology: Topology,
    pub(crate) hosts: VirtualHosts,
    pub(crate) policies: Policies,
    pub(crate) consumers: IdMap<ConsumerId, Consumer>,
    pub(crate) next_consumer: u64,
    /// Limits that consumers share.
    pub(crate) pools: Pools,
    /// Whether any queue ever kept in a log what passes it.
    pub(crate) keeps_any: bool,
    /// Whether logs take nothing more for now.
    pub(crate) logs_full: bool,
    /// Exclusive queues by owner.
    pub(crate) owned: HashMap<OwnerId, Vec<QueueId>>,
    /// When to look at which queue again.
    alarms: BinaryHeap<Reverse<(Timestamp, QueueId)>>,
    /// Queues that something happened to, to be attended to before the call ends.
    pub(crate) touched: Vec<QueueId>,
    pub(crate) outbox: Outbox,
    /// `once` subscriptions that got something in this group.
    pub(crate) fed: Vec<ConsumerId>,
    pub(crate) core: Core,
    /// Reused by routing.
    pub(crate) route: Route,
}

/// Most bytes of a record of runs beside the runs.
const PAUSE_BOUND: usize = 16;

/// What every operation on a queue needs beside the queue.
pub(crate) struct Core {
    pub(crate) config: EngineConfig,
    pub(crate) reader: Option<Arc<dyn BodyReader>>,
    pub(crate) ledger: Ledger,
    /// Deliveries that are not in the journal yet.
    pub(crate) delivered: Runs,
    /// Removals that nobody waits for and that are not in the journal yet.
    pub(crate) removed: Runs,
    /// Returns that do not count as failures and that are not in the journal yet.
    pub(crate) forgiven: Runs,
    /// Returns that wait, until when, and that are not in the journal yet.
    pub(crate) paused: Vec<(Timestamp, Runs)>,
    /// Whether those are left from an earlier group.
    pub(crate) overdue: bool,
    /// Messages to be moved to their dead-letter exchange.
    pub(crate) dying: VecDeque<Dying>,
    /// How many of them, from the front, the journal knows of.
    pub(crate) dying_recorded: usize,
    /// Dead letters that nothing took, of queues that must not lose them.
    pub(crate) undelivered: Undelivered,
    /// Messages that go on in several steps, and how far they came.
    pub(crate) under_way: HashMap<(QueueId, u64), Reached>,
    /// Room in a block that something waits for.
    pub(crate) wanted: usize,
    /// The next lease's nonce.
    pub(crate) nonce: u32,
    /// Where this group's records start; what lies there cannot be read back yet.
    pub(crate) group_start: Option<Lsn>,
    /// Messages beyond the memory budget that stay until they can be read back.
    pub(crate) fresh: Vec<(QueueId, u64)>,
    /// Messages that are to move forward in the journal next, oldest first.
    pub(crate) victims: VecDeque<Victim>,
    /// What passed queues that are bound to logs, for those.
    pub(crate) kept: Vec<LogTarget>,
    /// Reused by writing.
    pub(crate) scratch: Vec<u8>,
    pub(crate) marks: Vec<crate::enqueue::Mark>,
    pub(crate) targets: Vec<PublishTarget>,
}

impl Core {
    /// Writes a record if the block has room for it.
    pub(crate) fn write(&mut self, block: &mut Block, record: &Record<'_>) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        record.put(&mut scratch);
        let fits = block.fits(scratch.len());
        if fits {
            self.push(block, &[&scratch]);
        }
        self.scratch = scratch;
        fits
    }

    pub(crate) fn push(&mut self, block: &mut Block, parts: &[&[u8]]) -> Lsn {
        let lsn = block.push(RecordKind::QUEUE, parts);
        self.group_start.get_or_insert(lsn);
        lsn
    }

    /// Whether what lies at `lsn` cannot be read back yet.
    pub(crate) fn is_unwritten(&self, lsn: Lsn) -> bool {
        self.group_start.is_some_and(|start| lsn >= start)
    }

    /// At least the bytes that writing what gathered takes.
    pub(crate) fn pending_bytes(&self) -> usize {
        let paused: usize = self.paused.iter().map(|(_, runs)| PAUSE_BOUND + runs.bound()).sum();
        self.delivered.bound() + self.removed.bound() + self.forgiven.bound() + paused
    }

    /// Writes what gathered, as far as the block has room.
    pub(crate) fn write_runs(&mut self, block: &mut Block) {
        if !self.delivered.is_empty() {
            let runs = std::mem::take(&mut self.delivered);
            self.delivered = self.write_some(block, runs, Record::Delivered);
        }
        if !self.removed.is_empty() {
            let runs = std::mem::take(&mut self.removed);
            self.removed = self.write_some(block, runs, Record::Removed);
        }
        if !self.forgiven.is_empty() {
            let runs = std::mem::take(&mut self.forgiven);
            self.forgiven = self.write_some(block, runs, Record::Forgiven);
        }
        while let Some((until, runs)) = self.paused.pop() {
            let rest = self.write_some(block, runs, |runs| Record::Delayed { until, runs });
            if !rest.is_empty() {
                self.paused.push((until, rest));
                break;
            }
        }
        let runs = [&self.delivered, &self.removed, &self.forgiven];
        self.overdue = !(self.paused.is_empty() && runs.into_iter().all(Runs::is_empty));
    }

    fn write_some(
        &mut self,
        block: &mut Block,
        mut runs: Runs,
        kind: impl FnOnce(Runs) -> Record<'static>,
    ) -> Runs {
        let mut rest = Runs::default();
        if !block.fits(runs.stored_len() + PAUSE_BOUND) {
            rest = runs.split_at_room(block.remaining().saturating_sub(PAUSE_BOUND));
        }
        if runs.is_empty() {
            return rest;
        }
        let record = kind(runs);
        self.write(block, &record);
        match (record, rest.is_empty()) {
            // Keeps the buffer.
            (Record::Delivered(mut runs) | Record::Removed(mut runs) | Record::Forgiven(mut runs), true) => {
                runs.clear();
                runs
            }
            _ => rest,
        }
    }

    /// Lets a queue's message go: to the dead-letter exchange if it has one, for good otherwise.
    pub(crate) fn kill(&mut self, queue: &mut Queue, sequence: u64, reason: Reason) {
        queue.totals.count_dead(reason);
        if queue.options.dead_letter_exchange.is_none() {
            queue.totals.dropped += 1;
            queue.remove(sequence, &mut self.ledger);
            self.removed.push(queue.id, sequence);
            return;
        }
        if let Some(slot) = queue.change(sequence, State::Dying, NEVER, &mut self.ledger) {
            slot.nonce = u32::from(reason.number());
            self.dying.push_back(Dying { queue: queue.id, sequence, reason });
        }
    }

    /// Notes that the delivery that ends does not count towards the delivery limit.
    pub(crate) fn forgive(&mut self, queue: &mut Queue, sequence: u64) {
        if queue.options.kind == QueueType::Quorum
            && let Some(slot) = queue.slots.get_mut(sequence)
            && slot.forgiven < u16::MAX
        {
            slot.forgiven += 1;
            self.forgiven.push(queue.id, sequence);
        }
    }

    /// Takes a message back from its consumer: to its old place, after a wait where the queue asks for one, or away if it
    /// came back too often.
    pub(crate) fn give_back(&mut self, queue: &mut Queue, sequence: u64, failure: Failure, now: Timestamp) {
        if failure == Failure::Forgiven {
            self.forgive(queue, sequence);
        }
        if queue.is_over_limit(sequence) {
            self.kill(queue, sequence, Reason::DeliveryLimit);
        } else if let Some(pause_ms) = queue.pause_ms(sequence, failure) {
            let until = after(now, pause_ms);
            queue.change(sequence, State::Delayed, until, &mut self.ledger);
            queue.watch_delay(until, sequence);
            if self.paused.last().is_none_or(|(at, _)| *at != until) {
                self.paused.push((until, Runs::default()));
            }
            self.paused.last_mut().into_iter().for_each(|(_, runs)| runs.push(queue.id, sequence));
        } else if queue.change(sequence, State::Ready, NEVER, &mut self.ledger).is_some() {
            queue.index(sequence);
        }
    }
}

/// Whether a message that comes back counts as one that failed. In a classic queue it always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It was rejected, or its consumer fell.
    Counts,
    /// It was not looked at, or not in time.
    Forgiven,
}

impl QueueEngine {
    /// An engine without queues, with the exchanges that always exist.
    #[must_use]
    pub fn new(config: EngineConfig) -> QueueEngine {
        QueueEngine {
            queues: IdMap::default(),
            names: Names::default(),
            next_queue: 1,
            topology: Topology::new(),
            hosts: VirtualHosts::default(),
            policies: Policies::default(),
            consumers: IdMap::default(),
            next_consumer: 1,
            pools: Pools::default(),
            keeps_any: false,
            logs_full: false,
            owned: HashMap::new(),
            alarms: BinaryHeap::new(),
            touched: Vec::new(),
            outbox: Outbox::default(),
            fed: Vec::new(),
            core: Core {
                config,
                reader: None,
                ledger: Ledger {
                    loaded: 0,
                    segments: SegmentAccount::new(config.segment_bytes),
                    spares: SpareChunks::default(),
                    released: Vec::new(),
                },
                delivered: Runs::default(),
                removed: Runs::default(),
                forgiven: Runs::default(),
                paused: Vec::new(),
                overdue: false,
                dying: VecDeque::new(),
                dying_recorded: 0,
                undelivered: Undelivered::default(),
                under_way: HashMap::new(),
                wanted: 0,
                nonce: 1,
                group_start: None,
                fresh: Vec::new(),
                victims: VecDeque::new(),
                kept: Vec::new(),
                scratch: Vec::new(),
                marks: Vec::new(),
                targets: Vec::new(),
            },
            route: Route::default(),
        }
    }

    /// Where bodies that left memory are read from.
    pub fn attach_reader(&mut self, reader: Arc<dyn BodyReader>) {
        self.core.reader = Some(reader);
    }

    /// What the world is to see of the calls since the last one, and the end of their group.
    ///
    /// Writes the group's deliveries into the block, so call it before the group's last block is flushed; then
    /// attempts survive every crash that the messages survive. Called after the flush, they go with the next block.
    pub fn take_outbox(&mut self, block: &mut Block) -> Outbox {
        for id in std::mem::take(&mut self.fed) {
            if let Some(queue) = self.remove_consumer(id) {
                self.outbox.ended.push((id, Ended::Fed));
                self.set_alarm(queue);
            }
        }
        self.core.write_runs(block);
        let mut fresh = std::mem::take(&mut self.core.fresh);
        for (id, sequence) in fresh.drain(..) {
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.forget(sequence, &mut self.core.ledger);
            }
        }
        fresh.shrink_to(1024);
        self.core.fresh = fresh;
        self.core.group_start = None;
        self.outbox.log_appends = self.take_log_appends();
        std::mem::take(&mut self.outbox)
    }

    /// What logs are to get of the calls so far. Room for it is kept in the block, so that it is in the journal with what
    /// it tells of: append it before the block is flushed.
    pub fn take_log_appends(&mut self) -> Vec<LogTarget> {
        let mut appends = std::mem::take(&mut self.outbox.log_appends);
        appends.append(&mut self.core.kept);
        appends
    }

    /// Starts a call that changes something.
    pub(crate) fn begin(&mut self, block: &mut Block) {
        if self.core.overdue {
            self.core.write_runs(block);
        }
    }

    /// Ends a call that changed something: serves consumers, enforces limits, buries the dead.
    pub(crate) fn wind_up(&mut self, block: &mut Block, now: Timestamp) {
        loop {
            self.regain();
            while let Some(id) = self.touched.pop() {
                self.attend(block, id, now);
                self.regain();
            }
            if self.core.dying.is_empty() || !self.bury(block, now) {
                break;
            }
        }
        if self.core.dying_recorded < self.core.dying.len() {
            self.record_dying(block);
        }
    }

    /// Serves a queue's consumers, enforces its limits and sets its alarm; a queue that has to go, goes.
    fn attend(&mut self, block: &mut Block, id: QueueId, now: Timestamp) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        if queue.is_deserted() {
            let name = queue.name.clone();
            if self.drop_queue(block, id) {
                self.outbox.deleted_queues.push((id, name));
            } else {
                self.set_alarm(id);
            }
            return;
        }
        if !queue.rotation.is_empty() {
            let (fed, deliveries) = (&mut self.fed, &mut self.outbox.deliveries);
            let audience =
                Audience { consumers: &mut self.consumers, pools: &mut self.pools, fed, deliveries };
            self.core.dispatch(queue, audience, now);
        }
        while queue.is_too_long() {
            let sequence = match queue.head() {
                Some((_, head)) => {
                    queue.take_head();
                    head
                }
                // All that are ready wait for others of their keys.
                None => match queue.oldest_ready() {
                    Some(oldest) => oldest,
                    None => break,
                },
            };
            self.core.kill(queue, sequence, Reason::MaxLen);
        }
        let mut events = self.core.config.tick_events;
        while let (Some(sequence), 1..) = (queue.expired_head(now), events) {
            queue.take_head();
            self.core.kill(queue, sequence, Reason::Expired);
            events -= 1;
        }
        let due = queue.next_due();
        if due < queue.alarm {
            queue.alarm = due;
            self.ring_at(due, id);
        }
    }

    /// Makes sure that the queue is looked at when something is due there.
    pub(crate) fn set_alarm(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let due = queue.next_due();
        if due < queue.alarm {
            queue.alarm = due;
            self.ring_at(due, id);
        }
    }

    fn ring_at(&mut self, due: Timestamp, id: QueueId) {
        self.alarms.push(Reverse((due, id)));
        if self.alarms.len() > 4 * self.queues.len() + 64 {
            let queues = &self.queues;
            let counts = |(at, id): &(Timestamp, QueueId)| queues.get(id).is_some_and(|q| q.alarm == *at);
            self.alarms.retain(|Reverse(alarm)| counts(alarm));
        }
    }

    /// The next queue whose alarm rings.
    pub(crate) fn take_alarm(&mut self, now: Timestamp) -> Option<QueueId> {
        while let Some(Reverse((at, id))) = self.alarms.peek().copied() {
            if at > now {
                return None;
            }
            self.alarms.pop();
            if let Some(queue) = self.queues.get_mut(&id)
                && queue.alarm == at
            {
                queue.alarm = NEVER;
                return Some(id);
            }
        }
        None
    }

    /// When `tick` has something to do; a moment in the past means now. It may turn out to be nothing.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if !self.core.dying.is_empty() || !self.touched.is_empty() {
            return Some(Timestamp(0));
        }
        let next = self.alarms.peek().map_or(NEVER, |Reverse((at, _))| *at);
        Some(next.min(self.core.undelivered.due())).filter(|at| *at != NEVER)
    }

    /// The queue of that name.
    pub(crate) fn named(&self, name: &str) -> Option<QueueId> {
        let found = self.names.find(name)?;
        if found.is_news {
            self.queues.get(&found.id).into_iter().for_each(|queue| queue.bring_near());
        }
        Some(found.id)
    }

    pub(crate) fn find_queue(&self, name: &TopicName) -> Result<QueueId, QueueError> {
        self.named(name.as_str()).ok_or_else(|| QueueError::UnknownQueue(name.as_str().to_owned()))
    }

    pub(crate) fn queue(&self, name: &TopicName) -> Result<&Queue, QueueError> {
        let found = self.queues.get(&self.find_queue(name)?).map(|queue| &**queue);
        found.ok_or_else(|| QueueError::UnknownQueue(name.as_str().to_owned()))
    }

    pub(crate) fn queue_mut(&mut self, name: &TopicName) -> Result<&mut Queue, QueueError> {
        let id = self.find_queue(name)?;
        let found = self.queues.get_mut(&id).map(|queue| &mut **queue);
        found.ok_or_else(|| QueueError::UnknownQueue(name.as_str().to_owned()))
    }
}
