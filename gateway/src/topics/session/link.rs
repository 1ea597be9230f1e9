use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use futures_channel::mpsc;
use parking_lot::Mutex;
use queue_engine::{
    ConsumerId, Delivery, LeaseToken, OpenLeases, OwnerId, PoolId, QueueError, Settle, SettleAction,
};

use super::names::Names;
use super::operation::{ChannelKey, ConsumerNumber};
use super::outcome::{SessionDelivery, SessionEvent};
use crate::topics::shard::Turn;
use crate::topics::{Lease, Topics, VirtualHost};

/// Journal bytes that the end of an owner's queues takes at a time.
const OWNER_BYTES: usize = 64 << 10;

/// What the owner knows of a session, and its way back to it.
#[derive(Debug)]
pub(crate) struct Link {
    outlet: mpsc::UnboundedSender<SessionEvent>,
    owner: OwnerId,
    host: OnceLock<VirtualHost>,
    /// What the door calls the client.
    client: OnceLock<Box<str>>,
    /// Only the owner works with it; the lock is there because the owner may move between threads.
    book: Mutex<Book>,
}

/// A session's subscriptions and failed channels.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) consumers: HashMap<ConsumerNumber, Subscriber>,
    pub(super) failed: HashSet<ChannelKey>,
    /// What bounds whole channels.
    pub(super) pools: HashMap<ChannelKey, PoolId>,
    /// Where each channel takes replies, if it does.
    pub(super) replies: HashMap<ChannelKey, String>,
    /// Leases of messages that were taken one by one, which no subscription holds.
    pub(super) taken: HashSet<LeaseToken>,
    /// The session is over: nothing more is to be begun for it.
    pub(super) ended: bool,
}

/// One of a session's subscriptions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscriber {
    pub(super) id: ConsumerId,
    pub(super) channel: ChannelKey,
    /// Whether its queue counts failures.
    pub(super) counts_failures: bool,
}

impl Link {
    pub(super) fn new(outlet: mpsc::UnboundedSender<SessionEvent>) -> Link {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Link {
            outlet,
            owner: OwnerId(NEXT.fetch_add(1, Relaxed)),
            host: OnceLock::new(),
            client: OnceLock::new(),
            book: Mutex::default(),
        }
    }

    /// Says, once, which virtual host the session's names belong to.
    pub(super) fn enter(&self, host: VirtualHost) {
        // A session that is somewhere stays there.
        let _ = self.host.set(host);
    }

    /// Says, once, what others are told of the client.
    pub(super) fn call(&self, client: String) {
        // A client that has a name keeps it.
        let _ = self.client.set(client.into_boxed_str());
    }

    /// What others are told of the client.
    pub(crate) fn client(&self) -> &str {
        self.client.get().map_or("a session", |client| client)
    }

    /// Where the session's names belong.
    pub(super) fn names<'a>(&'a self, topics: &'a Topics) -> Names<'a> {
        Names { topics, host: self.host.get_or_init(VirtualHost::default) }
    }

    /// Who owns the session's exclusive queues.
    pub(super) fn owner(&self) -> OwnerId {
        self.owner
    }

    pub(super) fn outlet(&self) -> mpsc::UnboundedSender<SessionEvent> {
        self.outlet.clone()
    }

    pub(super) fn tell(&self, event: SessionEvent) {
        // A session that is gone does not want to know.
        let _ = self.outlet.unbounded_send(event);
    }

    /// Hands over deliveries; gives them back when the session is gone.
    pub(crate) fn deliver(&self, consumer: ConsumerNumber, run: Vec<Delivery>) -> Result<(), Vec<Delivery>> {
        if self.outlet.is_closed() {
            return Err(run);
        }
        let counted = self.book.lock().consumers.get(&consumer).is_some_and(|one| one.counts_failures);
        let run = run
            .into_iter()
            .map(|delivery| SessionDelivery::new(delivery, counted, self.host.get()))
            .collect();
        // A session that closed just now drains what it was sent, or ends the subscription, which returns its leases.
        self.tell(SessionEvent::Delivered { consumer, run });
        Ok(())
    }

    /// A subscription is over. It is news only when the session did not end it itself.
    pub(crate) fn ended(&self, consumer: ConsumerNumber, timed_out: bool) {
        if self.book.lock().consumers.remove(&consumer).is_some() {
            self.tell(SessionEvent::Ended { consumer, timed_out });
        }
    }

    /// Works with the book. Nothing else of the link may be called meanwhile, so it is taken out rather than locked.
    pub(super) fn with_book<R>(&self, work: impl FnOnce(&mut Book) -> R) -> R {
        let mut book = std::mem::take(&mut *self.book.lock());
        let result = work(&mut book);
        *self.book.lock() = book;
        result
    }

    /// Ends the session: all subscriptions, and what is held beside them.
    pub(super) fn end(&self, turn: &mut Turn<'_>, leases: &[Lease]) {
        self.with_book(|book| {
            book.ended = true;
            for (_, one) in book.consumers.drain() {
                turn.engines.cancel(turn.journal.block(), one.id, turn.now);
            }
            let mut held: Vec<LeaseToken> = leases.iter().map(|lease| LeaseToken::from(*lease)).collect();
            held.extend(book.taken.drain());
            return_leases(turn, &held);
            for (_, address) in book.replies.drain() {
                turn.engines.replies.close(&address);
            }
            for (_, pool) in book.pools.drain() {
                turn.engines.queue.close_pool(pool);
            }
            if turn.ensure(OWNER_BYTES).is_ok() {
                turn.engines.queue.end_owner(turn.journal.block(), self.owner, turn.now);
            }
        });
    }
}

impl Book {
    /// Ends a channel: its subscriptions, and what it holds beside them.
    pub(super) fn close_channel(&mut self, turn: &mut Turn<'_>, channel: ChannelKey, leases: &[Lease]) {
        self.failed.remove(&channel);
        let ours: Vec<_> = self.consumers.extract_if(|_, one| one.channel == channel).collect();
        for (_, one) in ours {
            turn.engines.cancel(turn.journal.block(), one.id, turn.now);
        }
        let held: Vec<LeaseToken> = leases.iter().map(|lease| LeaseToken::from(*lease)).collect();
        for lease in &held {
            self.taken.remove(lease);
        }
        return_leases(turn, &held);
        if let Some(address) = self.replies.remove(&channel) {
            turn.engines.replies.close(&address);
        }
        if let Some(pool) = self.pools.remove(&channel) {
            turn.engines.queue.close_pool(pool);
        }
    }

    /// Bounds what all subscriptions of a channel hold together, those that are there included.
    pub(super) fn limit_channel(
        &mut self,
        turn: &mut Turn<'_>,
        channel: ChannelKey,
        unsettled: Option<u64>,
    ) -> Result<(), QueueError> {
        if let Some(pool) = self.pools.get(&channel) {
            return turn.engines.queue.set_pool_limit(turn.journal.block(), *pool, unsettled, turn.now);
        }
        let pool = turn.engines.queue.open_pool(unsettled);
        self.pools.insert(channel, pool);
        for one in self.consumers.values() {
            if one.channel == channel {
                // One that ended meanwhile needs no bound.
                let _ = turn.engines.queue.join_pool(one.id, pool);
            }
        }
        Ok(())
    }

    /// Ends one subscription; what it holds stays with its channel.
    pub(super) fn cancel(&mut self, turn: &mut Turn<'_>, consumer: ConsumerNumber) {
        let Some(Subscriber { id, .. }) = self.consumers.remove(&consumer) else { return };
        turn.engines.outlets.remove(id);
        // One that ended meanwhile is unknown, and as cancelled as it can be.
        let _ = turn.engines.queue.cancel(turn.journal.block(), id, OpenLeases::Keep, turn.now);
    }
}

/// Returns the leases of a client that left them behind, a stretch at a time, each with room in the journal.
fn return_leases(turn: &mut Turn<'_>, leases: &[LeaseToken]) {
    for stretch in leases.chunks(1024) {
        if turn.ensure(64 << 10).is_err() {
            // The next start finds them unsettled, which is what they are.
            return;
        }
        let fail = |lease: &LeaseToken| Settle { lease: *lease, action: SettleAction::Fail };
        let settles: Vec<Settle> = stretch.iter().map(fail).collect();
        // A lease that ended meanwhile needs no return.
        let _ = turn.engines.queue.settle(turn.journal.block(), &settles, turn.now);
    }
}
