use std::sync::{Arc, OnceLock};
use std::time::Duration;

use message::{ErrorCode, TopicName};
use queue_engine::{ConsumerId, ConsumerOptions, Delivery, Ended, LeaseFor, MessageId, QueueError, QueueId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::VirtualHost;
use super::authorization::Act;
use super::deeds::{self, Deed};
use super::delivery::QueueDelivery;
use super::outgoing::Acks;
use super::shard::{Outlet, Room, ShardHandle, Terms, Turn};
use crate::auth::{Guard, Pass, Usage};
use crate::refusal::Refusal;

/// Journal bytes that settling one lease, or handing out one message, takes at most.
pub(crate) const SETTLE_WEIGHT: usize = 96;
/// Deliveries that one command may cause, as far as its journal bytes are reckoned beforehand.
const MOST_AT_ONCE: usize = 4096;
/// Bytes of messages that one look shows at most, as long as it shows one.
const BROWSE_BYTES: u64 = 8 << 20;
/// A look changes nothing.
pub(crate) const LOOK: Terms = Terms { acks: Acks::Leader, weight: 0, room: Room::Reserved };

/// A queue, for readers. Cheap to clone.
#[derive(Clone)]
pub struct QueueTopic {
    pub(crate) id: QueueId,
    pub(crate) name: TopicName,
    pub(crate) host: VirtualHost,
    pub(crate) shard: ShardHandle,
    pub(crate) draining: CancellationToken,
    /// On whose behalf.
    pub(crate) pass: Pass,
    /// Where they come from.
    pub(crate) usage: Usage,
    /// Who is told what they do.
    pub(crate) guard: Guard,
}

/// What a subscriber asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Most messages that may be on their way or unsettled at a time.
    pub credit_messages: u32,
    /// Most bytes of them.
    pub credit_bytes: u64,
    /// How long it keeps each.
    pub hold: Hold,
    /// Consumers of higher priority are served first.
    pub priority: i32,
    /// Refuse, and keep out, any other consumer.
    pub exclusive: bool,
}

/// How long a subscription keeps a message that it does not settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Not at all: it is delivered for good.
    Nothing,
    /// As long as the queue says.
    QueueTime,
    /// This long.
    For(Duration),
    /// As long as the subscription is there. With a timeout, or that of a quorum queue, it is cancelled when it takes
    /// longer.
    UntilSettled(Option<Duration>),
}

impl QueueTopic {
    /// Its id, which no other queue ever gets, also not one of the same name.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id.0
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &TopicName {
        &self.name
    }

    /// Writes down what was done to it.
    pub(super) fn did(&self, deed: Deed, about: &str) {
        deeds::tell(&self.guard, deed, &deeds::author(&self.pass, &self.usage), about);
    }

    /// Takes up to `max` messages, waiting up to `wait` for the first. When the caller's future is dropped, what was
    /// taken meanwhile returns to the queue.
    pub async fn receive(
        &self,
        max: usize,
        wait: Duration,
        lease: Option<Duration>,
        auto_ack: bool,
    ) -> Result<Vec<QueueDelivery>, Refusal> {
        self.allow(Act::Consume)?;
        let max = max.max(1);
        let terms = Terms { acks: Acks::Leader, weight: 256 + max * SETTLE_WEIGHT, room: Room::Reserved };
        let lease = lease_for(lease, auto_ack);
        let name = self.name.clone();
        if wait.is_zero() {
            let take = move |turn: &mut Turn<'_>| {
                turn.engines.check_is_shared(&name)?;
                // As for those who wait: what a consumer is to get alone, nobody else takes.
                if turn.engines.queue.queue_options(&name)?.single_active_consumer {
                    return Err(QueueError::SingleActive(name).into());
                }
                let taken = turn.engines.queue.receive(turn.journal.block(), &name, max, lease, turn.now)?;
                turn.engines.vitals.count_deliveries(&taken);
                Ok::<_, Refusal>(taken)
            };
            let taken = self.shard.call(terms, take).await??;
            return Ok(taken.into_iter().map(QueueDelivery::from).collect());
        }
        let options =
            ConsumerOptions { credit_messages: max as u64, lease, once: true, ..ConsumerOptions::default() };
        let mut once = self.open(terms, options, None).await?;
        let got = tokio::select! {
            biased;
            got = once.inlet.recv() => got,
            () = tokio::time::sleep(wait) => once.give_up().await,
            () = self.draining.cancelled() => once.give_up().await,
        };
        once.open = false;
        Ok(got.unwrap_or_default().into_iter().map(QueueDelivery::from).collect())
    }

    /// Opens a subscription: messages come as credit allows.
    pub async fn subscribe(&self, options: SubscribeOptions) -> Result<QueueSubscription, Refusal> {
        self.subscribe_as(options, "a subscription").await
    }

    /// The same with a name for whoever looks at the messages that it holds.
    pub async fn subscribe_as(
        &self,
        options: SubscribeOptions,
        holder: &str,
    ) -> Result<QueueSubscription, Refusal> {
        self.allow(Act::Consume)?;
        let weight = 256 + (options.credit_messages as usize).min(MOST_AT_ONCE) * SETTLE_WEIGHT;
        let terms = Terms { acks: Acks::Leader, weight, room: Room::Reserved };
        let options = ConsumerOptions {
            credit_messages: u64::from(options.credit_messages),
            credit_bytes: Some(options.credit_bytes),
            lease: match options.hold {
                Hold::Nothing => LeaseFor::AutoAck,
                Hold::QueueTime => LeaseFor::QueueDefault,
                Hold::For(lease) => LeaseFor::Duration(lease),
                Hold::UntilSettled(_) => LeaseFor::UntilSettled,
            },
            timeout: if let Hold::UntilSettled(timeout) = options.hold { timeout } else { None },
            once: false,
            priority: options.priority,
            exclusive: options.exclusive,
            ..ConsumerOptions::default()
        };
        self.open(terms, options, Some(holder.into())).await
    }

    async fn open(
        &self,
        terms: Terms,
        options: ConsumerOptions,
        holder: Option<Arc<str>>,
    ) -> Result<QueueSubscription, Refusal> {
        let (deliveries, inlet) = mpsc::unbounded_channel();
        let ended = Arc::default();
        let outlet = Outlet::Own { deliveries, ended: Arc::clone(&ended), once: options.once };
        let name = self.name.clone();
        let subscribe = move |turn: &mut Turn<'_>| {
            turn.engines.check_is_shared(&name)?;
            let consumer = turn.engines.queue.subscribe(turn.journal.block(), &name, options, turn.now)?;
            turn.engines.outlets.insert(consumer, outlet);
            holder.into_iter().for_each(|holder| turn.engines.outlets.name(consumer, holder));
            Ok::<_, Refusal>(consumer)
        };
        let consumer = self.shard.call(terms, subscribe).await??;
        Ok(QueueSubscription { consumer, inlet, ended, shard: self.shard.clone(), open: true })
    }

    /// Looks at messages without taking them, in order of id, from after `after` on.
    pub async fn browse(&self, after: Option<u64>, limit: usize) -> Result<Vec<QueueDelivery>, Refusal> {
        self.allow(Act::Consume)?;
        let name = self.name.clone();
        let look = move |turn: &mut Turn<'_>| {
            let page = turn.engines.queue.browse(&name, after.map(MessageId), limit, BROWSE_BYTES)?;
            page.messages
                .into_iter()
                .map(|seen| turn.engines.shown(seen))
                .collect::<Result<Vec<_>, Refusal>>()
        };
        self.shard.call(LOOK, look).await?
    }

    /// Looks at one message.
    pub async fn get(&self, id: u64) -> Result<QueueDelivery, Refusal> {
        self.allow(Act::Consume)?;
        let name = self.name.clone();
        let look = move |turn: &mut Turn<'_>| {
            let seen = turn.engines.queue.get(&name, MessageId(id))?;
            turn.engines.shown(seen)
        };
        self.shard.call(LOOK, look).await?
    }

    /// Deletes one message, whoever holds it.
    pub async fn delete_message(&self, id: u64) -> Result<(), Refusal> {
        self.allow(Act::RemoveMessages)?;
        let queue = self.clone();
        let delete = move |turn: &mut Turn<'_>| {
            let name = &queue.name;
            turn.engines.check_is_shared(name)?;
            turn.engines.queue.delete_message(turn.journal.block(), name, MessageId(id))?;
            queue.did(Deed::DeleteMessage, &format!("message {id} of queue {name}"));
            Ok(())
        };
        self.shard.call(Terms { acks: Acks::All, weight: 256, room: Room::Reserved }, delete).await?
    }

    /// Deletes every ready message and answers how many there were.
    pub async fn purge(&self) -> Result<u64, Refusal> {
        self.allow(Act::Purge)?;
        let mut purged = 0;
        loop {
            let queue = self.clone();
            let purge = move |turn: &mut Turn<'_>| {
                let name = &queue.name;
                turn.engines.check_is_shared(name)?;
                let step = turn.engines.queue.purge_queue(turn.journal.block(), name, turn.now)?;
                if purged == 0 {
                    queue.did(Deed::PurgeQueue, &format!("queue {name}"));
                }
                Ok::<_, Refusal>(step)
            };
            let step = self
                .shard
                .call(Terms { acks: Acks::All, weight: 64 << 10, room: Room::Reserved }, purge)
                .await??;
            purged += step.messages;
            if step.complete {
                return Ok(purged);
            }
        }
    }
}

fn lease_for(lease: Option<Duration>, auto_ack: bool) -> LeaseFor {
    match (auto_ack, lease) {
        (true, _) => LeaseFor::AutoAck,
        (false, Some(lease)) => LeaseFor::Duration(lease),
        (false, None) => LeaseFor::QueueDefault,
    }
}

/// An open subscription. Dropping it closes it, and what it holds unsettled returns to the queue.
pub struct QueueSubscription {
    consumer: ConsumerId,
    inlet: mpsc::UnboundedReceiver<Vec<Delivery>>,
    ended: Arc<OnceLock<Ended>>,
    shard: ShardHandle,
    /// Whether there is anything left to give back.
    open: bool,
}

impl QueueSubscription {
    /// The next deliveries; `None` once the queue is gone.
    pub async fn next(&mut self) -> Option<Vec<QueueDelivery>> {
        let run = self.inlet.recv().await?;
        Some(run.into_iter().map(QueueDelivery::from).collect())
    }

    /// The same as [`QueueSubscription::next`] for a task that waits for many things at once.
    pub fn poll_next(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Vec<QueueDelivery>>> {
        self.inlet.poll_recv(cx).map(|run| Some(run?.into_iter().map(QueueDelivery::from).collect()))
    }

    /// Why no more comes, once nothing does.
    #[must_use]
    pub fn end(&self) -> Refusal {
        let (code, why) = match self.ended.get() {
            Some(Ended::TimedOut) => {
                let why = "a message was kept for longer than the consumer timeout and went back to the queue; \
                           settle in time, or subscribe with a longer one";
                (ErrorCode::TimedOut, why)
            }
            Some(Ended::QueueDeleted | Ended::Fed) | None => {
                (ErrorCode::UnknownTopic, "the queue was deleted, or the server goes down")
            }
        };
        Refusal::new(code, why)
    }

    /// Allows more messages and bytes.
    pub fn credit(&self, messages: u32, bytes: u64) {
        let consumer = self.consumer;
        let deliveries = (messages as usize).min(MOST_AT_ONCE);
        // A subscription that ended meanwhile needs no credit.
        self.shard.post(deliveries * SETTLE_WEIGHT, move |turn| {
            let _ = turn.engines.queue.add_credit(
                turn.journal.block(),
                consumer,
                messages.into(),
                bytes,
                turn.now,
            );
        });
    }

    /// Takes up to `most` ready messages at once, beside its credit.
    pub(crate) async fn take_ready(&self, most: usize) -> Result<Vec<QueueDelivery>, Refusal> {
        let (consumer, most) = (self.consumer, most.min(MOST_AT_ONCE));
        let terms = Terms { acks: Acks::Leader, weight: 256 + most * SETTLE_WEIGHT, room: Room::Reserved };
        let take = move |turn: &mut Turn<'_>| {
            let taken = turn.engines.queue.receive_for(turn.journal.block(), consumer, most, turn.now)?;
            turn.engines.vitals.count_deliveries(&taken);
            Ok::<_, Refusal>(taken)
        };
        let taken = self.shard.call(terms, take).await??;
        Ok(taken.into_iter().map(QueueDelivery::from).collect())
    }

    /// Replaces what is left of its credit. Once it has none, everything that was pushed is there to be taken.
    pub(crate) async fn allow(&self, messages: u32) -> Result<(), Refusal> {
        let consumer = self.consumer;
        let weight = 256 + (messages as usize).min(MOST_AT_ONCE) * SETTLE_WEIGHT;
        let change = move |turn: &mut Turn<'_>| {
            let (queue, block) = (&mut turn.engines.queue, turn.journal.block());
            Ok(queue.set_credit(block, consumer, u64::from(messages), None, turn.now)?)
        };
        self.shard.call(Terms { weight, ..LOOK }, change).await?.map_err(|_: Refusal| self.end())?;
        if messages == 0 {
            // What the same group of commands assigned leaves only after its answers.
            self.shard.call(LOOK, |_: &mut Turn<'_>| ()).await?;
        }
        Ok(())
    }

    /// What was pushed and not taken yet.
    pub(crate) fn pushed(&mut self) -> Vec<QueueDelivery> {
        let mut pushed = Vec::new();
        while let Ok(run) = self.inlet.try_recv() {
            pushed.extend(run.into_iter().map(QueueDelivery::from));
        }
        pushed
    }

    /// Nothing is assigned until `resume`.
    pub fn pause(&self) {
        let consumer = self.consumer;
        self.shard.post(0, move |turn| {
            let _ = turn.engines.queue.pause(turn.journal.block(), consumer, turn.now);
        });
    }

    /// Assigns again.
    pub fn resume(&self) {
        let consumer = self.consumer;
        self.shard.post(MOST_AT_ONCE * SETTLE_WEIGHT, move |turn| {
            let _ = turn.engines.queue.resume(turn.journal.block(), consumer, turn.now);
        });
    }

    /// Closes it; the same as dropping it.
    pub fn close(self) {}
}

impl QueueSubscription {
    /// Ends a wait. What was assigned before the owner heard of it still counts.
    async fn give_up(&mut self) -> Option<Vec<Delivery>> {
        let consumer = self.consumer;
        let terms = Terms { acks: Acks::Leader, weight: 256, room: Room::Reserved };
        let cancel = move |turn: &mut Turn<'_>| turn.engines.cancel(turn.journal.block(), consumer, turn.now);
        // When the owner is gone, so is everything that it could have assigned.
        let _ = self.shard.call(terms, cancel).await;
        self.inlet.try_recv().ok()
    }
}

impl Drop for QueueSubscription {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        self.inlet.close();
        let mut unread = Vec::new();
        while let Ok(run) = self.inlet.try_recv() {
            unread.extend(run.into_iter().filter_map(|delivery| delivery.lease));
        }
        let consumer = self.consumer;
        self.shard.post((MOST_AT_ONCE + unread.len()) * SETTLE_WEIGHT, move |turn| {
            turn.engines.cancel(turn.journal.block(), consumer, turn.now);
            turn.engines.give_back(turn.journal.block(), &unread, turn.now);
        });
    }
}
