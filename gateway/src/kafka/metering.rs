//! What a connection's use is measured by, and how long it is held up.

use std::time::Duration;

use parking_lot::Mutex;

use super::login::Login;
use crate::auth::quota::Measure;
use crate::auth::{ConnectionUsage, Guard, Pass, Usage};
use crate::refusal::Refusal;

/// The metering of one connection.
#[derive(Default)]
pub struct Metering {
    measured: Mutex<ConnectionUsage>,
    /// The longest hold-up that nobody has seen to yet.
    hold_up: Mutex<Option<HoldUp>>,
}

/// A client that used too much: nothing more of it is worked on for a while (KIP-219).
#[derive(Clone, Debug)]
pub struct HoldUp {
    usage: Usage,
    measure: Measure,
    /// How long.
    pub wait: Duration,
}

impl HoldUp {
    /// Returns when it is over.
    pub async fn over(self) {
        self.usage.waited(self.measure, self.wait).await;
    }
}

impl Metering {
    /// What a request is measured by. Nobody is measured before the login that is due.
    ///
    /// # Errors
    /// When its user, client or address has as many connections as a quota allows.
    pub fn usage(&self, guard: &Guard, login: &Login, client_id: Option<&str>) -> Result<Usage, Refusal> {
        let pass = login.pass();
        let name = match &pass {
            Pass::Nobody => return Ok(Usage::default()),
            Pass::Open => None,
            Pass::As(caller) => Some(caller.user()),
        };
        // As in Kafka, who gives no name is called nothing.
        let client_id = Some(client_id.unwrap_or_default());
        let usage = self.measured.lock().of(guard, name, client_id, login.origin());
        usage.map_err(|full| full.is_reached())
    }

    /// Holds the connection up, unless it is for longer already.
    pub fn hold_up(&self, usage: &Usage, measure: Measure, wait: Duration) {
        let mut hold_up = self.hold_up.lock();
        if hold_up.as_ref().is_none_or(|known| known.wait < wait) {
            *hold_up = Some(HoldUp { usage: usage.clone(), measure, wait });
        }
    }

    /// The hold-up that nobody has seen to yet.
    pub fn take_hold_up(&self) -> Option<HoldUp> {
        self.hold_up.lock().take()
    }
}

impl std::fmt::Debug for Metering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metering")
    }
}
