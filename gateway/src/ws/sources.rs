use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::FuturesUnordered;

use super::command::Subscription;
use super::effect::ReadRequest;
use super::encoding::Encoding;
use super::record_cache::{PartitionRecords, RecordCache};
use super::session::Session;
use crate::codec::render::ValueMode;
use crate::refusal::Refusal;
use crate::topics::{LogTopic, QueueDelivery, QueueSubscription};

/// Where a socket's subscriptions get their messages from. Dropping an entry ends the subscription.
#[derive(Default)]
pub struct Sources {
    open: BTreeMap<Subscription, Source>,
}

/// Where one subscription gets its messages from.
pub enum Source {
    /// A queue pushes.
    Queue(QueueSource),
    /// A log is read.
    Log(LogSource),
}

/// A queue that pushes to a subscription.
pub struct QueueSource {
    queue: QueueSubscription,
    /// Pushed, but not handed over yet: the socket has no room.
    waiting: std::vec::IntoIter<QueueDelivery>,
}

impl QueueSource {
    /// A source that nothing was pushed to yet.
    #[must_use]
    pub fn new(queue: QueueSubscription) -> QueueSource {
        QueueSource { queue, waiting: Vec::new().into_iter() }
    }

    /// Hands over what the session has room for. Answers whether that was anything.
    fn poll(&mut self, cx: &mut Context<'_>, session: &mut Session, subscription: Subscription) -> bool {
        let mut moved = false;
        while session.wants_deliveries() {
            if let Some(delivery) = self.waiting.next() {
                session.handle_delivery(subscription, &delivery.view());
                continue;
            }
            let Poll::Ready(next) = self.queue.poll_next(cx) else { break };
            moved = true;
            match next {
                Some(deliveries) => self.waiting = deliveries.into_iter(),
                None => {
                    session.handle_ended(subscription, self.queue.end());
                    break;
                }
            }
        }
        moved
    }
}

/// A log that a subscription reads.
pub struct LogSource {
    log: LogTopic,
    cache: Arc<RecordCache>,
    encoding: Encoding,
    values: ValueMode,
    partitions: HashMap<u32, Arc<PartitionRecords>>,
    watched: FuturesUnordered<BoxFuture<'static, u32>>,
}

impl LogSource {
    /// A source that shares what it encodes with all readers of `cache`.
    #[must_use]
    pub fn new(log: LogTopic, cache: Arc<RecordCache>, encoding: Encoding, values: ValueMode) -> LogSource {
        LogSource {
            log,
            cache,
            encoding,
            values,
            partitions: HashMap::new(),
            watched: FuturesUnordered::new(),
        }
    }

    fn partition(&mut self, partition: u32) -> &Arc<PartitionRecords> {
        let LogSource { log, cache, encoding, values, .. } = self;
        self.partitions
            .entry(partition)
            .or_insert_with(|| cache.partition(log, partition, *encoding, *values))
    }

    fn watch(&mut self, partition: u32, from: i64) -> Result<(), Refusal> {
        let mut watch = self.log.watch_from(partition, from)?;
        self.watched.push(
            async move {
                watch.changed().await;
                partition
            }
            .boxed(),
        );
        Ok(())
    }
}

impl Sources {
    /// Adds a subscription's source.
    pub fn insert(&mut self, subscription: Subscription, source: Source) {
        self.open.insert(subscription, source);
    }

    /// Drops a subscription's source: what it had leased returns.
    pub fn remove(&mut self, subscription: Subscription) {
        self.open.remove(&subscription);
    }

    /// Drops all.
    pub fn clear(&mut self) {
        self.open.clear();
    }

    /// The queue behind a subscription.
    pub fn queue(&self, subscription: Subscription) -> Option<&QueueSubscription> {
        match self.open.get(&subscription)? {
            Source::Queue(source) => Some(&source.queue),
            Source::Log(_) => None,
        }
    }

    /// Starts to watch a partition's end.
    pub fn watch(&mut self, session: &mut Session, subscription: Subscription, partition: u32, from: i64) {
        if let Some(Source::Log(log)) = self.open.get_mut(&subscription)
            && let Err(refusal) = log.watch(partition, from)
        {
            session.handle_ended(subscription, refusal);
        }
    }

    /// Reads what the session has room for.
    pub fn read(&mut self, session: &mut Session, request: ReadRequest) {
        let ReadRequest { subscription, partition, from } = request;
        let Some(Source::Log(log)) = self.open.get_mut(&subscription) else { return };
        let records = log.partition(partition);
        match records.read(from) {
            Ok(Some(found)) => {
                session.handle_records(subscription, partition, &found, records.has(found.next))
            }
            Ok(None) => session.handle_end(subscription, partition),
            Err(refusal) => session.handle_ended(subscription, refusal),
        }
    }

    /// Hands over what was pushed and tells what can be read. Answers whether there was anything.
    pub fn poll(&mut self, cx: &mut Context<'_>, session: &mut Session) -> bool {
        let mut moved = false;
        for (&subscription, source) in &mut self.open {
            match source {
                Source::Queue(queue) => moved |= queue.poll(cx, session, subscription),
                Source::Log(log) => {
                    while let Poll::Ready(Some(partition)) = log.watched.poll_next_unpin(cx) {
                        moved = true;
                        session.handle_readable(subscription, partition);
                    }
                }
            }
        }
        moved
    }
}
