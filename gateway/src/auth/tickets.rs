use std::collections::HashMap;
use std::time::Duration;

use message::Timestamp;

use super::caller::Pass;

/// How long a ticket is good for.
pub const TICKET_LIFE: Duration = Duration::from_secs(30);
/// Tickets that may be out at a time.
const TICKETS_MAX: usize = 10_000;

/// Single-use tickets for what cannot send a header: a browser's WebSocket. They may stand in a URL, since they are worth
/// nothing once used, and soon nothing in any case.
#[derive(Debug, Default)]
pub struct Tickets(HashMap<Box<str>, (Pass, Timestamp)>);

impl Tickets {
    /// Keeps a ticket; answers whether there was room.
    pub fn give(&mut self, ticket: Box<str>, pass: Pass, now: Timestamp) -> bool {
        if self.0.len() >= TICKETS_MAX {
            self.0.retain(|_, (_, ends)| now < *ends);
        }
        let room = self.0.len() < TICKETS_MAX;
        if room {
            self.0.insert(ticket, (pass, now.plus(TICKET_LIFE)));
        }
        room
    }

    /// Takes a ticket: whose it is, if it is still good.
    pub fn take(&mut self, ticket: &str, now: Timestamp) -> Option<Pass> {
        let (pass, ends) = self.0.remove(ticket)?;
        (now < ends).then_some(pass)
    }
}
