//! The engine beside a naive model of it: random commands, time that passes, crashes at any block boundary with and
//! without the last block, and, over a disk that lies, at any write and sync of blocks, checkpoints and recoveries; after
//! every step both must say the same.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod arriving;
mod asking;
mod book;
mod command;
mod consumers;
mod disk_journal;
mod headers;
mod journal;
mod keeper;
mod letters;
mod moving;
mod passing;
mod policies;
mod queue;
mod seeing;
mod settling;
mod transacting;

use std::time::Duration;

use book::{Book, Handed};
use command::{Command, command, queue_name};
use consumers::End;
use disk_journal::{DiskJournal, SEGMENT};
use keeper::{Committed, InMemory, Keeper};
use message::{ExchangeName, HeaderTable, Timestamp, TopicName};
use moving::Moved;
use proptest::prelude::*;
use queue_engine::{
    Amendment, BindingTarget, ConsumerId, DEFAULT_HOST, Delivery, Destination, Edits, Ended, EngineConfig,
    IfEmpty, LeaseFor, LeaseToken, LogTarget, MessageId, OpenLeases, OwnerId, PoolId, QueueEngine,
    QueueError, QueueType, Redrive, RedriveBounds, Settle, SettleAction, SettleError,
};
use segment_store::{Block, Lsn};

const EXCHANGES: [&str; 5] = ["amq.direct", "amq.fanout", "amq.topic", "amq.headers", "nowhere"];

#[derive(Clone, Copy)]
struct Lease {
    token: LeaseToken,
    queue: u32,
    sequence: u64,
    serial: u64,
}

struct Pair<J> {
    engine: QueueEngine,
    book: Book,
    journal: J,
    now: i64,
    config: EngineConfig,
    leases: Vec<Lease>,
    consumers: Vec<u64>,
    published: u64,
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

/// The default exchange, or one of the others; the last of them is not there.
fn exchange_name(exchange: Option<u8>) -> &'static str {
    exchange.map_or("", |exchange| EXCHANGES[exchange as usize])
}

fn key(key: u8) -> String {
    if key == 2 { "#".to_owned() } else { queue_name(key) }
}

/// What a binding asks for beside its key.
fn arguments(exchange: &str, key: &str) -> HeaderTable {
    if exchange == "amq.headers" { headers::asked(key) } else { HeaderTable::default() }
}

fn lease_for(lease: Option<i64>) -> LeaseFor {
    lease.map_or(LeaseFor::AutoAck, |ms| LeaseFor::Duration(Duration::from_millis(ms as u64)))
}

impl<J: Keeper> Pair<J> {
    fn new(mut journal: J, segment_bytes: u64) -> Pair<J> {
        // Little memory and small segments, so that both run out all the time.
        let config = EngineConfig {
            queue_memory_bytes: 700,
            memory_bytes: 1500,
            read_ahead_bytes: 900,
            segment_bytes,
            tick_events: 10_000,
            consumer_timeout_ms: Some(200),
        };
        let engine = journal.recover(config, Timestamp(1000));
        Pair {
            engine,
            book: Book { patience: config.consumer_timeout_ms.map(|ms| ms as i64), ..Book::default() },
            journal,
            now: 1000,
            config,
            leases: Vec::new(),
            consumers: Vec::new(),
            published: 0,
        }
    }

    fn step(&mut self, command: &Command) {
        match command {
            Command::Crash => return self.crash(),
            Command::Cut(operation) => return self.journal.cut_at(*operation),
            Command::Checkpoint => {
                if !self.journal.checkpoint(&self.engine) {
                    self.crash();
                }
                return;
            }
            _ => {}
        }
        let before = self.book.clone();
        let Some(mut block) = self.journal.block() else { return self.crash() };
        self.apply(command, &mut block);
        let outbox = self.engine.take_outbox(&mut block);
        self.check_kept(&outbox.log_appends);
        let (handed, ended, deleted) = self.book.close_group();
        assert_eq!(outbox.deliveries.len(), handed.len(), "deliveries {:?} {handed:?}", outbox.deliveries);
        for ((consumer, delivery), handed) in outbox.deliveries.iter().zip(&handed) {
            assert_eq!(consumer.0, handed.consumer);
            self.check_delivery(delivery, handed);
        }
        let end = |end: &Ended| match end {
            Ended::Fed => End::Fed,
            Ended::QueueDeleted => End::QueueDeleted,
            Ended::TimedOut => End::TimedOut,
        };
        let told: Vec<(u64, End)> = outbox.ended.iter().map(|(id, why)| (id.0, end(why))).collect();
        assert_eq!(told, ended);
        let gone: Vec<u32> = outbox.deleted_queues.iter().map(|(id, _)| id.0).collect();
        assert_eq!(gone, deleted);
        match self.journal.commit(block) {
            Committed::Yes => self.check(),
            Committed::Untold => self.crash(),
            Committed::Lost => {
                self.book = before;
                self.crash();
            }
        }
    }

    /// What passed queues that are bound to logs: of each, all of it.
    fn check_kept(&mut self, appends: &[LogTarget]) {
        let text = |target: &LogTarget| String::from_utf8(target.message.body.to_vec()).unwrap();
        let mut told: Vec<_> = appends.iter().map(|one| (one.topic.to_string(), text(one))).collect();
        let mut kept = std::mem::take(&mut self.book.kept);
        told.sort();
        kept.sort();
        assert_eq!(told, kept);
    }

    fn crash(&mut self) {
        loop {
            self.engine = self.journal.recover(self.config, Timestamp(self.now));
            self.book.crash(self.now);
            self.consumers.clear();
            let Some(mut block) = self.journal.block() else { continue };
            let before = self.book.clone();
            self.tick(&mut block);
            let outbox = self.engine.take_outbox(&mut block);
            self.check_kept(&outbox.log_appends);
            match self.journal.commit(block) {
                Committed::Yes => break,
                Committed::Untold => {}
                Committed::Lost => self.book = before,
            }
        }
        self.check();
        let mut block = Block::for_test(Lsn(self.journal.end()));
        // Leases of the last run are over.
        for lease in self.leases.drain(..) {
            let settle = Settle { lease: lease.token, action: SettleAction::Ack };
            let result = self.engine.settle(&mut block, &[settle], Timestamp(self.now));
            assert_eq!(result, [Err(SettleError::StaleLease)]);
        }
    }

    fn tick(&mut self, block: &mut Block) {
        for _ in 0..20 {
            self.engine.tick(block, Timestamp(self.now));
            self.book.tick(self.now);
            if self.engine.next_deadline().is_none_or(|due| due.0 > self.now) {
                return;
            }
        }
        panic!("ticking does not come to rest");
    }

    fn check_delivery(&mut self, delivery: &Delivery, handed: &Handed) {
        assert_eq!((delivery.queue.0, delivery.id.0), (handed.queue, handed.sequence));
        assert_eq!((delivery.attempt, delivery.failures), (handed.attempt, handed.failures));
        assert_eq!(delivery.redelivered, handed.attempt > 1);
        assert_eq!(delivery.message.body, handed.body.as_bytes());
        assert_eq!(delivery.lease.is_some(), handed.serial.is_some());
        if let (Some(token), Some(serial)) = (delivery.lease, handed.serial) {
            self.leases.push(Lease { token, queue: handed.queue, sequence: handed.sequence, serial });
        }
    }

    fn apply(&mut self, command: &Command, block: &mut Block) {
        let now = Timestamp(self.now);
        match command {
            Command::Declare { queue, options, owner } => self.declare(*queue, options, *owner, block),
            Command::EndOwner(owner) => {
                self.engine.end_owner(block, OwnerId(u64::from(*owner)), now);
                self.book.end_owner(u64::from(*owner), self.now);
            }
            Command::Update { queue, options } => {
                let name = queue_name(*queue);
                let updated = self.engine.update_queue(block, &topic(&name), options.clone(), now);
                let changes_type = |id: &u32| self.book.queues[id].options.kind != options.kind;
                let makes_durable = |id: &u32| self.book.queues[id].owner.is_some() && options.durable;
                match self.book.id(&name) {
                    Some(id) if changes_type(&id) || makes_durable(&id) => {
                        assert!(matches!(updated, Err(QueueError::ConflictingOptions { .. })));
                    }
                    Some(id) if self.book.queues[&id].declared != *options => {
                        updated.unwrap();
                        self.book.update(id, options.clone(), self.now);
                    }
                    Some(_) => updated.unwrap(),
                    None => assert!(matches!(updated, Err(QueueError::UnknownQueue(_)))),
                }
            }
            Command::Delete { queue } => {
                let name = queue_name(*queue);
                let deleted = self.engine.delete_queue(block, &topic(&name), false, IfEmpty::Never);
                if let Some(id) = self.book.id(&name) {
                    assert_eq!(deleted.unwrap(), self.book.queues[&id].entries.len() as u64);
                    self.book.delete(id);
                    self.book.regain();
                }
            }
            Command::Bind { exchange, queue, key: pattern } => {
                let (exchange, name, pattern) =
                    (EXCHANGES[*exchange as usize], queue_name(*queue), key(*pattern));
                let target = BindingTarget::Queue(topic(&name));
                let source = ExchangeName::new(exchange).unwrap();
                let arguments = arguments(exchange, &pattern);
                let bound = self.engine.bind(block, &source, &target, &pattern, &arguments, now);
                if let Some(id) = self.book.id(&name) {
                    // A direct exchange takes the pattern as it is.
                    let new = self.book.bindings.insert((exchange.to_owned(), id, pattern));
                    assert_eq!(bound, Ok(new));
                    if new {
                        self.book.waiting.hurry();
                        self.book.wind_up(now.0);
                    }
                }
            }
            Command::Unbind { exchange, queue, key: pattern } => {
                let (exchange, name, pattern) =
                    (EXCHANGES[*exchange as usize], queue_name(*queue), key(*pattern));
                let target = BindingTarget::Queue(topic(&name));
                let source = ExchangeName::new(exchange).unwrap();
                let arguments = arguments(exchange, &pattern);
                let unbound = self.engine.unbind(block, &source, &target, &pattern, &arguments);
                if let Some(id) = self.book.id(&name) {
                    let had = self.book.bindings.remove(&(exchange.to_owned(), id, pattern));
                    assert_eq!(unbound.is_ok(), had);
                    if had {
                        self.book.waiting.hurry();
                    }
                }
            }
            Command::Publish { sending, count, batch } => self.publish(sending, *count, *batch, block),
            Command::Transact { publishes, settles } => self.transact(publishes, settles, block),
            Command::Receive { queue, max, lease } => {
                let name = queue_name(*queue);
                let Some(id) = self.book.id(&name) else { return };
                let max = *max as usize;
                let taken = self.engine.receive(block, &topic(&name), max, lease_for(*lease), now);
                let options = &self.book.queues[&id].options;
                if options.single_active_consumer && options.kind == QueueType::Quorum {
                    assert!(matches!(taken, Err(QueueError::SingleActive(_))));
                    return;
                }
                let taken = taken.unwrap();
                let handed = self.book.receive(id, max, *lease, self.now);
                assert_eq!(taken.len(), handed.len());
                for (delivery, handed) in taken.iter().zip(&handed) {
                    self.check_delivery(delivery, handed);
                }
            }
            Command::Subscribe { queue, wish } => self.subscribe(*queue, wish, block),
            Command::Prefetch { consumer, prefetch } => self.with_consumer(consumer, |pair, id| {
                pair.engine.set_prefetch(block, ConsumerId(id), *prefetch, now).unwrap();
                pair.book.alter(id, |consumer| consumer.prefetch = *prefetch, now.0);
            }),
            Command::OpenPool(limit) => {
                let pool = self.engine.open_pool(*limit);
                let empty = consumers::BookPool { limit: *limit, ..Default::default() };
                self.book.pools.insert(pool.0, empty);
            }
            Command::LimitPool { pool, limit } => {
                let Some(pool) = self.pool(pool) else { return };
                self.engine.set_pool_limit(block, PoolId(pool), *limit, now).unwrap();
                self.book.set_pool_limit(pool, *limit, self.now);
            }
            Command::ClosePool(pool) => {
                let Some(pool) = self.pool(pool) else { return };
                self.engine.close_pool(PoolId(pool));
                self.book.close_pool(pool);
            }
            Command::JoinPool { consumer, pool } => {
                let Some(pool) = self.pool(pool) else { return };
                self.with_consumer(consumer, |pair, id| {
                    pair.engine.join_pool(ConsumerId(id), PoolId(pool)).unwrap();
                    pair.book.join_pool(id, pool);
                });
            }
            Command::Credit { consumer, more } => {
                self.with_consumer(consumer, |pair, id| {
                    pair.engine.add_credit(block, ConsumerId(id), *more, 0, now).unwrap();
                    pair.book.alter(
                        id,
                        |consumer| consumer.credit = consumer.credit.saturating_add(*more),
                        now.0,
                    );
                });
            }
            Command::Pause { consumer, paused } => self.with_consumer(consumer, |pair, id| {
                if *paused {
                    pair.engine.pause(block, ConsumerId(id), now).unwrap();
                } else {
                    pair.engine.resume(block, ConsumerId(id), now).unwrap();
                }
                pair.book.alter(id, |consumer| consumer.paused = *paused, now.0);
            }),
            Command::Cancel { consumer, give_back } => self.with_consumer(consumer, |pair, id| {
                let leases = if *give_back { OpenLeases::Return } else { OpenLeases::Keep };
                pair.engine.cancel(block, ConsumerId(id), leases, now).unwrap();
                pair.book.cancel(id, *give_back, now.0);
            }),
            Command::Settle(settles) => self.settle(settles, block),
            Command::Pass(ms) => {
                self.now += ms;
                self.tick(block);
            }
            Command::Purge { queue } => {
                let name = queue_name(*queue);
                let Some(id) = self.book.id(&name) else { return };
                let purged = self.engine.purge_queue(block, &topic(&name), now).unwrap();
                assert_eq!(purged.messages, self.book.queues[&id].ready());
                self.book.purge(id, self.now);
            }
            Command::DeleteMessage { queue, nth } => {
                let name = queue_name(*queue);
                let Some(id) = self.book.id(&name) else { return };
                let entries = &self.book.queues[&id].entries;
                if entries.is_empty() {
                    return;
                }
                let sequence = *entries.keys().nth(nth.index(entries.len())).unwrap();
                self.book.delete_message(id, sequence);
                self.engine.delete_message(block, &topic(&name), MessageId(sequence)).unwrap();
                let again = self.engine.delete_message(block, &topic(&name), MessageId(sequence));
                assert!(matches!(again, Err(QueueError::UnknownMessage { .. })));
            }
            Command::Amend { queue, nth, priority, after } => {
                let Some((id, name, sequence)) = self.some_message(*queue, nth) else { return };
                let at = after.map(|after| self.now + after);
                let amendment = Amendment { priority: *priority, deliver_at: at.map(Timestamp) };
                let amended = self.engine.amend_message(block, &name, MessageId(sequence), amendment, now);
                if self.is_dying(id, sequence) {
                    return assert!(matches!(amended, Err(QueueError::InUse(_))));
                }
                amended.unwrap();
                self.book.amend(id, sequence, *priority, at, self.now);
            }
            Command::Move { queue, nth, to } => {
                let Some((id, name, sequence)) = self.some_message(*queue, nth) else { return };
                let to_name = topic(&queue_name(*to));
                let to = Destination::Queue(&to_name);
                let moved =
                    self.engine.move_message(block, &name, MessageId(sequence), to, &Edits::default(), now);
                if self.is_dying(id, sequence) {
                    return assert!(matches!(moved, Err(QueueError::InUse(_))));
                }
                let to = self.book.id(to_name.as_str());
                let told = self.book.move_message(id, sequence, to, self.now);
                assert_eq!(moved.is_ok(), told == Moved::Went);
                assert_eq!(moved == Err(QueueError::LogsFull), told == Moved::LogsFull);
            }
            Command::Redrive { queue, max, to } => {
                let name = queue_name(*queue);
                let Some(id) = self.book.id(&name) else { return };
                let to_name =
                    to.map(|to| topic(&queue_name(to))).filter(|to| self.book.id(to.as_str()).is_some());
                let redrive = Redrive { to: to_name.as_ref().map(Destination::Queue), ..Redrive::default() };
                let max = *max as usize;
                let bounds = RedriveBounds { after: None, max };
                let step = self.engine.redrive(block, &topic(&name), bounds, &redrive, now);
                let to = to_name.and_then(|to| self.book.id(to.as_str()));
                match self.book.redrive(id, max, to, self.now) {
                    Some(moved) => assert_eq!(step.unwrap().moved, moved),
                    None => assert_eq!(step, Err(QueueError::LogsFull)),
                }
            }
            Command::SetPolicy { kind, name, policy } => {
                let name = format!("p{name}");
                let made = self.engine.set_policy(block, *kind, DEFAULT_HOST, &name, policy.clone(), now);
                assert_eq!(made, Ok(self.book.set_policy(*kind, &name, policy.clone(), self.now)));
            }
            Command::DeletePolicy { kind, name } => {
                let name = format!("p{name}");
                let deleted = self.engine.delete_policy(block, *kind, DEFAULT_HOST, &name, now);
                assert_eq!(deleted.is_ok(), self.book.delete_policy(*kind, &name, self.now));
            }
            Command::Relocate { nth, budget } => {
                let upto = Lsn(nth.index(self.journal.end() as usize + 1) as u64);
                loop {
                    let step = self.engine.relocate_before(block, upto, *budget).unwrap();
                    if step.complete {
                        break;
                    }
                    if !block.fits(2_000) {
                        return;
                    }
                    assert!(step.moved > 0);
                }
                // The account knows whole segments.
                let oldest = self.engine.oldest_needed();
                assert!(
                    oldest
                        .is_none_or(|lsn| lsn.0 + self.config.segment_bytes > upto.0.min(self.journal.end()))
                );
            }
            Command::HoldLogs(full) => {
                self.engine.hold_logs(*full);
                self.book.hold_logs(*full);
            }
            Command::Crash | Command::Cut(_) | Command::Checkpoint => unreachable!(),
        }
    }
}

/// How many sequences are tried: `SLUICE_MODEL_CASES`, or enough for every run.
fn cases() -> u32 {
    std::env::var("SLUICE_MODEL_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2000)
}

fn play<J: Keeper>(mut pair: Pair<J>, commands: &[Command]) {
    for command in commands {
        pair.step(command);
    }
    pair.crash();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 4000, ..ProptestConfig::default() })]
    #[test]
    fn says_what_the_model_says(commands in prop::collection::vec(command(), 1..120)) {
        play(Pair::new(InMemory::default(), 512), &commands);
    }

    #[test]
    fn says_it_whatever_write_the_power_goes_at(
        commands in prop::collection::vec(command(), 1..120),
        seed in any::<u64>(),
    ) {
        play(Pair::new(DiskJournal::new(seed), SEGMENT), &commands);
    }
}
