//! How messages come in, in the model.
use std::collections::BTreeSet;

use queue_engine::{Overflow, Reason};

use crate::book::Book;
use crate::headers::Headers;
use crate::queue::{Entry, Letter, NEVER, State};

/// What became of a message that was published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrived {
    /// How many of its queues knew it, and its id in the first one.
    Taken {
        known: usize,
        first: Option<u64>,
    },
    QueueFull,
    /// It would have reached a log that takes nothing more.
    LogsFull,
}

impl Book {
    pub fn route(&self, exchange: &str, key: &str, headers: Headers) -> Vec<u32> {
        if exchange.is_empty() {
            return self.id(key).into_iter().collect();
        }
        let matches = |(source, _, pattern): &&(String, u32, String)| {
            source == exchange
                && match exchange {
                    "amq.fanout" => true,
                    "amq.topic" => pattern == key || pattern == "#",
                    "amq.headers" => headers.fit(pattern),
                    _ => pattern == key,
                }
        };
        let found: BTreeSet<u32> = self.bindings.iter().filter(matches).map(|(_, id, _)| *id).collect();
        found.into_iter().collect()
    }

    pub fn store(&mut self, ids: &[u32], letter: &Letter, delay: i64, now: i64) {
        for id in ids {
            let queue = self.queues.get_mut(id).unwrap();
            let own = queue.options.message_ttl_ms.map(|ttl| ttl as i64);
            let ttl = match (own, letter.ttl) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let entry = Entry {
                letter: letter.clone(),
                state: if delay > 0 { State::Delayed(now + delay) } else { State::Ready },
                attempts: 0,
                forgiven: 0,
                priority: queue.priority(letter.priority),
                history: Vec::new(),
                enqueued_at: now,
                expires_at: ttl.map_or(NEVER, |ttl| now + delay + ttl),
            };
            let log = queue.options.keep_in.as_ref();
            self.kept.extend(log.map(|log| (log.to_string(), letter.body.clone())));
            queue.entries.insert(queue.next, entry);
            queue.next += 1;
        }
    }

    /// What was published, as opposed to moved, is remembered.
    pub fn admit(&mut self, ids: &[u32], letter: &Letter, delay: i64, now: i64) {
        for id in ids {
            let queue = self.queues.get_mut(id).unwrap();
            let sequence = queue.next;
            let (Some(window), Some(name)) = (queue.options.dedup, &letter.message_id) else { continue };
            if queue.first(name, now).is_none() {
                queue.seen.push((now, name.clone(), sequence));
                let over = queue.seen.len().saturating_sub(window.max_ids as usize);
                queue.seen.drain(..over);
            }
        }
        self.store(ids, letter, delay, now);
    }

    /// Answers what became of each message.
    pub fn publish(&mut self, ids: &[u32], letters: &[Letter], delay: i64, now: i64) -> Vec<Arrived> {
        // Each of a batch goes its own way through a headers exchange.
        let is_split = letters.iter().any(|letter| letter.exchange == "amq.headers");
        let may_refuse = |id: &u32| {
            let options = &self.queues[id].options;
            self.queues[id].may_refuse() || options.dedup.is_some()
        };
        if !is_split && !ids.iter().any(may_refuse) {
            if self.is_held(ids) {
                // What an earlier call left to be handed out is handed out by one that refuses, too.
                self.wind_up(now);
                return vec![Arrived::LogsFull; letters.len()];
            }
            let first = ids.first().map(|id| self.queues[id].next);
            letters.iter().for_each(|letter| self.admit(ids, letter, delay, now));
            self.touched.extend_from_slice(ids);
            self.wind_up(now);
            let arrived = |nth| Arrived::Taken { known: 0, first: first.map(|first| first + nth as u64) };
            return (0..letters.len()).map(arrived).collect();
        }
        let mut arrived = Vec::new();
        for letter in letters {
            arrived.push(match self.is_held(ids) {
                true => Arrived::LogsFull,
                false => self.arrive(ids, letter, delay, now),
            });
            self.wind_up(now);
        }
        arrived
    }

    /// One message comes to queues each of which may have it already or be full; nothing follows from it yet.
    pub fn arrive(&mut self, ids: &[u32], letter: &Letter, delay: i64, now: i64) -> Arrived {
        let mut told = ids.first().map(|id| self.queues[id].next);
        let mut rest = Vec::new();
        for (place, id) in ids.iter().enumerate() {
            let queue = self.queues.get_mut(id).unwrap();
            let known = letter.message_id.as_ref().filter(|_| queue.options.dedup.is_some());
            match known.and_then(|name| queue.first(name, now)) {
                Some(first) if place == 0 => told = Some(first),
                Some(_) => {}
                None => rest.push(*id),
            }
        }
        let known = ids.len() - rest.len();
        let (full, open): (Vec<u32>, Vec<u32>) = rest.iter().partition(|id| self.queues[id].refuses(letter));
        self.admit(&open, letter, delay, now);
        self.touched.extend_from_slice(&open);
        for id in &full {
            if self.queues[id].options.overflow == Overflow::RejectPublishDlx {
                self.dead_letter(*id, letter, None, Reason::MaxLen, now);
            }
        }
        match full.as_slice() {
            [] => Arrived::Taken { known, first: told },
            _ => Arrived::QueueFull,
        }
    }
}
