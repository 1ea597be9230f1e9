use std::sync::Arc;

use message::{ErrorCode, ExchangeName, TopicName};
use queue_engine::{
    BindingTarget, ConsumerOptions, ExchangeKind, ExchangeOptions, IfEmpty, LeaseFor, OwnerId, QueueError,
    QueueInfo, QueueOptions, QueueType,
};

use super::link::{Book, Link, Subscriber};
use super::operation::{
    BindTo, Binding, ChannelKey, Consume, ExchangeDeclaration, QueueDeclaration, Request,
};
use super::outcome::{Answer, Fault, SessionDelivery, SessionError};
use super::replies::REPLY_TO;
use super::{exchange_arguments, queue_arguments};
use crate::auth::Pass;
use crate::refusal::Refusal;
use crate::topics::administration::log_in_words;
use crate::topics::deeds::Deed;
use crate::topics::directory::Listed;
use crate::topics::exchanges::binding_in_words;
use crate::topics::shard::Turn;
use crate::topics::{LogTopic, Topic, Topics, VirtualHost, shard};

/// Journal bytes that a definition takes at most.
const DEFINITION: usize = 128 << 10;

type Answered = Result<Answer, SessionError>;

/// Carries one request out.
pub(super) fn carry_out(
    topics: &Topics,
    turn: &mut Turn<'_>,
    book: &mut Book,
    link: &Arc<Link>,
    channel: ChannelKey,
    request: Request,
) -> Answered {
    turn.ensure(DEFINITION).map_err(Refusal::from)?;
    let names = link.names(topics);
    let request = names.localize(request)?;
    names.allow_request(&request)?;
    let mut answered = carry_out_full(topics, turn, book, link, channel, request);
    if let Err(error) = &mut answered
        && let Some(field) = &mut error.refusal.field
    {
        // Clients know the names of their virtual host.
        *field = names.local(field).to_owned();
    }
    answered
}

fn carry_out_full(
    topics: &Topics,
    turn: &mut Turn<'_>,
    book: &mut Book,
    link: &Arc<Link>,
    channel: ChannelKey,
    request: Request,
) -> Answered {
    match request {
        Request::DeclareQueue(declaration) => declare_queue(topics, turn, link.owner(), &declaration),
        Request::DeleteQueue { queue, if_unused, if_empty } => {
            delete_queue(topics, turn, link.owner(), &queue, if_unused, if_empty)
        }
        Request::PurgeQueue { queue } => purge(topics, turn, link.owner(), &queue),
        Request::Bind(binding) => bind(topics, turn, link.owner(), &binding),
        Request::Unbind(binding) => unbind(topics, turn, link.owner(), &binding),
        Request::DeclareExchange(declaration) => declare_exchange(topics, turn, &declaration),
        Request::DeleteExchange { exchange, if_unused } => {
            let Ok(name) = ExchangeName::new(&exchange) else { return Ok(Answer::Done) };
            match turn.engines.queue.delete_exchange(turn.journal.block(), &name, if_unused) {
                Ok(()) => {
                    topics.did(Deed::DeleteExchange, &format!("exchange {name}"));
                    Ok(Answer::Done)
                }
                // To RabbitMQ, what is not there is as deleted as it was asked to be.
                Err(queue_engine::QueueError::UnknownExchange(_)) => Ok(Answer::Done),
                Err(error) => Err(error.into()),
            }
        }
        Request::Consume(consume) => subscribe(topics, turn, book, link, channel, &consume),
        Request::Cancel { consumer } => {
            book.cancel(turn, consumer);
            Ok(Answer::Done)
        }
        Request::Get { queue, no_ack } => {
            get(turn, book, (link.owner(), link.names(topics).host), &queue, no_ack)
        }
        Request::LimitChannel { unsettled } => {
            book.limit_channel(turn, channel, unsettled)?;
            Ok(Answer::Done)
        }
        Request::TakeReplies { consumer, address } => {
            turn.engines.replies.open(&address, link, consumer);
            book.replies.insert(channel, address);
            Ok(Answer::Done)
        }
        Request::LeaveReplies => {
            if let Some(address) = book.replies.remove(&channel) {
                turn.engines.replies.close(&address);
            }
            Ok(Answer::Done)
        }
        Request::EndOwner => {
            turn.engines.queue.end_owner(turn.journal.block(), link.owner(), turn.now);
            Ok(Answer::Done)
        }
        Request::Barrier => {
            // What was returned before it is delivered again after the answer.
            book.consumers.values().for_each(|one| turn.engines.outlets.hold(one.id));
            Ok(Answer::Done)
        }
    }
}

fn unknown_queue(name: &str) -> SessionError {
    SessionError::new(ErrorCode::UnknownTopic, format!("there is no queue {name:?}"))
}

fn queue_name(name: &str) -> Result<TopicName, SessionError> {
    TopicName::new(name).map_err(|_| unknown_queue(name))
}

fn counts(info: &QueueInfo) -> Answer {
    Answer::Queue { messages: info.ready, consumers: info.consumers }
}

fn declare_queue(
    topics: &Topics,
    turn: &mut Turn<'_>,
    owner: OwnerId,
    wanted: &QueueDeclaration,
) -> Answered {
    if wanted.passive {
        let is_reply = |name: &str| name == REPLY_TO || turn.engines.replies.is_taken(name);
        if is_reply(&wanted.queue) {
            return Ok(Answer::Queue { messages: 0, consumers: 1 });
        }
        let name = queue_name(&wanted.queue)?;
        if turn.engines.log.topic(&name).is_some() {
            return Ok(Answer::Queue { messages: 0, consumers: 0 });
        }
        let info = turn.engines.queue.queue_info(&name).map_err(|_| unknown_queue(&wanted.queue))?;
        turn.engines.queue.check_access(&name, Some(owner))?;
        return Ok(counts(&info));
    }
    let name = TopicName::new(&wanted.queue).map_err(Refusal::from)?;
    if queue_arguments::is_stream(&wanted.arguments) {
        return declare_log(topics, turn, name, wanted);
    }
    turn.engines.check_name_is_free_of(&name, "log").map_err(|_| other_kind("stream", "classic"))?;
    let options =
        QueueOptions { durable: wanted.durable, auto_delete: wanted.auto_delete, ..QueueOptions::default() };
    let declaration = queue_engine::QueueDeclaration {
        options,
        owner: wanted.exclusive.then_some(owner),
        server_named: wanted.server_named,
        ..queue_engine::QueueDeclaration::default()
    };
    let declaration = declaration.with_arguments(&name, &wanted.arguments)?;
    if !turn.engines.queue.has_queue(&name) {
        turn.check_may_make_topic(topics.usage())?;
    }
    let lasts = wanted.durable && !wanted.exclusive;
    let declared = turn.engines.queue.declare(turn.journal.block(), &name, declaration, turn.now)?;
    if declared.created {
        turn.note_maker(&name, topics.usage(), lasts);
        topics.did(Deed::MakeTopic, &format!("queue {name}"));
        turn.engines.directory.insert_queue(declared.id, &name);
    }
    Ok(counts(&turn.engines.queue.queue_info(&name)?))
}

fn other_kind(have: &str, want: &str) -> SessionError {
    let (received, current) = (format!("'{want}'"), format!("'{have}'"));
    SessionError::fault(Fault::Differs { field: "x-queue-type".to_owned(), received, current })
}

fn declare_log(topics: &Topics, turn: &mut Turn<'_>, name: TopicName, wanted: &QueueDeclaration) -> Answered {
    turn.ensure(512 << 10).map_err(Refusal::from)?;
    topics.check_log_name(&name)?;
    turn.engines.check_name_is_free_of(&name, "queue").map_err(|_| other_kind("classic", "stream"))?;
    let config = queue_arguments::log_config(wanted)?;
    if turn.engines.log.topic(&name).is_none() {
        turn.check_may_make_topic(topics.usage())?;
        let made = turn.engines.log.create_topic(turn.journal.block(), &name, 1, config, turn.now);
        let made = made.map_err(Refusal::from)?;
        turn.note_maker(&name, topics.usage(), true);
        topics.did(Deed::MakeTopic, &log_in_words(&made));
        topics.enter_log(turn.engines, &made);
    }
    Ok(Answer::Queue { messages: 0, consumers: 0 })
}

fn delete_queue(
    topics: &Topics,
    turn: &mut Turn<'_>,
    owner: OwnerId,
    queue: &str,
    if_unused: bool,
    if_empty: bool,
) -> Answered {
    // To RabbitMQ, what is not there is as deleted as it was asked to be.
    let Ok(name) = TopicName::new(queue) else { return Ok(Answer::Removed(0)) };
    if let Ok(Listed::Log(log)) = turn.engines.directory.get(queue) {
        turn.delete_log(&LogTopic(log, Pass::Open))?;
        topics.did(Deed::DeleteTopic, &format!("log {name}"));
        return Ok(Answer::Removed(0));
    }
    let Ok(info) = turn.engines.queue.queue_info(&name) else { return Ok(Answer::Removed(0)) };
    turn.engines.queue.check_access(&name, Some(owner))?;
    let if_empty = if if_empty { IfEmpty::NoneWaiting } else { IfEmpty::Never };
    turn.engines.queue.delete_queue(turn.journal.block(), &name, if_unused, if_empty)?;
    turn.engines.vitals.keep_counts_of(&info.totals);
    turn.engines.forget_topic(&name);
    topics.did(Deed::DeleteTopic, &format!("queue {name}"));
    Ok(Answer::Removed(info.ready))
}

fn purge(topics: &Topics, turn: &mut Turn<'_>, owner: OwnerId, queue: &str) -> Answered {
    let name = queue_name(queue)?;
    if turn.engines.log.topic(&name).is_some() {
        return Err(not_for_streams("queue.purge"));
    }
    turn.engines.queue.check_access(&name, Some(owner)).map_err(|error| locked_or_unknown(error, queue))?;
    let mut removed = 0;
    loop {
        let step = turn.engines.queue.purge_queue(turn.journal.block(), &name, turn.now);
        let step = step.map_err(|_| unknown_queue(queue))?;
        removed += step.messages;
        if step.complete {
            topics.did(Deed::PurgeQueue, &format!("queue {name}"));
            return Ok(Answer::Removed(removed));
        }
        turn.ensure(shard_room(turn)).map_err(Refusal::from)?;
    }
}

/// A fresh block's worth, so that each step of a purge takes as much as it can.
fn shard_room(turn: &Turn<'_>) -> usize {
    turn.journal.largest_record() / 2
}

fn bind(topics: &Topics, turn: &mut Turn<'_>, owner: OwnerId, binding: &Binding) -> Answered {
    let (source, target) = ends(turn, owner, binding)?;
    let (key, arguments) = (&binding.routing_key, &binding.arguments);
    turn.ensure(turn.engines.queue.bind_bytes(&source, &target)).map_err(Refusal::from)?;
    let made = turn.engines.queue.bind(turn.journal.block(), &source, &target, key, arguments, turn.now)?;
    if made {
        topics.did(Deed::Bind, &in_words(source, target, binding));
    }
    Ok(Answer::Done)
}

fn unbind(topics: &Topics, turn: &mut Turn<'_>, owner: OwnerId, binding: &Binding) -> Answered {
    let Ok((source, target)) = ends(turn, owner, binding) else { return Ok(Answer::Done) };
    let (key, arguments) = (&binding.routing_key, &binding.arguments);
    match turn.engines.queue.unbind(turn.journal.block(), &source, &target, key, arguments) {
        Ok(()) => {
            topics.did(Deed::Unbind, &in_words(source, target, binding));
            Ok(Answer::Done)
        }
        // To RabbitMQ, what is not there is as unbound as it was asked to be.
        Err(error)
            if error.code() == ErrorCode::UnknownBinding || error.code() == ErrorCode::UnknownTopic =>
        {
            Ok(Answer::Done)
        }
        Err(error) if error.code() == ErrorCode::UnknownExchange => Ok(Answer::Done),
        Err(error) => Err(error.into()),
    }
}

/// A binding for the audit log.
fn in_words(source: ExchangeName, target: BindingTarget, wanted: &Binding) -> String {
    let (routing_key, arguments) = (wanted.routing_key.clone(), wanted.arguments.clone());
    binding_in_words(&queue_engine::Binding { source, target, routing_key, arguments })
}

fn unknown_exchange(name: &str) -> SessionError {
    let refusal = Refusal::new(ErrorCode::UnknownExchange, format!("there is no exchange {name:?}"));
    refusal.in_field(name).into()
}

fn ends(
    turn: &Turn<'_>,
    owner: OwnerId,
    binding: &Binding,
) -> Result<(ExchangeName, BindingTarget), SessionError> {
    let source = ExchangeName::new(&binding.source).map_err(|_| unknown_exchange(&binding.source))?;
    turn.engines.queue.exchange(&source).map_err(|_| unknown_exchange(&binding.source))?;
    let target = match binding.to {
        BindTo::Exchange => {
            let name = ExchangeName::new(&binding.destination);
            let name = name.map_err(|_| unknown_exchange(&binding.destination))?;
            turn.engines.queue.exchange(&name).map_err(|_| unknown_exchange(&binding.destination))?;
            BindingTarget::Exchange(name)
        }
        BindTo::Queue => {
            let name = queue_name(&binding.destination)?;
            if turn.engines.log.topic(&name).is_some() {
                BindingTarget::Log(name)
            } else if turn.engines.queue.has_queue(&name) {
                turn.engines.queue.check_access(&name, Some(owner))?;
                BindingTarget::Queue(name)
            } else {
                return Err(unknown_queue(&binding.destination));
            }
        }
    };
    Ok((source, target))
}

fn declare_exchange(topics: &Topics, turn: &mut Turn<'_>, wanted: &ExchangeDeclaration) -> Answered {
    let name = ExchangeName::new(&wanted.exchange);
    if wanted.passive {
        let found = name.ok().and_then(|name| turn.engines.queue.exchange(&name).ok());
        return found.map(|_| Answer::Done).ok_or_else(|| unknown_exchange(&wanted.exchange));
    }
    let name = name.map_err(Refusal::from)?;
    let Some(kind) = ExchangeKind::from_name(&wanted.kind) else {
        let detail = format!("unknown exchange type '{}'", wanted.kind);
        return Err(SessionError::new(ErrorCode::InvalidConfig, detail));
    };
    let mut options = ExchangeOptions {
        durable: wanted.durable,
        auto_delete: wanted.auto_delete,
        internal: wanted.internal,
        ..ExchangeOptions::default()
    };
    exchange_arguments::read(&mut options, &wanted.arguments)?;
    let made = turn.engines.queue.declare_exchange(turn.journal.block(), &name, kind, options)?;
    if made {
        topics.did(Deed::MakeExchange, &format!("exchange {name}, {}", kind.as_str()));
    }
    Ok(Answer::Done)
}

fn subscribe(
    topics: &Topics,
    turn: &mut Turn<'_>,
    book: &mut Book,
    link: &Arc<Link>,
    channel: ChannelKey,
    consume: &Consume,
) -> Answered {
    let name = queue_name(&consume.queue)?;
    if let Ok(Topic::Log(log)) = topics.topic(&consume.queue) {
        return Ok(Answer::Log(log));
    }
    turn.engines
        .queue
        .check_access(&name, Some(link.owner()))
        .map_err(|error| locked_or_unknown(error, &consume.queue))?;
    let options = ConsumerOptions {
        credit_messages: consume.credit_messages,
        credit_bytes: Some(consume.credit_bytes),
        lease: if consume.no_ack { LeaseFor::AutoAck } else { LeaseFor::UntilSettled },
        once: false,
        priority: consume.priority,
        exclusive: consume.exclusive,
        prefetch: consume.prefetch,
        pool: book.pools.get(&channel).copied(),
        timeout: None,
    };
    let id = turn.engines.queue.subscribe(turn.journal.block(), &name, options, turn.now)?;
    let outlet = shard::Outlet::Session(Arc::clone(link), consume.consumer);
    turn.engines.outlets.insert(id, outlet);
    let counts_failures = counts_failures(turn, &name);
    book.consumers.insert(consume.consumer, Subscriber { id, channel, counts_failures });
    Ok(Answer::Done)
}

fn get(
    turn: &mut Turn<'_>,
    book: &mut Book,
    (owner, host): (OwnerId, &VirtualHost),
    queue: &str,
    no_ack: bool,
) -> Answered {
    let name = queue_name(queue)?;
    if turn.engines.log.topic(&name).is_some() {
        return Err(not_for_streams("basic.get"));
    }
    turn.engines.queue.check_access(&name, Some(owner)).map_err(|error| locked_or_unknown(error, queue))?;
    let lease = if no_ack { LeaseFor::AutoAck } else { LeaseFor::UntilSettled };
    let mut taken = turn.engines.queue.receive(turn.journal.block(), &name, 1, lease, turn.now)?;
    turn.engines.vitals.count_deliveries(&taken);
    let Some(delivery) = taken.pop() else { return Ok(Answer::Got(None)) };
    book.taken.extend(delivery.lease);
    let left = turn.engines.queue.queue_info(&name).map_or(0, |info| info.ready);
    let counted = counts_failures(turn, &name);
    Ok(Answer::Got(Some((SessionDelivery::new(delivery, counted, Some(host)), left))))
}

/// Whether the queue's deliveries say how often the message failed.
fn counts_failures(turn: &Turn<'_>, queue: &TopicName) -> bool {
    turn.engines.queue.queue_options(queue).is_ok_and(|options| options.kind == QueueType::Quorum)
}

fn locked_or_unknown(error: QueueError, queue: &str) -> SessionError {
    match error {
        QueueError::UnknownQueue(_) => unknown_queue(queue),
        other => other.into(),
    }
}

/// What queues can do and logs cannot.
fn not_for_streams(what: &str) -> SessionError {
    SessionError::new(ErrorCode::WrongModel, format!("{what} not supported by stream queues"))
}
