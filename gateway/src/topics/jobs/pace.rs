use std::time::Duration;

use tokio::time::Instant;

/// Messages moved at a time.
const STEP: usize = 500;

/// Keeps a job at or below so many messages a second.
pub(super) struct Pace {
    started: Instant,
    per_s: Option<u32>,
    moved: u64,
}

impl Pace {
    pub(super) fn new(per_s: Option<u32>) -> Pace {
        Pace { started: Instant::now(), per_s, moved: 0 }
    }

    /// How many messages the next step may move.
    pub(super) fn step(&self) -> usize {
        self.per_s.map_or(STEP, |per_s| (per_s as usize / 10).clamp(1, STEP))
    }

    /// Waits until moving so many was not too fast.
    pub(super) async fn wait(&mut self, moved: u64) {
        self.moved += moved;
        if let Some(per_s) = self.per_s {
            let due = Duration::from_secs_f64(self.moved as f64 / f64::from(per_s));
            tokio::time::sleep_until(self.started + due).await;
        }
    }
}
