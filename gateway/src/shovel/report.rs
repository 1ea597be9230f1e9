use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jiff::Timestamp;
use parking_lot::Mutex;

use super::flow::Flow;

/// How a shovel stands, for whoever looks after it.
#[derive(Debug)]
pub struct Report {
    standing: Mutex<Standing>,
    tally: Arc<Tally>,
}

/// What shovels did since the start, those that are gone too.
#[derive(Debug, Default)]
pub struct Tally {
    /// Messages that were sent on.
    pub forwarded: AtomicU64,
    /// How often one stopped because something failed.
    pub failures: AtomicU64,
}

/// How a shovel stands at a moment.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What it does.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// What it moved.
    pub counts: Counts,
}

/// What a shovel does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It connects.
    Starting,
    /// It moves messages.
    Running {
        /// Where they come from, without a password.
        source: String,
        /// Where they go, without a password.
        destination: String,
        /// Whether the destination takes nothing for now.
        blocked: bool,
    },
    /// It does nothing: something failed. Unless its definition says otherwise it will try again.
    Terminated(String),
}

/// What a shovel moved since it was defined, or the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many it is still to move, where that is bounded.
    pub remaining: Option<u64>,
    /// How many of them are not on their way.
    pub unsent: Option<u64>,
    /// How many have come and wait to be sent on.
    pub pending: usize,
    /// How many it sent on.
    pub forwarded: u64,
}

impl Report {
    /// Of one that starts; what it does is counted there too.
    #[must_use]
    pub fn new(tally: Arc<Tally>) -> Report {
        let (since, counts) = (Timestamp::now(), Counts::default());
        Report { standing: Mutex::new(Standing { state: State::Starting, since, counts }), tally }
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    /// It does something else now.
    pub fn turn(&self, state: State) {
        let mut standing = self.standing.lock();
        if standing.state != state {
            standing.state = state;
            standing.since = Timestamp::now();
        }
    }

    /// Something failed.
    pub fn fail(&self, reason: String) {
        self.tally.failures.fetch_add(1, Relaxed);
        self.turn(State::Terminated(reason));
    }

    /// It moved something.
    pub fn count(&self, flow: &Flow, pending: usize) {
        let counts = &mut self.standing.lock().counts;
        self.tally.forwarded.fetch_add(flow.forwarded().saturating_sub(counts.forwarded), Relaxed);
        *counts = Counts {
            remaining: flow.remaining(),
            unsent: flow.unsent(),
            pending,
            forwarded: flow.forwarded(),
        };
    }
}
