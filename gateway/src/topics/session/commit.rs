//! Messages and settlements that happen together or not at all.

use message::ErrorCode;
use queue_engine::{Transaction, TransactionError, TransactionPublish};

use super::batch::engine_form;
use super::link::Book;
use super::names::Names;
use super::operation::{Action, Publish};
use super::outcome::{PublishFailure, Published, SessionError};
use super::publishing;
use super::replies::Reply;
use crate::refusal::Refusal;
use crate::topics::shard::Turn;
use crate::topics::vitals::Vitals;

/// Carries all steps out in one block of the journal, or none.
pub(super) fn commit(
    turn: &mut Turn<'_>,
    names: Names<'_>,
    book: &mut Book,
    steps: Vec<Action>,
    replies: &mut Vec<Reply>,
) -> Result<Published, SessionError> {
    let mut transaction = Transaction::default();
    let (mut kept, mut beside, mut bytes) = (Vec::new(), Vec::new(), 0);
    for step in steps {
        if let Action::Publish(publish) = &step {
            names.allow_publish(publish)?;
        }
        match step {
            Action::Publish(publish) if publishing::goes_beside(turn, names, &publish) => {
                beside.push(publish)
            }
            Action::Publish(publish) => {
                bytes += publishing::weight(&publish);
                kept.push(publish.clone());
                let exchange = names.exchange(&publish.exchange)?.into_owned();
                let routing_key = publish.routing_key.to_string();
                let message = publishing::new_message(publish)?;
                transaction.publishes.push(TransactionPublish { exchange, routing_key, message });
            }
            Action::Settle(settles) => {
                let settles = settles.iter().map(engine_form);
                // What ended meanwhile is settled, as far as anybody can tell.
                let open = settles.filter(|settle| turn.engines.queue.lease_queue(settle.lease).is_some());
                transaction.settles.extend(open);
            }
            Action::RefusedPublish(error) => return Err(*error),
            Action::Credit { .. } | Action::Ask(_) | Action::Commit(_) | Action::CloseChannel { .. } => {
                let why = "only messages and settlements are committed";
                return Err(SessionError::new(ErrorCode::Internal, why));
            }
        }
    }
    for settle in &transaction.settles {
        book.taken.remove(&settle.lease);
    }
    if bytes > 0 {
        publishing::make_room(turn, bytes)?;
    }
    let room = turn.engines.queue.transaction_bytes(&transaction);
    turn.ensure(room).map_err(Refusal::from)?;
    let count = transaction.publishes.len();
    let committed = turn.engines.queue.commit(turn.journal.block(), transaction, turn.now);
    let committed = committed.map_err(|error| refused(error, &kept))?;
    Vitals::count(&turn.engines.vitals.received, count);
    let mut sum = Published { count: count as u64, ..Published::default() };
    let mut routed = Vec::new();
    for ((at, published), publish) in committed.into_iter().enumerate().zip(kept) {
        if !published.is_routed() && publish.mandatory {
            sum.exceptions.push((at as u64, PublishFailure::Unroutable(Box::new(publish))));
        }
        routed.extend(published.logs);
    }
    if !routed.is_empty() {
        turn.engines.append_routed(turn.journal, routed, turn.now);
    }
    for publish in beside {
        let one = publishing::publish(turn, names, vec![publish], replies);
        sum.exceptions.extend(one.exceptions);
    }
    Ok(sum)
}

/// Why nothing of it was done, with the exchange at fault named.
fn refused(error: TransactionError, publishes: &[Publish]) -> SessionError {
    let (code, detail) = (error.code(), error.to_string());
    match error {
        TransactionError::Publish { at, error } => {
            let mut refused = SessionError::from(error);
            refused.refusal.field = publishes.get(at).map(|publish| publish.exchange.to_string());
            refused
        }
        TransactionError::Settle { .. } | TransactionError::BlockFull => SessionError::new(code, detail),
    }
}
