use std::time::{Duration, Instant};

use super::{Connection, Effect, Phase};
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::wire::FrameKind;

/// When the two sides heard of each other last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heartbeats {
    interval: Option<Duration>,
    heard: Instant,
    spoke: Instant,
}

impl Heartbeats {
    pub(super) fn off(now: Instant) -> Heartbeats {
        Heartbeats { interval: None, heard: now, spoke: now }
    }

    pub(super) fn begin(&mut self, now: Instant, seconds: u16) {
        let interval = (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)));
        *self = Heartbeats { interval, heard: now, spoke: now };
    }

    /// Seconds that the two sides agreed on; 0 is none.
    pub(super) fn interval_s(&self) -> u16 {
        self.interval.map_or(0, |interval| u16::try_from(interval.as_secs()).unwrap_or(u16::MAX))
    }

    /// Whether the two sides agreed on none.
    #[cfg(test)]
    pub(super) fn is_off(&self) -> bool {
        self.interval.is_none()
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    pub(super) fn spoke(&mut self, now: Instant) {
        self.spoke = now;
    }

    /// When the client must be told that the server lives: twice an interval, so that a late one is no loss.
    fn speak_due(&self) -> Option<Instant> {
        Some(self.spoke + self.interval? / 2)
    }

    /// When the client must have been heard: after two intervals it is gone (specification, 4.2.7).
    fn hear_due(&self) -> Option<Instant> {
        Some(self.heard + self.interval? * 2)
    }
}

impl Connection {
    /// The time of [`Connection::poll_timeout`] has come, or any other.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.phase {
            Phase::Closing(due) if now >= due => self.end(),
            Phase::Closing(_) | Phase::Over(_) => {}
            _ => {
                if self.handshake_due.is_some_and(|due| now >= due)
                    || self.heartbeats.hear_due().is_some_and(|due| now >= due)
                {
                    if matches!(self.phase, Phase::Header | Phase::Started | Phase::LoggingIn) {
                        let why = "no login came in time (amqp.handshake_timeout_ms)";
                        self.effects.push_back(Effect::TurnAway(why));
                    }
                    // Nobody seems to be there to be told.
                    self.end();
                } else if self.heartbeats.speak_due().is_some_and(|due| now >= due) {
                    self.heartbeats.spoke(now);
                    if self.output.is_empty() {
                        // Nothing was said for a while.
                        self.output.give_back();
                        self.output.frame(FrameKind::Heartbeat, 0, |_| {});
                    }
                }
            }
        }
    }

    /// When [`Connection::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Closing(due) => Some(due),
            Phase::Over(until) => until,
            _ => {
                let due = [self.handshake_due, self.heartbeats.speak_due(), self.heartbeats.hear_due()];
                due.into_iter().flatten().min()
            }
        }
    }

    /// The server goes down: the client is told why.
    pub fn handle_drain(&mut self, now: Instant) {
        match self.phase {
            Phase::Open => {
                let text = "broker forced connection closure with reason 'shutdown'";
                self.fail(now, AmqpError::new(ReplyCode::ConnectionForced, text));
            }
            Phase::Closing(_) | Phase::Over(_) | Phase::Leaving => {}
            _ => self.end(),
        }
    }

    /// Somebody who looks after the broker wants it gone.
    pub fn handle_expulsion(&mut self, now: Instant, reason: &str) {
        match self.phase {
            Phase::Open => self.fail(now, AmqpError::new(ReplyCode::ConnectionForced, reason)),
            Phase::Closing(_) | Phase::Over(_) | Phase::Leaving => {}
            _ => self.end(),
        }
    }
}
