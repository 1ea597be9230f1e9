//! The engine beside a naive model of it: random commands, time that passes, crashes at any block boundary with and
//! without the last block; after every step both must say the same.
#![allow(clippy::unwrap_used)]

mod book;
mod command;
mod consumers;
mod headers;
mod journal;
mod letters;
mod policies;
mod seeing;

use std::time::Duration;

use book::{Book, Handed, Letter, State};
use command::{Action, Command, Wish, command, queue_name};
use consumers::{BookConsumer, End, Keep};
use journal::TestJournal;
use message::{ExchangeName, HeaderTable, Timestamp, TopicName};
use proptest::prelude::*;
use queue_engine::{
    Amendment, BindingTarget, ConsumerId, ConsumerOptions, DEFAULT_HOST, Delivery, Destination, Edits, Ended,
    EngineConfig, LeaseFor, LeaseToken, MessageId, NewMessage, OpenLeases, OwnerId, PoolId, PropertyFields,
    QueueDeclaration, QueueEngine, QueueError, QueueOptions, QueueType, Redrive, RedriveBounds, Settle,
    SettleAction, SettleError,
};
use segment_store::{Block, Lsn};

const EXCHANGES: [&str; 4] = ["amq.direct", "amq.fanout", "amq.topic", "amq.headers"];

struct Lease {
    token: LeaseToken,
    queue: u32,
    sequence: u64,
    serial: u64,
}

struct Pair {
    engine: QueueEngine,
    book: Book,
    journal: TestJournal,
    now: i64,
    config: EngineConfig,
    leases: Vec<Lease>,
    consumers: Vec<u64>,
    published: u64,
    lose_next: bool,
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
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

impl Pair {
    fn new() -> Pair {
        // Little memory and small segments, so that both run out all the time.
        let config = EngineConfig {
            queue_memory_bytes: 700,
            memory_bytes: 1500,
            read_ahead_bytes: 900,
            segment_bytes: 512,
            tick_events: 10_000,
            consumer_timeout_ms: Some(200),
        };
        let journal = TestJournal::default();
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
            lose_next: false,
        }
    }

    fn step(&mut self, command: &Command) {
        match command {
            Command::Crash => return self.crash(),
            Command::LoseNext => {
                self.lose_next = true;
                return;
            }
            Command::Checkpoint => return self.journal.checkpoint(&self.engine),
            _ => {}
        }
        let before = (self.book.clone(), self.journal.image());
        let mut block = self.journal.block();
        self.apply(command, &mut block);
        let outbox = self.engine.take_outbox(&mut block);
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
        if std::mem::take(&mut self.lose_next) {
            (self.book, self.journal) = before;
            return self.crash();
        }
        self.journal.commit(&block);
        self.check();
    }

    fn crash(&mut self) {
        self.engine = self.journal.recover(self.config, Timestamp(self.now));
        self.book.crash();
        self.consumers.clear();
        let mut block = self.journal.block();
        self.tick(&mut block);
        self.engine.take_outbox(&mut block);
        self.journal.commit(&block);
        self.check();
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
                let deleted = self.engine.delete_queue(block, &topic(&name), false, false);
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
            Command::Publish { .. } => self.publish(command, block),
            Command::Receive { queue, max, lease } => {
                let name = queue_name(*queue);
                let Some(id) = self.book.id(&name) else { return };
                let max = *max as usize;
                let taken = self.engine.receive(block, &topic(&name), max, lease_for(*lease), now);
                if self.book.queues[&id].options.single_active_consumer {
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
                let moves = self
                    .book
                    .id(to_name.as_str())
                    .is_some_and(|to| self.book.move_message(id, sequence, to, self.now));
                assert_eq!(moved.is_ok(), moves);
            }
            Command::Redrive { queue, max, to } => {
                let name = queue_name(*queue);
                let Some(id) = self.book.id(&name) else { return };
                let to_name =
                    to.map(|to| topic(&queue_name(to))).filter(|to| self.book.id(to.as_str()).is_some());
                let redrive = Redrive { to: to_name.as_ref().map(Destination::Queue), ..Redrive::default() };
                let max = *max as usize;
                let step = self
                    .engine
                    .redrive(block, &topic(&name), RedriveBounds { after: None, max }, &redrive, now)
                    .unwrap();
                let to = to_name.and_then(|to| self.book.id(to.as_str()));
                assert_eq!(step.moved, self.book.redrive(id, max, to, self.now));
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
                let upto = Lsn(nth.index(self.journal.end as usize + 1) as u64);
                loop {
                    let step = self.engine.relocate_before(block, upto, *budget).unwrap();
                    if step.complete {
                        break;
                    }
                    assert!(step.moved > 0);
                }
                // The account knows whole segments.
                let oldest = self.engine.oldest_needed();
                assert!(
                    oldest.is_none_or(|lsn| lsn.0 + self.config.segment_bytes > upto.0.min(self.journal.end))
                );
            }
            Command::Crash | Command::LoseNext | Command::Checkpoint => unreachable!(),
        }
    }

    fn declare(&mut self, queue: u8, options: &QueueOptions, owner: Option<u8>, block: &mut Block) {
        let (name, owner) = (queue_name(queue), owner.map(u64::from));
        // A quorum queue belongs to nobody.
        let owner = owner.filter(|_| options.kind == QueueType::Classic);
        let declaration = QueueDeclaration {
            options: options.clone(),
            owner: owner.map(OwnerId),
            ..QueueDeclaration::default()
        };
        let declared = self.engine.declare(block, &topic(&name), declaration, Timestamp(self.now));
        let Some(id) = self.book.id(&name) else {
            self.book.declare(&name, options.clone(), owner, self.now);
            let declared = declared.unwrap();
            assert!(declared.created && Some(declared.id.0) == self.book.id(&name));
            return;
        };
        let have = &self.book.queues[&id];
        let want = QueueOptions { durable: owner.is_none(), ..options.clone() };
        match declared {
            Ok(declared) => assert!(!declared.created && have.declared == want && have.owner == owner),
            Err(QueueError::Locked(_)) => assert_ne!(have.owner, owner),
            Err(QueueError::Differs { .. }) => assert_ne!(have.declared, want),
            Err(other) => panic!("{other}"),
        }
    }

    fn subscribe(&mut self, queue: u8, wish: &Wish, block: &mut Block) {
        let name = queue_name(queue);
        let Some(id) = self.book.id(&name) else { return };
        let pool = wish.pool.as_ref().filter(|_| !wish.once).and_then(|pick| self.pool(pick));
        let ms = |ms: i64| Duration::from_millis(ms as u64);
        let options = ConsumerOptions {
            credit_messages: wish.credit,
            credit_bytes: None,
            lease: match wish.keep {
                Keep::NotAtAll => LeaseFor::AutoAck,
                Keep::For(time) => LeaseFor::Duration(ms(time)),
                Keep::UntilSettled => LeaseFor::UntilSettled,
            },
            once: wish.once,
            priority: wish.priority,
            exclusive: wish.exclusive,
            prefetch: wish.prefetch,
            pool: pool.map(PoolId),
            timeout: wish.timeout.map(ms),
        };
        let wish = BookConsumer {
            queue: id,
            credit: wish.credit,
            keep: wish.keep,
            once: wish.once,
            priority: wish.priority,
            exclusive: wish.exclusive,
            prefetch: wish.prefetch,
            pool,
            timeout: wish.timeout,
            paused: false,
            fed: false,
            in_flight: 0,
        };
        let subscribed = self.engine.subscribe(block, &topic(&name), options, Timestamp(self.now));
        match (self.book.objection(&wish), subscribed) {
            (None, subscribed) => {
                let consumer = subscribed.unwrap();
                self.book.subscribe(consumer.0, wish, self.now);
                self.consumers.push(consumer.0);
            }
            (Some(is_expected), Err(error)) => assert!(is_expected(&error), "{error}"),
            (Some(_), Ok(_)) => panic!("it should have been refused"),
        }
    }

    fn pool(&self, pick: &prop::sample::Index) -> Option<u64> {
        let pools = &self.book.pools;
        (!pools.is_empty()).then(|| *pools.keys().nth(pick.index(pools.len())).unwrap())
    }

    fn some_message(&self, queue: u8, nth: &prop::sample::Index) -> Option<(u32, TopicName, u64)> {
        let name = queue_name(queue);
        let id = self.book.id(&name)?;
        let entries = &self.book.queues[&id].entries;
        (!entries.is_empty())
            .then(|| (id, topic(&name), *entries.keys().nth(nth.index(entries.len())).unwrap()))
    }

    fn is_dying(&self, id: u32, sequence: u64) -> bool {
        matches!(self.book.queues[&id].entries[&sequence].state, State::Dying(_))
    }

    fn with_consumer(&mut self, pick: &prop::sample::Index, act: impl FnOnce(&mut Pair, u64)) {
        self.consumers.retain(|id| self.book.consumers.contains_key(id));
        if !self.consumers.is_empty() {
            let id = self.consumers[pick.index(self.consumers.len())];
            act(self, id);
        }
    }

    fn publish(&mut self, command: &Command, block: &mut Block) {
        let Command::Publish { exchange, key: to, count, priority, delay, ttl, batch, names, headers } =
            command
        else {
            return;
        };
        let now = Timestamp(self.now);
        let exchange = exchange.map_or("", |exchange| EXCHANGES[exchange as usize]);
        let routing_key = queue_name(*to);
        let ids = self.book.route(exchange, &routing_key, *headers);
        let mut letters = Vec::new();
        let mut messages = Vec::new();
        for nth in 0..*count {
            let message_id = names.id(nth);
            let properties =
                PropertyFields { message_id: message_id.as_deref(), ..PropertyFields::default() };
            self.published += 1;
            let body = format!("message {}", "x".repeat((self.published % 90) as usize))
                + &self.published.to_string();
            messages.push(NewMessage {
                body: body.clone().into(),
                priority: *priority,
                delay: Some(Duration::from_millis(*delay as u64)),
                ttl: ttl.map(|ttl| Duration::from_millis(ttl as u64)),
                key: names.key(nth).map(Into::into),
                properties: properties.build().unwrap(),
                headers: headers.table(),
                ..NewMessage::default()
            });
            letters.push(Letter {
                body,
                priority: *priority,
                ttl: *ttl,
                exchange: exchange.to_owned(),
                key: routing_key.clone(),
                lane: names.key(nth),
                message_id,
                headers: *headers,
                told: Vec::new(),
                deaths: Vec::new(),
            });
        }
        let destination = Destination::Exchange { name: exchange, routing_key: &routing_key };
        let results = if *batch {
            self.engine.publish_batch(block, destination, messages, now).unwrap()
        } else {
            messages
                .into_iter()
                .map(|message| self.engine.publish(block, destination, message, now))
                .collect()
        };
        let refused = if *batch {
            self.book.publish(&ids, &letters, *delay, self.now)
        } else {
            letters
                .iter()
                .flat_map(|letter| {
                    let ids = self.book.route(exchange, &routing_key, *headers);
                    self.book.publish(&ids, std::slice::from_ref(letter), *delay, now.0)
                })
                .collect()
        };
        for (result, (refused, known, id)) in results.iter().zip(refused) {
            match result {
                Ok(published) => {
                    assert!(!refused && published.queues == ids.len());
                    assert_eq!(published.duplicates, known);
                    assert_eq!(published.id.map(|id| id.0), id);
                }
                Err(error) => assert!(refused && matches!(error, QueueError::QueueFull(_))),
            }
        }
    }

    fn settle(&mut self, settles: &[(prop::sample::Index, Action)], block: &mut Block) {
        if self.leases.is_empty() {
            return;
        }
        let ms = |ms: i64| Duration::from_millis(ms as u64);
        let mut asked = Vec::new();
        let mut want = Vec::new();
        for (pick, action) in settles {
            let lease = &self.leases[pick.index(self.leases.len())];
            let Lease { token, queue, sequence, serial } = *lease;
            want.push(self.book.holds(queue, sequence, serial));
            let stored = match *action {
                Action::Ack => SettleAction::Ack,
                Action::Nack(delay) => SettleAction::Nack { delay: ms(delay) },
                Action::Fail => SettleAction::Fail,
                Action::Retry => SettleAction::Retry,
                Action::Reject => SettleAction::Reject,
                Action::Extend(more) => SettleAction::Extend { lease_for: Some(ms(more)) },
            };
            asked.push(Settle { lease: token, action: stored });
            if want.last() == Some(&true) {
                match *action {
                    Action::Ack => self.book.ack(queue, sequence),
                    Action::Nack(delay) => self.book.nack(queue, sequence, delay, self.now),
                    Action::Fail => self.book.fail(queue, sequence, self.now),
                    Action::Retry => self.book.retry(queue, sequence, self.now),
                    Action::Reject => self.book.reject(queue, sequence, self.now),
                    Action::Extend(more) => self.book.extend(queue, sequence, self.now + more),
                }
            }
        }
        self.book.wind_up(self.now);
        let results = self.engine.settle(block, &asked, Timestamp(self.now));
        let settled: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(settled, want);
    }
}

/// How many sequences are tried: `SLUICE_MODEL_CASES`, or enough for every run.
fn cases() -> u32 {
    std::env::var("SLUICE_MODEL_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 4000, ..ProptestConfig::default() })]
    #[test]
    fn says_what_the_model_says(commands in prop::collection::vec(command(), 1..120)) {
        let mut pair = Pair::new();
        for command in &commands {
            pair.step(command);
        }
        pair.crash();
    }
}
