//! What the engine shows of every queue and message, beside what the model says of them.
use message::{HeaderValue, Timestamp};
use queue_engine::{ConsumerId, Message, MessageState, Outcome, OwnerId, Reason};

use crate::keeper::Keeper;
use crate::queue::{Death, NEVER, State};
use crate::{Pair, topic};

fn deaths(message: &Message) -> Vec<Death> {
    let Some(HeaderValue::List(deaths)) = message.headers.get("x-death") else { return Vec::new() };
    let read = |death: &HeaderValue| {
        let HeaderValue::Table(death) = death else { panic!("x-death holds tables") };
        let field = |name: &str| death.iter().find(|(have, _)| have == name).unwrap().1.clone();
        let text = |name: &str| match field(name) {
            HeaderValue::Text(text) => text,
            HeaderValue::List(list) => match &list[0] {
                HeaderValue::Text(text) => text.clone(),
                _ => panic!("keys are text"),
            },
            _ => panic!("{name} is text"),
        };
        let HeaderValue::Int(count) = field("count") else { panic!("count is a number") };
        let reasons = [Reason::Rejected, Reason::Expired, Reason::MaxLen, Reason::DeliveryLimit];
        let reason = reasons.into_iter().find(|have| have.as_str() == text("reason")).unwrap();
        let (queue, exchange, key) = (text("queue"), text("exchange"), text("routing-keys"));
        Death { queue, reason, count, exchange, key }
    };
    deaths.iter().map(read).collect()
}

/// Queue, attempt and outcome of what a dead letter tells of its failures.
fn told(message: &Message) -> Vec<(String, u32, Outcome)> {
    let Some(HeaderValue::List(told)) = message.headers.get("x-retry-history") else { return Vec::new() };
    let read = |entry: &HeaderValue| {
        let HeaderValue::Table(entry) = entry else { panic!("the history holds tables") };
        let field = |name: &str| entry.iter().find(|(have, _)| have == name).unwrap().1.clone();
        let (HeaderValue::Text(queue), HeaderValue::Int(attempt), HeaderValue::Text(outcome)) =
            (field("queue"), field("attempt"), field("outcome"))
        else {
            panic!("fields have their types")
        };
        (queue, attempt as u32, Outcome::from_name(&outcome).unwrap())
    };
    told.iter().map(read).collect()
}

impl<J: Keeper> Pair<J> {
    /// Both say the same of every message.
    pub fn check(&self) {
        self.book.check_counters();
        assert_eq!(self.engine.queue_names().count(), self.book.queues.len());
        for (id, book) in &self.book.queues {
            let name = topic(&book.name);
            let info = self.engine.queue_info(&name).unwrap();
            assert_eq!((info.id.0, &info.options), (*id, &book.declared));
            assert_eq!(info.in_force, book.options);
            let count =
                |want: fn(&State) -> bool| book.entries.values().filter(|e| want(&e.state)).count() as u64;
            assert_eq!(info.ready, count(|state| *state == State::Ready));
            assert_eq!(info.leased, count(|state| matches!(state, State::Leased { .. })));
            assert_eq!(info.delayed, count(|state| matches!(state, State::Delayed(_))));
            assert_eq!((info.dying, info.damaged), (count(|state| matches!(state, State::Dying(_))), 0));
            assert_eq!(info.consumers, book.consumers.len() as u64);
            assert_eq!(info.active.map_or(0, |active| active.0), book.active);
            assert_eq!(info.owner.map(|owner| owner.0), book.owner);
            let mine = self.engine.check_access(&name, Some(OwnerId(0)));
            assert_eq!(mine.is_ok(), book.owner.is_none_or(|owner| owner == 0));
            assert_eq!(info.bytes, book.entries.values().map(|e| e.letter.body.len() as u64).sum::<u64>());
            let mut seen = Vec::new();
            let mut after = None;
            loop {
                let page = self.engine.browse(&name, after, 7, 500).unwrap();
                seen.extend(page.messages);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen.len(), book.entries.len());
            for (browsed, (sequence, entry)) in seen.iter().zip(&book.entries) {
                assert_eq!(browsed.id.0, *sequence);
                let state = match entry.state {
                    State::Ready => MessageState::Ready,
                    State::Delayed(until) => MessageState::Delayed { until: Timestamp(until) },
                    State::Leased { due, consumer, .. } => MessageState::Leased {
                        consumer: Some(ConsumerId(consumer)).filter(|id| id.0 != 0),
                        expires_at: Some(Timestamp(due)).filter(|at| at.0 != NEVER),
                    },
                    State::Dying(_) => MessageState::Dying,
                };
                assert_eq!(browsed.state, state);
                assert_eq!(browsed.priority, book.level(entry));
                assert_eq!((browsed.attempts, browsed.enqueued_at.0), (entry.attempts, entry.enqueued_at));
                let expires_at = Some(Timestamp(entry.expires_at)).filter(|at| at.0 != NEVER);
                assert_eq!(browsed.expires_at, expires_at);
                let level = book.level(entry);
                assert_eq!((browsed.priority, &browsed.history), (level, &entry.history));
                let message = browsed.message.as_ref().unwrap();
                assert_eq!(told(message), entry.letter.told);
                let letter = &entry.letter;
                assert_eq!(message.body, letter.body.as_bytes());
                assert_eq!(deaths(message), letter.deaths);
                assert_eq!(message.priority, letter.priority);
                assert_eq!(message.ttl_ms, letter.ttl.map(|ttl| ttl as u64));
                assert_eq!(
                    (message.origin.exchange_name(), &*message.origin.routing_key),
                    (&*letter.exchange, &*letter.key)
                );
            }
        }
        assert!(
            self.engine.loaded_bytes() <= self.config.memory_bytes.max(self.config.queue_memory_bytes * 5)
        );
    }
}
