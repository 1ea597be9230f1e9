use std::sync::Arc;
use std::time::Instant;

use super::channel::{ChannelState, Consumer, Mode};
use super::streams::Start;
use super::{Connection, Effect};
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::refusals::{self, Subject, Task};
use crate::amqp::unsettled::Pending;
use crate::amqp::wire::{MethodId, Reply, put_content};
use crate::topics::LogTopic;
use crate::topics::session::{
    Action, Answer, Binding, ChannelKey, ExchangeDeclaration, Outcome, PublishFailure, Published,
    QueueDeclaration, Request, SessionDelivery,
};

/// A request whose answer is due.
#[derive(Debug)]
pub(super) struct Awaited {
    number: u16,
    key: ChannelKey,
    id: MethodId,
    expect: Expect,
}

/// What is said when the answer is there, and what is needed to say it.
#[derive(Debug)]
pub(super) enum Expect {
    QueueDeclareOk {
        nowait: bool,
        declaration: QueueDeclaration,
    },
    ExchangeDeclareOk {
        nowait: bool,
        declaration: ExchangeDeclaration,
    },
    ExchangeDeleteOk {
        nowait: bool,
        exchange: String,
    },
    QueueBindOk {
        nowait: bool,
        binding: Binding,
    },
    QueueUnbindOk {
        binding: Binding,
    },
    ExchangeBindOk {
        nowait: bool,
        binding: Binding,
    },
    ExchangeUnbindOk {
        nowait: bool,
        binding: Binding,
    },
    QueuePurgeOk {
        nowait: bool,
        queue: String,
    },
    QueueDeleteOk {
        nowait: bool,
        queue: String,
        if_empty: bool,
    },
    ConsumeOk {
        tag: Arc<str>,
        nowait: bool,
        queue: String,
        start: Start,
    },
    CancelOk {
        tag: Arc<str>,
        nowait: bool,
    },
    Get {
        no_ack: bool,
        queue: String,
    },
    QosOk,
    /// What needs no answer of the owner's, said in its turn.
    Say(Reply<'static>),
    /// A mistake, told in its turn.
    Fail(AmqpError),
    TxCommitOk,
    ChannelCloseOk,
    ConnectionCloseOk,
}

impl Expect {
    /// What it is about, should it be refused.
    fn subject(&self) -> Subject<'_> {
        match self {
            Expect::QueueDeclareOk { declaration, .. } => Subject::queue(&declaration.queue),
            Expect::QueuePurgeOk { queue, .. } | Expect::ConsumeOk { queue, .. } => Subject::queue(queue),
            Expect::QueueDeleteOk { queue, if_empty, .. } => {
                Subject::queue(queue).to(Task::Delete { if_empty: *if_empty })
            }
            Expect::ExchangeDeclareOk { declaration, .. } => Subject::exchange(&declaration.exchange),
            Expect::ExchangeDeleteOk { exchange, .. } => {
                Subject::exchange(exchange).to(Task::Delete { if_empty: false })
            }
            Expect::QueueBindOk { binding, .. }
            | Expect::QueueUnbindOk { binding }
            | Expect::ExchangeBindOk { binding, .. }
            | Expect::ExchangeUnbindOk { binding, .. } => Subject::binding(binding),
            Expect::Get { queue, .. } => Subject::queue(queue).to(Task::Get),
            Expect::CancelOk { .. }
            | Expect::TxCommitOk
            | Expect::QosOk
            | Expect::Say(_)
            | Expect::Fail(_)
            | Expect::ChannelCloseOk
            | Expect::ConnectionCloseOk => Subject::queue(""),
        }
    }
}

impl Connection {
    /// Asks the owner for something that has an answer.
    pub(super) fn ask(&mut self, number: u16, id: MethodId, expect: Expect, request: Request) {
        let Some(key) = self.channels.get(&number).map(|channel| channel.key) else { return };
        self.await_answer(number, key, id, expect);
        self.push(key, Action::Ask(Box::new(request)));
    }

    pub(super) fn await_answer(&mut self, number: u16, key: ChannelKey, id: MethodId, expect: Expect) {
        self.mark_busy(number);
        self.awaited.push_back(Awaited { number, key, id, expect });
    }

    /// Notes that the channel waits for the batch that is being gathered.
    pub(super) fn mark_busy(&mut self, number: u16) {
        let batch = self.batch;
        self.channels.get_mut(&number).into_iter().for_each(|channel| channel.busy_until = batch);
    }

    /// What became of a batch.
    pub(super) fn handle_outcomes(&mut self, now: Instant, outcomes: Vec<(ChannelKey, Outcome)>) {
        if self.released {
            return;
        }
        for (key, outcome) in outcomes {
            match outcome {
                Outcome::Published(published) => {
                    let found = self.channels.iter().find(|(_, channel)| channel.key == key);
                    if let Some((number, _)) = found {
                        let number = *number;
                        self.handle_published(now, number, published);
                    }
                }
                Outcome::Asked(result) => {
                    let Some(awaited) = self.awaited.pop_front() else { continue };
                    match result {
                        Ok(answer) => self.answer(now, awaited, answer),
                        Err(error) if self.is_current(&awaited) => {
                            let Awaited { number, id, expect, .. } = awaited;
                            let error = refusals::of_request(&error, &expect.subject(), &self.vhost);
                            self.fail_channel(now, number, error.of(id));
                        }
                        Err(_) => {}
                    }
                }
                Outcome::Committed(result) => {
                    let Some(awaited) = self.awaited.pop_front() else { continue };
                    if !self.is_current(&awaited) {
                        continue;
                    }
                    match result {
                        Ok(published) => {
                            self.handle_published(now, awaited.number, published);
                            self.say(awaited.number, &Reply::TxCommitOk);
                        }
                        Err(error) => {
                            let error = refusals::of_publish(&error, &self.vhost);
                            self.fail_channel(now, awaited.number, error.of(awaited.id));
                        }
                    }
                }
                Outcome::Skipped => {
                    self.awaited.pop_front();
                }
            }
        }
    }

    /// Whether the channel that asked is still the one of that number, and open to answers.
    fn is_current(&self, awaited: &Awaited) -> bool {
        self.channels
            .get(&awaited.number)
            .is_some_and(|channel| channel.key == awaited.key && channel.can_hear())
    }

    fn handle_published(&mut self, now: Instant, number: u16, published: Published) {
        let Published { count, exceptions, fatal } = published;
        let Some(channel) = self.channels.get_mut(&number) else { return };
        if channel.state == ChannelState::Closing {
            return;
        }
        let base = match &channel.mode {
            Mode::Confirm(confirms) => Some(confirms.done),
            Mode::Plain | Mode::Transaction(_) => None,
        };
        for (at, failure) in exceptions {
            match failure {
                PublishFailure::Unroutable(publish) => {
                    let returned = Reply::Return {
                        code: 312,
                        text: "NO_ROUTE",
                        exchange: &publish.exchange,
                        routing_key: &publish.routing_key,
                    };
                    returned.put(&mut self.output, number);
                    let frame_max = self.agreed_frame();
                    let headers = publish.headers.as_bytes();
                    let (properties, body) = (&publish.properties, &publish.body);
                    put_content(&mut self.output, number, properties, headers, body, frame_max);
                }
                PublishFailure::Refused => {
                    if let Some(base) = base {
                        self.confirm_through(number, base + at);
                        self.refuse_confirm(number, base + at + 1);
                    }
                }
            }
        }
        if let Some(base) = base {
            self.confirm_through(number, base + count);
        }
        if let Some(error) = fatal {
            self.write_confirms();
            let error = refusals::of_publish(&error, &self.vhost);
            self.fail_channel(now, number, error.of(MethodId { class: 60, method: 40 }));
        }
    }

    /// Notes that everything up to a publish was taken; it is written at the round's end.
    fn confirm_through(&mut self, number: u16, tag: u64) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let Mode::Confirm(confirms) = &mut channel.mode else { return };
        if tag > confirms.done {
            if confirms.done == confirms.written {
                self.unconfirmed.push(number);
            }
            confirms.done = tag;
        }
    }

    /// Says that one publish was refused, after all before it.
    fn refuse_confirm(&mut self, number: u16, tag: u64) {
        self.write_confirms();
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let Mode::Confirm(confirms) = &mut channel.mode else { return };
        confirms.done = tag;
        confirms.written = tag;
        self.say(number, &Reply::Nack { tag, multiple: false });
    }

    /// Writes one acknowledgement per channel for everything that was taken.
    pub(super) fn write_confirms(&mut self) {
        while let Some(number) = self.unconfirmed.pop() {
            let Some(channel) = self.channels.get_mut(&number) else { continue };
            if channel.state == ChannelState::Closing {
                continue;
            }
            let Mode::Confirm(confirms) = &mut channel.mode else { continue };
            let (tag, count) = (confirms.done, confirms.done - confirms.written);
            confirms.written = confirms.done;
            if count > 0 {
                self.say(number, &Reply::Ack { tag, multiple: count > 1 });
            }
        }
    }

    pub(super) fn agreed_frame(&self) -> usize {
        let agreed = if self.frame_max == 0 { self.terms.limits.frame_bytes } else { self.frame_max };
        agreed as usize
    }

    fn answer(&mut self, now: Instant, awaited: Awaited, answer: Answer) {
        if let Expect::ConnectionCloseOk = awaited.expect {
            self.say(0, &Reply::ConnectionCloseOk);
            return self.end();
        }
        if let Expect::ChannelCloseOk = awaited.expect {
            if self.channels.get(&awaited.number).is_some_and(|channel| channel.key == awaited.key) {
                self.channels.remove(&awaited.number);
                self.say(awaited.number, &Reply::ChannelCloseOk);
            }
            return;
        }
        if !self.is_current(&awaited) {
            // A message that was fetched for a channel that is gone went back with the channel's close.
            return;
        }
        let number = awaited.number;
        match (awaited.expect, answer) {
            (
                Expect::QueueDeclareOk { nowait: false, declaration },
                Answer::Queue { messages, consumers },
            ) => {
                let (messages, consumers) = (count(messages), count(consumers));
                self.say(number, &Reply::QueueDeclareOk { queue: &declaration.queue, messages, consumers });
            }
            (Expect::ExchangeDeclareOk { nowait: false, .. }, _) => {
                self.say(number, &Reply::ExchangeDeclareOk)
            }
            (Expect::ExchangeDeleteOk { nowait: false, .. }, _) => self.say(number, &Reply::ExchangeDeleteOk),
            (Expect::QueueBindOk { nowait: false, .. }, _) => self.say(number, &Reply::QueueBindOk),
            (Expect::QueueUnbindOk { .. }, _) => self.say(number, &Reply::QueueUnbindOk),
            (Expect::ExchangeBindOk { nowait: false, .. }, _) => self.say(number, &Reply::ExchangeBindOk),
            (Expect::ExchangeUnbindOk { nowait: false, .. }, _) => self.say(number, &Reply::ExchangeUnbindOk),
            (Expect::QueuePurgeOk { nowait: false, .. }, Answer::Removed(messages)) => {
                self.say(number, &Reply::QueuePurgeOk { messages: count(messages) });
            }
            (Expect::QueueDeleteOk { nowait: false, .. }, Answer::Removed(messages)) => {
                self.say(number, &Reply::QueueDeleteOk { messages: count(messages) });
            }
            (Expect::ConsumeOk { tag, nowait, start, queue }, Answer::Log(log)) => {
                self.begin_log(now, number, awaited.id, (&tag, nowait, &queue), log, start);
            }
            (Expect::ConsumeOk { tag, nowait: false, .. }, _) => {
                self.say(number, &Reply::ConsumeOk { tag: &tag });
            }
            (Expect::Say(reply), _) => self.say(number, &reply),
            (Expect::Fail(error), _) => self.fail_channel(now, number, error),
            (Expect::QosOk, _) => self.say(number, &Reply::QosOk),
            (Expect::CancelOk { tag, nowait }, _) => {
                self.end_consumer(number, &tag);
                if !nowait {
                    self.say(number, &Reply::CancelOk { tag: &tag });
                }
            }
            (Expect::Get { no_ack, .. }, Answer::Got(got)) => self.answer_get(number, no_ack, got),
            // Nobody waits for the answer.
            _ => {}
        }
    }

    fn answer_get(&mut self, number: u16, no_ack: bool, got: Option<(SessionDelivery, u64)>) {
        let Some((delivery, left)) = got else { return self.say(number, &Reply::GetEmpty) };
        let frame_max = self.agreed_frame();
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let tag = channel.next_delivery();
        if !no_ack {
            channel.unsettled.push(Pending { tag, lease: delivery.lease(), consumer: None });
        }
        let got = Reply::GetOk {
            delivery: tag,
            redelivered: delivery.is_redelivered(),
            exchange: delivery.exchange(),
            routing_key: delivery.routing_key(),
            messages: count(left),
        };
        got.put(&mut self.output, number);
        self.delivered = (self.delivered.0 + delivery.body().len() as u64, true);
        let (properties, headers) = (delivery.properties(), delivery.headers());
        put_content(&mut self.output, number, properties, &headers, delivery.body(), frame_max);
    }

    fn begin_log(
        &mut self,
        now: Instant,
        number: u16,
        id: MethodId,
        (tag, nowait, queue): (&Arc<str>, bool, &str),
        log: LogTopic,
        start: Start,
    ) {
        let consumer = self.channels.get_mut(&number).and_then(|channel| channel.consumers.get_mut(tag));
        let Some(consumer) = consumer else { return };
        let Consumer { number: consumer_number, no_ack, prefetch, .. } = *consumer;
        let filter = consumer.about.filter.clone();
        let refused = if no_ack {
            let text = format!(
                "automatic acknowledgement not supported by stream queues queue '{queue}' in vhost '{}'",
                self.vhost
            );
            Some((ReplyCode::NotImplemented, text))
        } else if prefetch == 0 {
            let text =
                format!("consumer prefetch count is not set for 'queue '{queue}' in vhost '{}''", self.vhost);
            Some((ReplyCode::PreconditionFailed, text))
        } else {
            consumer.is_log = true;
            None
        };
        if let Some((code, text)) = refused {
            self.end_consumer(number, tag);
            return self.fail_channel(now, number, AmqpError::new(code, text).of(id));
        }
        if !nowait {
            self.say(number, &Reply::ConsumeOk { tag });
        }
        let read = Effect::ReadLog { consumer: consumer_number, log, start, filter, credit: prefetch };
        self.effects.push_back(read);
    }
}

/// Counts on the wire have 32 bits.
fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
