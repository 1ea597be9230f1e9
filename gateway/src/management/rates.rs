use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::metrics::Totals;
use crate::topics::{QueueCounts, QueueEntry};

/// Takes one figure out of many.
type Read<T> = fn(&T) -> u64;

/// Samples are at least this far apart.
const APART: Duration = Duration::from_secs(5);

/// The counters at two moments, to tell rates by: taken when somebody asks, at least five seconds apart.
#[derive(Debug, Default)]
pub struct Rates {
    earlier: Option<Sample>,
    later: Option<Sample>,
}

#[derive(Clone, Debug)]
struct Sample {
    at: Instant,
    totals: Totals,
    queues: HashMap<(String, String), Figures>,
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
        if self.later.as_ref().is_some_and(|later| now.duration_since(later.at) < APART) {
            return;
        }
        let queues =
            queues.iter().map(|queue| ((queue.vhost.clone(), queue.name.clone()), Figures::from(queue)));
        self.earlier = self.later.replace(Sample { at: now, totals, queues: queues.collect() });
    }

    /// The change of a figure per second, between the two samples.
    fn of(&self, read: impl Fn(&Sample) -> Option<u64>) -> f64 {
        let (Some(earlier), Some(later)) = (&self.earlier, &self.later) else { return 0.0 };
        let (Some(before), Some(after)) = (read(earlier), read(later)) else { return 0.0 };
        let seconds = later.at.duration_since(earlier.at).as_secs_f64();
        (after as f64 - before as f64) / seconds.max(f64::MIN_POSITIVE)
    }

    /// The counters of a queue with their rates, and of its messages.
    pub fn of_queue(&self, queue: &QueueEntry) -> (Value, Map<String, Value>) {
        let key = (queue.vhost.clone(), queue.name.clone());
        let rate = |read: fn(&Figures) -> u64| self.of(|sample| sample.queues.get(&key).map(read));
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
            self.of(|sample| {
                let known = |queue: &QueueEntry| {
                    sample.queues.get(&(queue.vhost.clone(), queue.name.clone())).map(read)
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
            put(&mut stats, name, read(totals), self.of(|sample| Some(read(&sample.totals))));
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
}
