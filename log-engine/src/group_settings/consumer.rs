use std::time::Duration;

use crate::{GroupConfig, LogError};

const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";
const SESSION: &str = "consumer.session.timeout.ms";

/// What one group chose that matters to its KIP-848 members; those of the classic protocol choose for themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConsumerSettings {
    heartbeat: Option<Duration>,
    session: Option<Duration>,
}

/// How a KIP-848 member is kept: what its group chose, or what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConsumerPace {
    /// How often it is to be heard of.
    pub heartbeat: Duration,
    /// After this silence it is out.
    pub session: Duration,
}

impl ConsumerSettings {
    /// Takes a value over if it is one for consumer groups; answers whether it is.
    pub(super) fn take(&mut self, key: &str, value: &str, config: &GroupConfig) -> Result<bool, LogError> {
        match key {
            HEARTBEAT => self.heartbeat = Some(config.consumer_heartbeat.check(key, value)?),
            SESSION => self.session = Some(config.consumer_session.check(key, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks what must fit together, where the group chose some of it.
    pub(super) fn check(&self, config: &GroupConfig) -> Result<(), LogError> {
        let pace = self.pace(config);
        if *self == ConsumerSettings::default() || pace.heartbeat < pace.session {
            return Ok(());
        }
        Err(LogError::InvalidConfig(format!("{SESSION} must be longer than {HEARTBEAT}")))
    }

    pub(crate) fn pace(&self, config: &GroupConfig) -> ConsumerPace {
        ConsumerPace {
            heartbeat: self.heartbeat.unwrap_or(config.consumer_heartbeat.usual),
            session: self.session.unwrap_or(config.consumer_session.usual),
        }
    }

    /// What applies when nothing was chosen, by name.
    pub(super) fn usual(config: &GroupConfig) -> [(&'static str, String); 2] {
        [(HEARTBEAT, config.consumer_heartbeat.usual_text()), (SESSION, config.consumer_session.usual_text())]
    }
}
