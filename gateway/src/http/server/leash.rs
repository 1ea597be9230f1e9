use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;

/// How a connection is told to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pull {
    /// Finish what is under way, then close.
    Close = 1,
    /// At once.
    Cut = 2,
}

/// By which the patrol holds a connection. Looking at it costs the connection no lock.
#[derive(Debug, Default)]
pub struct Leash {
    pulled: AtomicU8,
    waker: AtomicWaker,
}

impl Leash {
    /// Pulls, unless it was pulled as hard before. Says whether this was the first pull of all.
    pub fn pull(&self, pull: Pull) -> bool {
        let before = self.pulled.fetch_max(pull as u8, Ordering::AcqRel);
        if before < pull as u8 {
            self.waker.wake();
        }
        before == 0
    }

    /// How hard it was pulled so far.
    pub fn pulled(&self) -> Option<Pull> {
        match self.pulled.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Pull::Close),
            _ => Some(Pull::Cut),
        }
    }

    /// The same, and wakes the task when it is pulled later.
    pub fn poll(&self, cx: &Context<'_>) -> Option<Pull> {
        self.waker.register(cx.waker());
        self.pulled()
    }
}
