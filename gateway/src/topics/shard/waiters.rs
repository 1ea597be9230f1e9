use std::collections::HashMap;

use log_engine::{GroupAnswer, Ticket};
use tokio::sync::oneshot;

/// Who waits for an answer of a group that may come later than the request's own group of commands.
#[derive(Default)]
pub(crate) struct Waiters {
    waiting: HashMap<Ticket, oneshot::Sender<GroupAnswer>>,
    given: u64,
}

impl Waiters {
    /// Takes a waiter in; its answer comes under this ticket.
    pub(crate) fn insert(&mut self, waiter: oneshot::Sender<GroupAnswer>) -> Ticket {
        self.given += 1;
        let ticket = Ticket(self.given);
        self.waiting.insert(ticket, waiter);
        ticket
    }

    /// Hands answers out. Whoever went away does not want theirs.
    pub(crate) fn send(&mut self, answers: Vec<(Ticket, GroupAnswer)>) {
        for (ticket, answer) in answers {
            if let Some(waiter) = self.waiting.remove(&ticket) {
                let _ = waiter.send(answer);
            }
        }
    }

    /// Lets everybody know that no answer will come.
    pub(crate) fn give_up(&mut self) {
        self.waiting.clear();
    }
}
