use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::metrics::Totals;
use crate::topics::{ExchangeCounts, ExchangeEntry, QueueCounts, QueueEntry};

/// Takes one figure out of many.
type Read<T> = fn(&T) -> u64;

/// Samples are at least this far apart.
const APART: Duration = Duration::from_secs(5);

/// The counters at two moments, to tell rates by: taken when somebody asks, at least five seconds apart.
#[derive(Debug, Default)]
pub struct Rates {
    broker: Moments<Broker>,
    exchanges: Moments<HashMap<Named, ExchangeCounts>>,
}

/// A virtual host, and a name in it.
type Named = (String, String);

#[derive(Debug)]
struct Broker {
    totals: Totals,
    queues: HashMap<Named, Figures>,
}

/// How something stood at two moments.
#[derive(Debug)]
struct Moments<T> {
    earlier: Option<(Instant, T)>,
    later: Option<(Instant, T)>,
}

impl<T> Default for Moments<T> {
    fn default() -> Moments<T> {
        Moments { earlier: None, later: None }
    }
}

impl<T> Moments<T> {
    /// Notes how it stands, if it is time to.
    fn note(&mut self, now: Instant, look: impl FnOnce() -> T) {
        if self.later.as_ref().is_some_and(|(at, _)| now.duration_since(*at) < APART) {
            return;
        }
        self.earlier = self.later.replace((now, look()));
    }

    /// The change of a figure per second, between the two.
    fn rate(&self, read: impl Fn(&T) -> Option<u64>) -> f64 {
        let (Some((began, earlier)), Some((ended, later))) = (&self.earlier, &self.later) else { return 0.0 };
        let (Some(before), Some(after)) = (read(earlier), read(later)) else { return 0.0 };
        let seconds = ended.duration_since(*began).as_secs_f64();
        (after as f64 - before as f64) / seconds.max(f64::MIN_POSITIVE)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    counts: QueueCounts,
    ready: u64,
    unsettled: u64,
    messages: u64,
}

/// The counters of a queue, by RabbitMQ's names.
const QUEUE_COUNTERS: [(&str, Read<Figures>); 8] = [
    ("publish", |it| it.counts.published),
    ("deliver_get", |it| it.counts.delivered),
    ("deliver", |it| it.counts.pushed()),
    ("deliver_no_ack", |it| it.counts.pushed_for_good),
    ("get", |it| it.counts.taken),
    ("get_no_ack", |it| it.counts.taken_for_good),
    ("redeliver", |it| it.counts.redelivered),
    ("ack", |it| it.counts.acked),
];

impl From<&QueueEntry> for Figures {
    fn from(queue: &QueueEntry) -> Figures {
        Figures {
            counts: queue.counts,
            ready: queue.ready,
            unsettled: queue.unsettled,
            messages: messages(queue),
        }
    }
}

/// All messages of a queue, those that are out of sight until their time among them.
pub fn messages(queue: &QueueEntry) -> u64 {
    queue.ready + queue.unsettled + queue.delayed
}

impl Rates {
    /// Notes how things stand, if it is time to.
    pub fn note(&mut self, now: Instant, totals: Totals, queues: &[QueueEntry]) {
        let named = |queue: &QueueEntry| ((queue.vhost.clone(), queue.name.clone()), Figures::from(queue));
        self.broker.note(now, || Broker { totals, queues: queues.iter().map(named).collect() });
    }

    /// The same of exchanges.
    pub fn note_exchanges(&mut self, now: Instant, exchanges: &[ExchangeEntry]) {
        let named =
            |exchange: &ExchangeEntry| ((exchange.vhost.clone(), exchange.name.clone()), exchange.counts);
        self.exchanges.note(now, || exchanges.iter().map(named).collect());
    }

    /// The counters of an exchange with their rates; `None`, as in RabbitMQ, before anything was published to it.
    pub fn of_exchange(&self, exchange: &ExchangeEntry) -> Option<Value> {
        let key = (exchange.vhost.clone(), exchange.name.clone());
        let counters: [(&str, Read<ExchangeCounts>); 2] =
            [("publish_in", |it| it.published_in), ("publish_out", |it| it.published_out)];
        let mut stats = Map::new();
        for (name, read) in counters {
            put(&mut stats, name, read(&exchange.counts), self.exchanges.rate(|all| all.get(&key).map(read)));
        }
        (exchange.counts.published_in > 0).then_some(Value::Object(stats))
    }

    /// The counters of a queue with their rates, and of its messages.
    pub fn of_queue(&self, queue: &QueueEntry) -> (Value, Map<String, Value>) {
        let key = (queue.vhost.clone(), queue.name.clone());
        let rate = |read: fn(&Figures) -> u64| self.broker.rate(|broker| broker.queues.get(&key).map(read));
        let figures = Figures::from(queue);
        let mut stats = Map::new();
        for (name, read) in QUEUE_COUNTERS {
            put(&mut stats, name, read(&figures), rate(read));
        }
        let mut levels = Map::new();
        put(&mut levels, "messages", messages(queue), rate(|it| it.messages));
        put(&mut levels, "messages_ready", queue.ready, rate(|it| it.ready));
        put(&mut levels, "messages_unacknowledged", queue.unsettled, rate(|it| it.unsettled));
        (Value::Object(stats), levels)
    }

    /// The same for several queues together.
    pub fn of_queues(&self, queues: &[QueueEntry]) -> (Value, Map<String, Value>) {
        let sum = |read: fn(&Figures) -> u64| queues.iter().map(|queue| read(&Figures::from(queue))).sum();
        let rate = |read: fn(&Figures) -> u64| {
            self.broker.rate(|broker| {
                let known = |queue: &QueueEntry| {
                    broker.queues.get(&(queue.vhost.clone(), queue.name.clone())).map(read)
                };
                Some(queues.iter().filter_map(known).sum())
            })
        };
        let mut stats = Map::new();
        QUEUE_COUNTERS.into_iter().for_each(|(name, read)| put(&mut stats, name, sum(read), rate(read)));
        let mut levels = Map::new();
        let gauges: [(&str, Read<Figures>); 3] = [
            ("messages", |it| it.messages),
            ("messages_ready", |it| it.ready),
            ("messages_unacknowledged", |it| it.unsettled),
        ];
        gauges.into_iter().for_each(|(name, read)| put(&mut levels, name, sum(read), rate(read)));
        (Value::Object(stats), levels)
    }

    /// The counters of the whole broker with their rates.
    pub fn of_broker(&self, totals: &Totals) -> Value {
        let counters: [(&str, Read<Totals>); 10] = [
            ("publish", |it| it.received),
            ("confirm", |it| it.confirmed),
            ("drop_unroutable", |it| it.unroutable_dropped),
            ("deliver_get", |it| it.delivered),
            ("deliver", Totals::pushed),
            ("deliver_no_ack", |it| it.pushed_for_good),
            ("get", |it| it.taken),
            ("get_no_ack", |it| it.taken_for_good),
            ("redeliver", |it| it.redelivered),
            ("ack", |it| it.acknowledged),
        ];
        let mut stats = Map::new();
        for (name, read) in counters {
            put(&mut stats, name, read(totals), self.broker.rate(|broker| Some(read(&broker.totals))));
        }
        Value::Object(stats)
    }
}

/// A figure and its change per second, as RabbitMQ writes them.
pub fn put(object: &mut Map<String, Value>, name: &str, value: u64, rate: f64) {
    object.insert(name.to_owned(), json!(value));
    object.insert(format!("{name}_details"), json!({"rate": rate}));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(received: u64) -> Totals {
        Totals { received, ..Totals::default() }
    }

    #[test]
    fn rates_are_told_between_samples_that_are_far_enough_apart() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let rate = |rates: &Rates| rates.of_broker(&totals(0))["publish_details"]["rate"].as_f64();
        rates.note(start, totals(0), &[]);
        rates.note(start + Duration::from_secs(1), totals(999), &[]);
        assert_eq!(rate(&rates), Some(0.0));
        rates.note(start + Duration::from_secs(10), totals(50), &[]);
        assert_eq!(rate(&rates), Some(5.0));
        rates.note(start + Duration::from_secs(20), totals(50), &[]);
        assert_eq!(rate(&rates), Some(0.0));
    }

    fn exchange(vhost: &str, published_in: u64) -> ExchangeEntry {
        ExchangeEntry {
            vhost: vhost.to_owned(),
            name: "amq.topic".to_owned(),
            kind: "topic",
            durable: true,
            auto_delete: false,
            internal: false,
            predeclared: true,
            arguments: Map::new(),
            policy: None,
            counts: ExchangeCounts { published_in, published_out: 2 * published_in },
        }
    }

    #[test]
    fn exchanges_tell_what_was_published_to_each_and_how_fast() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        rates.note_exchanges(start, &[exchange("/", 0), exchange("shop", 7)]);
        rates.note_exchanges(start + Duration::from_secs(10), &[exchange("/", 50), exchange("shop", 7)]);
        let stats = |rate_in: f64, rate_out: f64, count: u64| {
            json!({"publish_in": count, "publish_in_details": {"rate": rate_in},
                "publish_out": 2 * count, "publish_out_details": {"rate": rate_out}})
        };
        assert_eq!(rates.of_exchange(&exchange("/", 60)), Some(stats(5.0, 10.0, 60)));
        assert_eq!(rates.of_exchange(&exchange("shop", 7)), Some(stats(0.0, 0.0, 7)));
        assert_eq!(rates.of_exchange(&exchange("new", 1)), Some(stats(0.0, 0.0, 1)));
        assert_eq!(rates.of_exchange(&exchange("/", 0)), None);
    }
}
