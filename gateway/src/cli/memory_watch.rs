use std::time::Duration;

use tracing::{info, warn};

use crate::metrics::{machine_bytes, resident_bytes};
use crate::topics::Topics;

/// How often the memory of the process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The bytes that the process may hold before publishers wait: as configured, or 60 % of the machine's.
pub fn high_watermark(configured: u64) -> u64 {
    match configured {
        0 => machine_bytes().map_or(u64::MAX, |bytes| bytes / 10 * 6),
        bytes => bytes,
    }
}

/// Raises and clears the memory alarm until the server goes down.
pub async fn watch(topics: Topics, high: u64) {
    let mut raised = false;
    loop {
        let held = resident_bytes().unwrap_or(0);
        if (held > high) != raised {
            raised = held > high;
            topics.set_memory_alarm(raised);
            match raised {
                true => warn!(held, high, "the process holds too much memory: publishers wait"),
                false => info!(held, high, "the process holds less memory again: publishers go on"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = topics.draining().cancelled() => return,
        }
    }
}
