use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use message::HeaderTable;

use super::Connection;
use super::content::{Incoming, PublishMemory};
use super::transactions::Transaction;
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::stream_filter::StreamFilter;
use crate::amqp::unsettled::Unsettled;
use crate::amqp::wire::{Method, MethodId, Reply};
use crate::topics::session::{ChannelKey, ConsumerNumber};

/// How far a channel's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelState {
    /// Everything goes.
    Open,
    /// It made a mistake and is closed as soon as what it asked before is answered.
    Failing,
    /// A close was sent; nothing but its answer matters.
    Closing,
    /// The client closed it; what it asked before is being finished.
    Leaving,
}

/// One channel of a connection.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) key: ChannelKey,
    /// The last batch that holds something of this channel that is answered.
    pub(super) busy_until: u64,
    /// Where replies to the channel's own requests go, while it takes some: the address and the subscription's tag.
    pub(super) replies: Option<(Arc<str>, Arc<str>)>,
    pub(super) state: ChannelState,
    /// A message that is not complete yet.
    pub(super) incoming: Option<Box<Incoming>>,
    pub(super) memory: PublishMemory,
    pub(super) mode: Mode,
    /// Prefetch of subscriptions to come; 0 is none.
    pub(super) prefetch: u16,
    /// Prefetch of all subscriptions together; 0 is none.
    pub(super) shared_prefetch: u16,
    /// Messages that came in.
    pub(super) published: u64,
    pub(super) unsettled: Unsettled,
    pub(super) next_delivery: u64,
    pub(super) consumers: HashMap<Arc<str>, Consumer>,
    /// The queue that an empty name means.
    pub(super) last_queue: Option<Arc<str>>,
}

/// What a channel promises to publishers.
#[derive(Debug, Default)]
pub(super) enum Mode {
    /// Nothing.
    #[default]
    Plain,
    /// To say what became of each message.
    Confirm(Confirms),
    /// To carry out all or nothing.
    Transaction(Transaction),
}

/// Publishes are numbered from 1; answers come in the same order.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    /// How many came in.
    pub(super) begun: u64,
    /// How many were answered, or will be with this round.
    pub(super) done: u64,
    /// How many were written.
    pub(super) written: u64,
}

/// A subscription of a channel.
#[derive(Clone, Debug)]
pub(super) struct Consumer {
    pub(super) number: ConsumerNumber,
    pub(super) no_ack: bool,
    /// Most unsettled messages; 0 is no bound of the client's.
    pub(super) prefetch: u32,
    /// Bytes of credit that it was given.
    pub(super) window_bytes: u64,
    /// Whether it reads a log.
    pub(super) is_log: bool,
    /// Whether the client cancelled it: what is under way still reaches it, credit does not.
    pub(super) cancelled: bool,
    /// What it was begun with.
    pub(super) about: Box<About>,
}

/// What a subscription was begun with.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) queue: String,
    pub(super) exclusive: bool,
    pub(super) arguments: HeaderTable,
    /// Which records it wants, if it reads a log.
    pub(super) filter: Option<Arc<StreamFilter>>,
}

impl Channel {
    fn new(key: ChannelKey) -> Channel {
        Channel {
            key,
            busy_until: 0,
            replies: None,
            state: ChannelState::Open,
            incoming: None,
            memory: PublishMemory::default(),
            mode: Mode::Plain,
            prefetch: 0,
            shared_prefetch: 0,
            published: 0,
            unsettled: Unsettled::default(),
            next_delivery: 0,
            consumers: HashMap::new(),
            last_queue: None,
        }
    }

    /// The error for a frame that does not continue the message that is coming in.
    pub(super) fn unexpected(&self) -> AmqpError {
        let text = match &self.incoming {
            None => "expected method frame, got non method frame instead",
            Some(incoming) if incoming.has_header() => {
                "expected content body, got non content body frame instead"
            }
            Some(_) => "expected content header for class 60, got non content header frame instead",
        };
        let error = AmqpError::new(ReplyCode::UnexpectedFrame, text);
        if self.incoming.is_some() { error.of(MethodId { class: 60, method: 40 }) } else { error }
    }

    /// Whether its client still hears answers.
    pub(super) fn can_hear(&self) -> bool {
        matches!(self.state, ChannelState::Open | ChannelState::Failing)
    }

    pub(super) fn next_delivery(&mut self) -> u64 {
        self.next_delivery += 1;
        self.next_delivery
    }
}

impl Connection {
    /// A method on a channel that is not open: the only one that makes sense opens it.
    pub(super) fn open_channel(&mut self, now: Instant, number: u16, id: MethodId, method: &Method<'_>) {
        if *method != Method::ChannelOpen {
            let error = AmqpError::new(ReplyCode::ChannelError, "expected 'channel.open'");
            return self.fail(now, error.of(id));
        }
        let (open, most) = (self.channels.len(), self.channel_max);
        if most > 0 && open >= usize::from(most) {
            let text =
                format!("number of channels opened ({open}) has reached the negotiated channel_max ({most})");
            return self.fail(now, AmqpError::new(ReplyCode::NotAllowed, text).of(id));
        }
        let key = self.next_key();
        self.channels.insert(number, Box::new(Channel::new(key)));
        self.say(number, &Reply::ChannelOpenOk);
    }
}
