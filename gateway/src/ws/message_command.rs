//! Commands for single messages of a queue: looked at, searched, changed, moved, deleted, whoever holds them.

use crate::codec::render::ValueMode;
use crate::topics::{MessageChange, MessageEdits, MessageFilter, ReplayTarget};

/// What is to be done with single messages of a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageCommand {
    /// The queue.
    pub topic: String,
    /// What.
    pub action: MessageAction,
}

/// What can be done with single messages.
#[derive(Clone, Debug, PartialEq)]
pub enum MessageAction {
    /// Look at those that fit, in order of id.
    Browse {
        /// Which.
        filter: MessageFilter,
        /// Only those behind this one.
        after: Option<u64>,
        /// How many at most.
        limit: usize,
        /// How payloads are written.
        values: ValueMode,
    },
    /// Look at one.
    Get {
        /// Which.
        message: u64,
        /// How its payload is written.
        values: ValueMode,
    },
    /// Give one another priority or time.
    Change {
        /// Which.
        message: u64,
        /// What changes.
        change: MessageChange,
    },
    /// Send one elsewhere.
    Move {
        /// Which.
        message: u64,
        /// Where to.
        target: ReplayTarget,
        /// What changes on the way.
        edits: MessageEdits,
    },
    /// Take one away.
    Delete {
        /// Which.
        message: u64,
    },
}
