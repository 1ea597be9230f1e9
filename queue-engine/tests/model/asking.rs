//! Commands with much to them, given to both the engine and the book.
use std::time::Duration;

use message::{Timestamp, TopicName};
use proptest::prelude::*;
use queue_engine::{
    ConsumerOptions, Destination, LeaseFor, NewMessage, OwnerId, PoolId, PropertyFields, QueueDeclaration,
    QueueError, QueueOptions, QueueType, Settle, SettleAction,
};
use segment_store::Block;

use crate::arriving::Arrived;
use crate::command::{Action, Sending, Wish, queue_name};
use crate::consumers::{BookConsumer, Keep};
use crate::keeper::Keeper;
use crate::queue::{Letter, State};
use crate::{Lease, Pair, exchange_name, topic};

impl<J: Keeper> Pair<J> {
    pub fn declare(&mut self, queue: u8, options: &QueueOptions, owner: Option<u8>, block: &mut Block) {
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
            Ok(declared) => {
                assert!(!declared.created && have.declared == want && have.owner == owner);
                self.book.queues.get_mut(&id).unwrap().used = self.now;
            }
            Err(QueueError::Locked(_)) => assert_ne!(have.owner, owner),
            Err(QueueError::Differs { .. }) => assert_ne!(have.declared, want),
            Err(other) => panic!("{other}"),
        }
    }

    pub fn subscribe(&mut self, queue: u8, wish: &Wish, block: &mut Block) {
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

    /// The next message, for the engine and for the book. `nth` is its place among those that are sent together.
    pub fn draft(&mut self, sending: &Sending, nth: u8) -> (NewMessage, Letter) {
        let Sending { exchange, key, priority, delay, ttl, names, headers } = *sending;
        let message_id = names.id(nth);
        let properties = PropertyFields { message_id: message_id.as_deref(), ..PropertyFields::default() };
        self.published += 1;
        let body = format!("message {}", "x".repeat((self.published % 90) as usize));
        let body = body + &self.published.to_string();
        let message = NewMessage {
            body: body.clone().into(),
            priority,
            delay: Some(Duration::from_millis(delay as u64)),
            ttl: ttl.map(|ttl| Duration::from_millis(ttl as u64)),
            key: names.key(nth).map(Into::into),
            properties: properties.build().unwrap(),
            headers: headers.table(),
            ..NewMessage::default()
        };
        let letter = Letter {
            body,
            priority,
            ttl,
            exchange: exchange_name(exchange).to_owned(),
            key: queue_name(key),
            lane: names.key(nth),
            message_id,
            headers,
            told: Vec::new(),
            deaths: Vec::new(),
        };
        (message, letter)
    }

    pub fn publish(&mut self, sending: &Sending, count: u8, batch: bool, block: &mut Block) {
        let (delay, headers, now) = (sending.delay, sending.headers, Timestamp(self.now));
        let (exchange, routing_key) = (exchange_name(sending.exchange), queue_name(sending.key));
        let ids = self.book.route(exchange, &routing_key, headers);
        let (messages, letters): (Vec<NewMessage>, Vec<Letter>) =
            (0..count).map(|nth| self.draft(sending, nth)).unzip();
        let destination = Destination::Exchange { name: exchange, routing_key: &routing_key };
        let results = if batch {
            let together = self.engine.publish_batch(block, destination, messages, now);
            together.unwrap_or_else(|error| vec![Err(error); letters.len()])
        } else {
            messages
                .into_iter()
                .map(|message| self.engine.publish(block, destination, message, now))
                .collect()
        };
        let arrived = if batch {
            self.book.publish(&ids, &letters, delay, self.now)
        } else {
            letters
                .iter()
                .flat_map(|letter| {
                    let ids = self.book.route(exchange, &routing_key, headers);
                    self.book.publish(&ids, std::slice::from_ref(letter), delay, now.0)
                })
                .collect()
        };
        assert_eq!(results.len(), arrived.len());
        for (result, arrived) in results.iter().zip(arrived) {
            match (result, arrived) {
                (Ok(published), Arrived::Taken { known, first }) => {
                    assert_eq!((published.queues, published.duplicates), (ids.len(), known));
                    assert_eq!(published.id.map(|id| id.0), first);
                }
                (Err(QueueError::QueueFull(_)), Arrived::QueueFull) => {}
                (Err(QueueError::LogsFull), Arrived::LogsFull) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// What these settles are to the engine, and the leases that they mean.
    pub fn settles(&self, settles: &[(prop::sample::Index, Action)]) -> Vec<(Settle, Lease)> {
        let ms = |ms: i64| Duration::from_millis(ms as u64);
        let settle = |(pick, action): &(prop::sample::Index, Action)| {
            let lease = self.leases[pick.index(self.leases.len())];
            let action = match *action {
                Action::Ack => SettleAction::Ack,
                Action::Nack(delay) => SettleAction::Nack { delay: ms(delay) },
                Action::Fail => SettleAction::Fail,
                Action::Retry => SettleAction::Retry,
                Action::Reject => SettleAction::Reject,
                Action::Extend(more) => SettleAction::Extend { lease_for: Some(ms(more)) },
            };
            (Settle { lease: lease.token, action }, lease)
        };
        match self.leases.as_slice() {
            [] => Vec::new(),
            _ => settles.iter().map(settle).collect(),
        }
    }

    pub fn settle(&mut self, settles: &[(prop::sample::Index, Action)], block: &mut Block) {
        if self.leases.is_empty() {
            return;
        }
        let mut asked = Vec::new();
        let mut want = Vec::new();
        for ((settle, lease), (_, action)) in self.settles(settles).into_iter().zip(settles) {
            let is_open = self.book.holds(lease.queue, lease.sequence, lease.serial);
            if is_open {
                self.book.settle(lease.queue, lease.sequence, *action, self.now);
            }
            asked.push(settle);
            want.push(is_open);
        }
        self.book.wind_up(self.now);
        let results = self.engine.settle(block, &asked, Timestamp(self.now));
        let settled: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(settled, want);
    }

    pub fn is_dying(&self, id: u32, sequence: u64) -> bool {
        matches!(self.book.queues[&id].entries[&sequence].state, State::Dying(_))
    }

    pub fn some_message(&self, queue: u8, nth: &prop::sample::Index) -> Option<(u32, TopicName, u64)> {
        let name = queue_name(queue);
        let id = self.book.id(&name)?;
        let entries = &self.book.queues[&id].entries;
        (!entries.is_empty())
            .then(|| (id, topic(&name), *entries.keys().nth(nth.index(entries.len())).unwrap()))
    }

    pub fn pool(&self, pick: &prop::sample::Index) -> Option<u64> {
        let pools = &self.book.pools;
        (!pools.is_empty()).then(|| *pools.keys().nth(pick.index(pools.len())).unwrap())
    }

    pub fn with_consumer(&mut self, pick: &prop::sample::Index, act: impl FnOnce(&mut Pair<J>, u64)) {
        self.consumers.retain(|id| self.book.consumers.contains_key(id));
        if !self.consumers.is_empty() {
            let id = self.consumers[pick.index(self.consumers.len())];
            act(self, id);
        }
    }
}
