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

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: Timestamp = Timestamp(1_000);

    #[test]
    fn a_ticket_is_good_once_and_for_as_long_as_it_is_said() {
        let mut tickets = Tickets::default();
        let last = Timestamp(GIVEN.plus(TICKET_LIFE).0 - 1);
        for (name, used_at, is_good) in [("once", last, true), ("late", GIVEN.plus(TICKET_LIFE), false)] {
            assert!(tickets.give(name.into(), Pass::Open, GIVEN));
            assert_eq!(tickets.take(name, used_at).is_some(), is_good, "{name}");
            assert!(tickets.take(name, GIVEN).is_none(), "{name} is worth nothing any more");
        }
        assert!(tickets.take("made up", GIVEN).is_none());
    }

    #[test]
    fn no_more_are_out_than_there_is_room_for_and_old_ones_make_room() {
        let mut tickets = Tickets::default();
        for number in 0..TICKETS_MAX {
            assert!(tickets.give(number.to_string().into(), Pass::Open, GIVEN));
        }
        let last = Timestamp(GIVEN.plus(TICKET_LIFE).0 - 1);
        assert!(!tickets.give("one more".into(), Pass::Open, last));
        assert!(tickets.give("later".into(), Pass::Open, GIVEN.plus(TICKET_LIFE)));
        assert_eq!(tickets.0.len(), 1);
    }
}
