use std::time::Instant;

use super::Connection;
use super::channel::{Confirms, Mode};
use super::transactions::Transaction;
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::wire::{Method, MethodId, Reply};

impl Connection {
    /// A method on an open channel.
    pub(super) fn handle_method(&mut self, now: Instant, number: u16, id: MethodId, method: &Method<'_>) {
        let handled = match method {
            Method::Publish { .. } => {
                self.begin_publish(now, number, method);
                Ok(())
            }
            Method::Ack { .. } | Method::Nack { .. } | Method::Reject { .. } | Method::Recover { .. } => {
                self.settle(number, method)
            }
            Method::Qos { .. } | Method::Consume { .. } | Method::Cancel { .. } | Method::Get { .. } => {
                self.handle_consuming(number, id, method)
            }
            Method::ExchangeDeclare { .. }
            | Method::ExchangeDelete { .. }
            | Method::ExchangeBind(_)
            | Method::ExchangeUnbind(_)
            | Method::QueueDeclare { .. }
            | Method::QueueBind(_)
            | Method::QueueUnbind(_)
            | Method::QueuePurge { .. }
            | Method::QueueDelete { .. } => self.handle_topology(number, id, method),
            Method::ConfirmSelect { nowait } => self.select_confirms(number, *nowait),
            Method::TxSelect => self.select_transactions(number),
            Method::TxCommit => self.commit(number),
            Method::TxRollback => self.roll_back(number),
            Method::ChannelOpen => Err(AmqpError::new(ReplyCode::ChannelError, "second 'channel.open' seen")),
            Method::ChannelClose { .. } => {
                self.leave_channel(number);
                Ok(())
            }
            Method::Flow { active: true } => {
                self.say_in_order(number, Reply::FlowOk { active: true });
                Ok(())
            }
            Method::Flow { active: false } => Err(AmqpError::new(ReplyCode::NotImplemented, "active=false")),
            Method::AccessRequest => {
                self.say_in_order(number, Reply::AccessRequestOk);
                Ok(())
            }
            // Answers to what is sent without waiting for an answer.
            Method::CancelOk | Method::FlowOk => Ok(()),
            Method::ChannelCloseOk
            | Method::StartOk { .. }
            | Method::SecureOk { .. }
            | Method::TuneOk { .. }
            | Method::ConnectionOpen { .. }
            | Method::ConnectionClose { .. }
            | Method::ConnectionCloseOk
            | Method::UpdateSecret { .. } => {
                Err(AmqpError::new(ReplyCode::CommandInvalid, "unimplemented method"))
            }
        };
        if let Err(error) = handled {
            self.fail_in_order(now, number, error.of(id));
        }
    }

    fn select_confirms(&mut self, number: u16, nowait: bool) -> Result<(), AmqpError> {
        let Some(channel) = self.channels.get_mut(&number) else { return Ok(()) };
        match channel.mode {
            Mode::Transaction(_) => {
                let text = "cannot switch from tx to confirm mode";
                return Err(AmqpError::new(ReplyCode::PreconditionFailed, text));
            }
            Mode::Confirm(_) => {}
            Mode::Plain => channel.mode = Mode::Confirm(Confirms::default()),
        }
        if !nowait {
            self.say_in_order(number, Reply::ConfirmSelectOk);
        }
        Ok(())
    }

    fn select_transactions(&mut self, number: u16) -> Result<(), AmqpError> {
        let Some(channel) = self.channels.get_mut(&number) else { return Ok(()) };
        match channel.mode {
            Mode::Confirm(_) => {
                let text = "cannot switch from confirm to tx mode";
                return Err(AmqpError::new(ReplyCode::PreconditionFailed, text));
            }
            Mode::Transaction(_) => {}
            Mode::Plain => channel.mode = Mode::Transaction(Transaction::default()),
        }
        self.say_in_order(number, Reply::TxSelectOk);
        Ok(())
    }
}
