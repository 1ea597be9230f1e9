use std::sync::Arc;

use queue_engine::{LeaseToken, Settle, SettleAction};
use tokio::sync::OwnedSemaphorePermit;

use super::commit;
use super::link::{Book, Link};
use super::operation::{
    Action, ChannelKey, ConsumerNumber, Durability, Operation, Publish, Request, Settlement,
};
use super::outcome::{Outcome, Published, SessionEvent};
use super::publishing::{self, RUN_BYTES};
use super::replies::Reply;
use super::requests;
use crate::refusal::Refusal;
use crate::topics::outgoing::Acks;
use crate::topics::queue_topic::SETTLE_WEIGHT;
use crate::topics::shard::{Command, Terms, Turn};
use crate::topics::vitals::Vitals;
use crate::topics::{Lease, Topics};

/// Everything that a session read from its client at a time, as one entry of the owner's inbox.
pub(super) struct Batch {
    terms: Terms,
    operations: Vec<Operation>,
    outcomes: Vec<(ChannelKey, Outcome)>,
    /// Replies that go straight to who asked.
    replies: Vec<Reply>,
    link: Arc<Link>,
    topics: Topics,
    _permit: OwnedSemaphorePermit,
}

/// What a batch asks of the owner beforehand.
pub(super) struct Weight {
    pub(super) bytes: usize,
    pub(super) acks: Acks,
}

impl Weight {
    pub(super) fn of(operations: &[Operation]) -> Weight {
        let bytes = 256 + operations.iter().map(|operation| bytes(&operation.action)).sum::<usize>();
        let acks = Weight::strictest(operations.iter().map(|operation| durability(&operation.action)));
        Weight { bytes, acks }
    }
}

fn bytes(action: &Action) -> usize {
    match action {
        Action::Publish(publish) => publishing::weight(publish),
        Action::Settle(settles) => settles.len() * SETTLE_WEIGHT,
        Action::Credit { .. } => SETTLE_WEIGHT,
        Action::RefusedPublish(_) => 0,
        Action::Ask(_) => 4096,
        Action::Commit(steps) => steps.iter().map(bytes).sum(),
        Action::CloseChannel { leases } => 256 + leases.len() * SETTLE_WEIGHT,
    }
}

fn durability(action: &Action) -> Durability {
    match action {
        Action::Publish(publish) => publish.durability,
        Action::RefusedPublish(_)
        | Action::Settle(_)
        | Action::Credit { .. }
        | Action::CloseChannel { .. } => Durability::None,
        Action::Ask(request) => match request.as_ref() {
            Request::DeclareQueue(declaration) if declaration.passive || !declaration.durable => {
                Durability::Cache
            }
            Request::DeclareExchange(declaration) if declaration.passive || !declaration.durable => {
                Durability::Cache
            }
            Request::DeclareQueue(_)
            | Request::DeclareExchange(_)
            | Request::DeleteQueue { .. }
            | Request::DeleteExchange { .. }
            | Request::PurgeQueue { .. }
            | Request::Bind(_)
            | Request::Unbind(_) => Durability::Disk,
            Request::Consume(_)
            | Request::Cancel { .. }
            | Request::Get { .. }
            | Request::LimitChannel { .. }
            | Request::TakeReplies { .. }
            | Request::LeaveReplies
            | Request::EndOwner
            | Request::Barrier => Durability::Cache,
        },
        // What was committed is there for good.
        Action::Commit(_) => Durability::Disk,
    }
}

impl Batch {
    /// Journal bytes that are made sure of before a batch is begun; each of its steps makes sure of its own.
    pub(super) const ROOM: usize = 64 << 10;

    pub(super) fn new(
        terms: Terms,
        operations: Vec<Operation>,
        link: Arc<Link>,
        topics: Topics,
        permit: OwnedSemaphorePermit,
    ) -> Batch {
        Batch { terms, operations, outcomes: Vec::new(), replies: Vec::new(), link, topics, _permit: permit }
    }

    fn carry_out(&mut self, turn: &mut Turn<'_>, book: &mut Book) {
        let link = Arc::clone(&self.link);
        let mut operations = std::mem::take(&mut self.operations).into_iter();
        // How many operations are left whose queues were looked at.
        let mut foreseen = 0_usize;
        while let Some(Operation { channel, action }) = operations.next() {
            foreseen = foreseen.saturating_sub(1);
            if let Action::CloseChannel { leases } = &action {
                book.close_channel(turn, channel, leases);
                continue;
            }
            if book.ended || book.failed.contains(&channel) {
                if has_outcome(&action) {
                    self.outcomes.push((channel, Outcome::Skipped));
                }
                continue;
            }
            match action {
                Action::Publish(first) => {
                    if foreseen == 0 {
                        foreseen = publishing::foresee(turn, link.names(&self.topics), operations.as_slice());
                    }
                    let mut size = publishing::weight(&first);
                    let mut run = vec![first];
                    while operations
                        .as_slice()
                        .first()
                        .is_some_and(|next| continues(&run, size, next, channel))
                        && let Some(Operation { action: Action::Publish(publish), .. }) = operations.next()
                    {
                        size += publishing::weight(&publish);
                        run.push(publish);
                    }
                    foreseen = foreseen.saturating_sub(run.len() - 1);
                    let published =
                        publishing::publish(turn, link.names(&self.topics), run, &mut self.replies);
                    if published.fatal.is_some() {
                        book.failed.insert(channel);
                    }
                    self.outcomes.push((channel, Outcome::Published(published)));
                }
                Action::RefusedPublish(error) => {
                    book.failed.insert(channel);
                    let published = Published { fatal: Some(*error), ..Published::default() };
                    self.outcomes.push((channel, Outcome::Published(published)));
                }
                Action::Settle(settles) => settle(turn, book, &settles),
                Action::Credit { consumer, messages, bytes } => credit(turn, book, consumer, messages, bytes),
                Action::Ask(request) => {
                    let asked = requests::carry_out(&self.topics, turn, book, &self.link, channel, *request);
                    if asked.is_err() {
                        book.failed.insert(channel);
                    }
                    self.outcomes.push((channel, Outcome::Asked(asked)));
                }
                Action::Commit(steps) => {
                    let names = link.names(&self.topics);
                    let committed = commit::commit(turn, names, book, steps, &mut self.replies);
                    if committed.is_err() {
                        book.failed.insert(channel);
                    }
                    self.outcomes.push((channel, Outcome::Committed(committed)));
                }
                Action::CloseChannel { .. } => {}
            }
        }
    }
}

/// Messages that are dropped with their channel are nobody's concern; requests are waited for.
fn has_outcome(action: &Action) -> bool {
    matches!(action, Action::Ask(_) | Action::Commit(_))
}

/// Whether the next operation is a publish that can go with the run: same way, same channel, and not too much at once.
fn continues(run: &[Publish], size: usize, next: &Operation, channel: ChannelKey) -> bool {
    let (Action::Publish(publish), Some(first)) = (&next.action, run.first()) else { return false };
    next.channel == channel
        && size + publishing::weight(publish) <= RUN_BYTES
        && publish.exchange == first.exchange
        && publish.routing_key == first.routing_key
}

fn settle(turn: &mut Turn<'_>, book: &mut Book, settles: &[(Lease, Settlement)]) {
    for stretch in settles.chunks(1024) {
        if turn.ensure(512 + stretch.len() * SETTLE_WEIGHT).is_err() {
            // Unsettled as they are, they come again; a settled message that comes twice is what AMQP allows for.
            return;
        }
        let settles: Vec<Settle> = stretch.iter().map(engine_form).collect();
        if !book.taken.is_empty() {
            for settle in &settles {
                book.taken.remove(&settle.lease);
            }
        }
        let outcomes = turn.engines.queue.settle(turn.journal.block(), &settles, turn.now);
        let acked = outcomes.iter().filter(|outcome| matches!(outcome, Ok(queue_engine::Settled::Acked)));
        Vitals::count(&turn.engines.vitals.acknowledged, acked.count());
    }
}

/// A settlement in the engine's words.
pub(super) fn engine_form((lease, settlement): &(Lease, Settlement)) -> Settle {
    let action = match settlement {
        Settlement::Ack => SettleAction::Ack,
        Settlement::Requeue => SettleAction::Nack { delay: std::time::Duration::ZERO },
        Settlement::Fail => SettleAction::Fail,
        Settlement::Discard => SettleAction::Reject,
    };
    Settle { lease: LeaseToken::from(*lease), action }
}

fn credit(turn: &mut Turn<'_>, book: &Book, consumer: ConsumerNumber, messages: u64, bytes: u64) {
    let Some(one) = book.consumers.get(&consumer) else { return };
    if turn.ensure(Batch::ROOM).is_ok() {
        // A subscription that ended meanwhile needs no credit.
        let _ = turn.engines.queue.add_credit(turn.journal.block(), one.id, messages, bytes, turn.now);
    }
}

impl Command for Batch {
    fn terms(&self) -> Terms {
        self.terms
    }

    fn apply(&mut self, turn: &mut Turn<'_>) {
        let link = Arc::clone(&self.link);
        link.with_book(|book| self.carry_out(turn, book));
    }

    fn release(self: Box<Self>) {
        let Batch { link, outcomes, replies, .. } = *self;
        replies.into_iter().for_each(Reply::send);
        link.tell(SessionEvent::Done { outcomes });
    }

    fn refuse(self: Box<Self>, refusal: Refusal) {
        self.link.tell(SessionEvent::Failed(refusal));
    }
}
