use std::sync::Arc;

use super::Connection;
use super::answers::Expect;
use super::consuming::table;
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::wire::{Binding as Wanted, Method, MethodId};
use crate::topics::session::{BindTo, Binding, ExchangeDeclaration, QueueDeclaration, Request};

/// Names that begin so are the broker's own.
const RESERVED: &str = "amq.";

impl Connection {
    /// Methods about exchanges, queues and bindings.
    pub(super) fn handle_topology(
        &mut self,
        number: u16,
        id: MethodId,
        method: &Method<'_>,
    ) -> Result<(), AmqpError> {
        match *method {
            Method::QueueDeclare { .. } => self.declare_queue(number, id, method),
            Method::ExchangeDeclare { .. } => self.declare_exchange(number, id, method),
            Method::ExchangeDelete { exchange, if_unused, nowait } => {
                let exchange = not_default(strip(exchange))?;
                if exchange.starts_with(RESERVED) {
                    let text = format!(
                        "deletion of system exchange '{exchange}' in vhost '{}' not allowed",
                        self.vhost
                    );
                    return Err(AmqpError::new(ReplyCode::AccessRefused, text));
                }
                let expect = Expect::ExchangeDeleteOk { nowait, exchange: exchange.clone() };
                self.ask(number, id, expect, Request::DeleteExchange { exchange, if_unused });
                Ok(())
            }
            Method::QueueBind(wanted) => {
                let binding = self.queue_binding(number, &wanted)?;
                let expect = Expect::QueueBindOk { nowait: wanted.nowait, binding: binding.clone() };
                self.ask(number, id, expect, Request::Bind(binding));
                Ok(())
            }
            Method::QueueUnbind(wanted) => {
                let binding = self.queue_binding(number, &wanted)?;
                let expect = Expect::QueueUnbindOk { binding: binding.clone() };
                self.ask(number, id, expect, Request::Unbind(binding));
                Ok(())
            }
            Method::ExchangeBind(wanted) => {
                let binding = exchange_binding(&wanted)?;
                let expect = Expect::ExchangeBindOk { nowait: wanted.nowait, binding: binding.clone() };
                self.ask(number, id, expect, Request::Bind(binding));
                Ok(())
            }
            Method::ExchangeUnbind(wanted) => {
                let binding = exchange_binding(&wanted)?;
                let expect = Expect::ExchangeUnbindOk { nowait: wanted.nowait, binding: binding.clone() };
                self.ask(number, id, expect, Request::Unbind(binding));
                Ok(())
            }
            Method::QueuePurge { queue, nowait } => {
                let queue = self.queue_name(number, queue)?;
                let expect = Expect::QueuePurgeOk { nowait, queue: queue.clone() };
                self.ask(number, id, expect, Request::PurgeQueue { queue });
                Ok(())
            }
            Method::QueueDelete { queue, if_unused, if_empty, nowait } => {
                let queue = self.queue_name(number, queue)?;
                let expect = Expect::QueueDeleteOk { nowait, queue: queue.clone(), if_empty };
                self.ask(number, id, expect, Request::DeleteQueue { queue, if_unused, if_empty });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn declare_queue(&mut self, number: u16, id: MethodId, method: &Method<'_>) -> Result<(), AmqpError> {
        let Method::QueueDeclare { queue, flags, arguments } = *method else { return Ok(()) };
        let arguments = table(arguments)?;
        let mut queue = strip(queue);
        let mut server_named = false;
        if queue.is_empty() {
            if flags.passive {
                queue = self.queue_name(number, "")?;
            } else {
                queue = self.make_up_name("amq.gen-");
                server_named = true;
            }
        }
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.last_queue = Some(Arc::from(queue.as_str()));
        }
        let declaration = QueueDeclaration {
            queue,
            passive: flags.passive,
            // A queue that ends with its connection outlives no restart, whatever was asked.
            durable: flags.durable,
            exclusive: flags.exclusive,
            auto_delete: flags.auto_delete,
            arguments,
            server_named,
        };
        let expect = Expect::QueueDeclareOk { nowait: flags.nowait, declaration: declaration.clone() };
        self.ask(number, id, expect, Request::DeclareQueue(declaration));
        Ok(())
    }

    fn declare_exchange(&mut self, number: u16, id: MethodId, method: &Method<'_>) -> Result<(), AmqpError> {
        let Method::ExchangeDeclare { exchange, kind, flags, arguments } = *method else { return Ok(()) };
        let exchange = not_default(strip(exchange))?;
        let declaration = ExchangeDeclaration {
            exchange,
            kind: kind.to_owned(),
            passive: flags.passive,
            durable: flags.durable,
            auto_delete: flags.auto_delete,
            internal: flags.internal,
            arguments: table(arguments)?,
        };
        let expect = Expect::ExchangeDeclareOk { nowait: flags.nowait, declaration: declaration.clone() };
        self.ask(number, id, expect, Request::DeclareExchange(declaration));
        Ok(())
    }

    /// The queue that a method names: the channel's last one where it names none.
    pub(super) fn queue_name(&self, number: u16, queue: &str) -> Result<String, AmqpError> {
        let queue = strip(queue);
        if !queue.is_empty() {
            return Ok(queue);
        }
        let last = self.channels.get(&number).and_then(|channel| channel.last_queue.as_deref());
        last.map(str::to_owned).ok_or_else(|| {
            let text = "no previously declared queue";
            AmqpError::new(ReplyCode::NotFound, text)
        })
    }

    fn queue_binding(&self, number: u16, wanted: &Wanted<'_>) -> Result<Binding, AmqpError> {
        let destination = self.queue_name(number, wanted.destination)?;
        // Where neither queue nor key is named, the last queue's name is the key too.
        let routing_key = if wanted.destination.is_empty() && wanted.routing_key.is_empty() {
            destination.clone()
        } else {
            wanted.routing_key.to_owned()
        };
        Ok(Binding {
            source: not_default(strip(wanted.source))?,
            to: BindTo::Queue,
            destination,
            routing_key,
            arguments: table(wanted.arguments)?,
        })
    }
}

fn exchange_binding(wanted: &Wanted<'_>) -> Result<Binding, AmqpError> {
    Ok(Binding {
        source: not_default(strip(wanted.source))?,
        to: BindTo::Exchange,
        destination: not_default(strip(wanted.destination))?,
        routing_key: wanted.routing_key.to_owned(),
        arguments: table(wanted.arguments)?,
    })
}

/// RabbitMQ takes line ends out of names rather than refusing them.
fn strip(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '\r' | '\n')).collect()
}

fn not_default(exchange: String) -> Result<String, AmqpError> {
    if exchange.is_empty() {
        let text = "operation not permitted on the default exchange";
        return Err(AmqpError::new(ReplyCode::AccessRefused, text));
    }
    Ok(exchange)
}
