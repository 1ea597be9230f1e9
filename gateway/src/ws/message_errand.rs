//! Carries out what is asked of single messages.

use super::answer::Answer;
use super::message_command::{MessageAction, MessageCommand};
use crate::codec::render::{ValueMode, write_message};
use crate::refusal::Refusal;
use crate::topics::{MessageFilter, QueueDelivery, QueueTopic, ReplayTarget, Topics};

/// Does it and answers what the client is told.
pub(super) async fn run(topics: &Topics, ask: MessageCommand) -> Result<Answer, Refusal> {
    let queue = topics.queue(&ask.topic).map_err(|refusal| refusal.in_field("/topic"))?;
    let in_message = |refusal: Refusal| match refusal.field {
        None => refusal.in_field("/message"),
        Some(_) => refusal,
    };
    match ask.action {
        MessageAction::Browse { filter, after, limit, values } => {
            browse(&queue, filter, after, limit, values).await
        }
        MessageAction::Get { message, values } => {
            Ok(Answer::Message(shown(&queue.get(message).await.map_err(in_message)?, values)))
        }
        MessageAction::Change { message, change } => {
            let changed = queue.amend(message, change).await.map_err(in_message)?;
            Ok(Answer::Message(shown(&changed, ValueMode::Auto)))
        }
        MessageAction::Move { message, target, edits } => {
            if let ReplayTarget::Topic(name) = &target {
                topics.queue(name).map_err(|refusal| refusal.in_field("/destination/topic"))?;
            }
            topics.move_message(&queue, message, &target, edits).await.map_err(in_message)?;
            Ok(Answer::Done)
        }
        MessageAction::Delete { message } => {
            queue.delete_message(message).await.map_err(in_message)?;
            Ok(Answer::Done)
        }
    }
}

async fn browse(
    queue: &QueueTopic,
    filter: MessageFilter,
    after: Option<u64>,
    limit: usize,
    values: ValueMode,
) -> Result<Answer, Refusal> {
    let (found, next) = if filter.is_any() {
        let mut found = queue.browse(after, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(QueueDelivery::id);
        (found, next)
    } else {
        queue.search(after, limit, filter).await?
    };
    let mut messages = Vec::with_capacity(found.len() * 256);
    for (index, message) in found.iter().enumerate() {
        if index > 0 {
            messages.push(b',');
        }
        write_message(&mut messages, &message.view(), values);
    }
    Ok(Answer::Browsed { messages, next })
}

fn shown(message: &QueueDelivery, values: ValueMode) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    write_message(&mut out, &message.view(), values);
    out
}
