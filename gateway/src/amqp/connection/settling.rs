use super::Connection;
use super::channel::Mode;
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::unsettled::Pending;
use crate::amqp::wire::{Method, Reply};
use crate::topics::session::{Action, ChannelKey, Operation, Settlement};

impl Connection {
    /// `basic.ack`, `nack`, `reject` and `recover`.
    pub(super) fn settle(&mut self, number: u16, method: &Method<'_>) -> Result<(), AmqpError> {
        let settlement = |requeue| if requeue { Settlement::Requeue } else { Settlement::Discard };
        match *method {
            Method::Ack { tag, multiple } => self.settle_tags(number, tag, multiple, Settlement::Ack),
            Method::Nack { tag, multiple, requeue } => {
                self.settle_tags(number, tag, multiple, settlement(requeue))
            }
            Method::Reject { tag, requeue: true } => self.settle_tags(number, tag, false, Settlement::Fail),
            Method::Reject { tag, requeue: false } => {
                self.settle_tags(number, tag, false, Settlement::Discard)
            }
            Method::Recover { requeue: false, .. } => {
                Err(AmqpError::new(ReplyCode::NotImplemented, "requeue=false"))
            }
            Method::Recover { requeue: true, answered } => {
                self.settle_all(number, Settlement::Requeue);
                if answered {
                    self.say_in_order(number, Reply::RecoverOk);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn settle_tags(
        &mut self,
        number: u16,
        tag: u64,
        multiple: bool,
        settlement: Settlement,
    ) -> Result<(), AmqpError> {
        let Some(channel) = self.channels.get_mut(&number) else { return Ok(()) };
        let key = channel.key;
        let mut taken = Vec::new();
        match (tag, multiple) {
            // All, however many that are.
            (0, true) => channel.unsettled.take_through(u64::MAX, |pending| taken.push(pending)),
            (tag, true) if tag <= channel.next_delivery => {
                channel.unsettled.take_through(tag, |pending| taken.push(pending));
            }
            (tag, _) => match channel.unsettled.take(tag) {
                // The usual case needs no list.
                Some(pending) if !matches!(channel.mode, Mode::Transaction(_)) => {
                    self.settle_one(key, &pending, settlement);
                    return Ok(());
                }
                Some(pending) => taken.push(pending),
                None => {}
            },
        }
        if taken.is_empty() && !(tag == 0 && multiple) {
            let text = format!("unknown delivery tag {tag}");
            return Err(AmqpError::new(ReplyCode::PreconditionFailed, text));
        }
        if let Mode::Transaction(transaction) = &mut channel.mode {
            taken.into_iter().for_each(|pending| transaction.settle(pending, settlement));
        } else {
            taken.iter().for_each(|pending| self.settle_one(key, pending, settlement));
        }
        Ok(())
    }

    fn settle_all(&mut self, number: u16, settlement: Settlement) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let key = channel.key;
        let mut taken = Vec::with_capacity(channel.unsettled.len());
        channel.unsettled.take_through(u64::MAX, |pending| taken.push(pending));
        taken.iter().for_each(|pending| self.settle_one(key, pending, settlement));
    }

    fn settle_one(&mut self, key: ChannelKey, pending: &Pending, settlement: Settlement) {
        if let Some(lease) = pending.lease {
            match self.work.last_mut() {
                Some(Operation { channel, action: Action::Settle(settles) }) if *channel == key => {
                    settles.push((lease, settlement));
                }
                _ => self.push(key, Action::Settle(vec![(lease, settlement)])),
            }
        }
        self.repay(pending);
    }

    /// Notes that a reader of a log has one record less to deal with.
    pub(super) fn repay(&mut self, pending: &Pending) {
        if let (None, Some(consumer)) = (pending.lease, pending.consumer) {
            *self.repaid.entry(consumer).or_default() += 1;
        }
    }
}
