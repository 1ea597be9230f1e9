use std::time::{Instant, SystemTime, UNIX_EPOCH};

use message::Timestamp;

/// The one place where engines' time comes from: the wall clock when the process started, advanced by a clock that
/// never steps. A wall clock set back by a day would otherwise stop every lease and timer for a day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    wall: Timestamp,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock {
            started: Instant::now(),
            wall: Timestamp(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.wall.plus(self.started.elapsed())
    }

    /// When `moment` is, for a timer.
    pub(crate) fn instant_of(&self, moment: Timestamp) -> Instant {
        self.started + moment.since(self.wall)
    }
}
