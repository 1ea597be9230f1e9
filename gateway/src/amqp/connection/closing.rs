use std::time::{Duration, Instant};

use super::answers::Expect;
use super::channel::{ChannelState, Mode};
use super::{Connection, Effect, Phase};
use crate::amqp::error::AmqpError;
use crate::amqp::wire::{MethodId, Reply};
use crate::topics::Lease;
use crate::topics::session::{Action, Request};

/// A client that could not log in, or sends what is no frame, is let go only after this, so that it cannot try again and
/// again at full speed.
const PENALTY: Duration = Duration::from_secs(1);

impl Connection {
    /// A violation that the connection does not survive.
    pub(super) fn fail(&mut self, now: Instant, error: AmqpError) {
        if matches!(self.phase, Phase::Closing(_) | Phase::Over(_)) {
            return;
        }
        let AmqpError { code, text, fault } = error;
        self.say(0, &Reply::ConnectionClose { code: code.number(), text: &text, fault });
        self.phase = Phase::Closing(now + self.terms.limits.closing);
        self.handshake_due = None;
        self.release();
    }

    /// A violation of one channel's, or of the connection's if it is that grave.
    pub(super) fn fail_channel(&mut self, now: Instant, number: u16, error: AmqpError) {
        if error.code.closes_connection() {
            return self.fail(now, error);
        }
        let Some(channel) = self.channels.get_mut(&number) else { return };
        if !channel.can_hear() {
            return;
        }
        channel.state = ChannelState::Closing;
        let AmqpError { code, text, fault } = error;
        self.say(number, &Reply::ChannelClose { code: code.number(), text: &text, fault });
        self.let_go(number);
    }

    /// The same, once everything that the channel asked before is answered.
    pub(super) fn fail_in_order(&mut self, now: Instant, number: u16, error: AmqpError) {
        if self.is_quiet(number) {
            return self.fail_channel(now, number, error);
        }
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.state = ChannelState::Failing;
        }
        self.ask(number, MethodId::NONE, Expect::Fail(error), Request::Barrier);
    }

    /// The client closes a channel: it is told when everything that it asked before is done.
    pub(super) fn leave_channel(&mut self, number: u16) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        channel.state = ChannelState::Leaving;
        self.let_go(number);
        self.ask(number, MethodId::NONE, Expect::ChannelCloseOk, Request::Barrier);
    }

    /// Ends a channel's subscriptions and returns what it holds.
    fn let_go(&mut self, number: u16) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let key = channel.key;
        let mut leases: Vec<Lease> = Vec::with_capacity(channel.unsettled.len());
        channel.unsettled.take_through(u64::MAX, |pending| leases.extend(pending.lease));
        let mut freed = channel.incoming.take().map_or(0, |incoming| incoming.size());
        if let Mode::Transaction(transaction) = std::mem::take(&mut channel.mode) {
            freed += transaction.bytes();
            leases.extend(transaction.leases());
        }
        channel.replies = None;
        let consumers: Vec<_> = channel.consumers.drain().map(|(_, consumer)| consumer).collect();
        channel.memory = Default::default();
        self.assembling -= freed;
        for consumer in consumers {
            self.forget_consumer(&consumer);
        }
        self.push(key, Action::CloseChannel { leases });
    }

    /// The client closes the connection: it is told when everything that it asked before is done.
    pub(super) fn leave(&mut self) {
        self.phase = Phase::Leaving;
        let numbers: Vec<u16> = self.channels.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.let_go(number));
        self.channels.clear();
        let key = self.next_key();
        self.await_answer(0, key, MethodId::NONE, Expect::ConnectionCloseOk);
        // What the connection owns is gone before it is told goodbye.
        self.push(key, Action::Ask(Box::new(Request::EndOwner)));
    }

    /// Gives everything back that the connection holds.
    fn release(&mut self) {
        if std::mem::replace(&mut self.released, true) {
            return;
        }
        self.assembling = 0;
        self.work.clear();
        self.awaited.clear();
        self.effects.push_back(Effect::Release);
    }

    /// Everything that a channel holds, for whoever ends the session.
    pub fn take_leases(&mut self) -> Vec<Lease> {
        let mut leases = Vec::new();
        for channel in self.channels.values_mut() {
            channel.unsettled.take_through(u64::MAX, |pending| leases.extend(pending.lease));
            if let Mode::Transaction(transaction) = &channel.mode {
                leases.extend(transaction.leases());
            }
        }
        self.channels.clear();
        leases
    }

    /// What is written goes out; then the socket closes.
    pub(super) fn end(&mut self) {
        self.phase = Phase::Over(None);
        self.handshake_due = None;
        self.release();
    }

    /// The same, after a while.
    pub(super) fn end_slowly(&mut self, now: Instant) {
        self.end();
        self.phase = Phase::Over(Some(now + PENALTY));
    }
}
