use std::time::Duration;

use message::Timestamp;

use crate::{Isolation, LogError, ShareConfig};

/// Where a group begins in a partition that it has not read before (`share.auto.offset.reset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartAt {
    Earliest,
    Latest,
    /// At the first record that is not older than this.
    Age(Duration),
}

impl StartAt {
    fn parse(value: &str) -> Option<StartAt> {
        match value {
            "earliest" => Some(StartAt::Earliest),
            "latest" => Some(StartAt::Latest),
            other => duration(other.strip_prefix("by_duration:")?).map(StartAt::Age),
        }
    }

    /// The time to look for, when it is one.
    pub(crate) fn time(self, now: Timestamp) -> Option<i64> {
        match self {
            StartAt::Earliest | StartAt::Latest => None,
            StartAt::Age(age) => {
                Some(now.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)).max(0))
            }
        }
    }
}

/// An ISO 8601 duration as Java reads it: `PnDTnHnMn.nS`.
fn duration(text: &str) -> Option<Duration> {
    let (days, clock) = match text.strip_prefix('P')?.split_once('T') {
        Some((_, "")) => return None,
        Some((days, clock)) => (days, clock),
        None => (text.strip_prefix('P')?, ""),
    };
    let mut seconds = 0.0;
    let mut any = false;
    for (part, units) in [(days, &[('D', 86_400.0)][..]), (clock, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])]
    {
        let mut rest = part;
        for (unit, length) in units {
            let Some((number, behind)) = rest.split_once(*unit) else { continue };
            let plain =
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let number: f64 =
                number.parse().ok().filter(|_| plain && (*unit == 'S' || !number.contains('.')))?;
            seconds += number * length;
            rest = behind;
            any = true;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|_| any)
}

const AUTO_OFFSET_RESET: &str = "share.auto.offset.reset";
const HEARTBEAT: &str = "share.heartbeat.interval.ms";
const ISOLATION: &str = "share.isolation.level";
const RECORD_LOCK: &str = "share.record.lock.duration.ms";
const SESSION: &str = "share.session.timeout.ms";

/// What one group chose that matters to it as a share group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShareSettings {
    start: Option<StartAt>,
    heartbeat: Option<Duration>,
    isolation: Option<Isolation>,
    record_lock: Option<Duration>,
    session: Option<Duration>,
}

impl ShareSettings {
    /// Takes a value over if it is one for share groups; answers whether it is.
    pub(super) fn take(&mut self, key: &str, value: &str, config: &ShareConfig) -> Result<bool, LogError> {
        match key {
            AUTO_OFFSET_RESET => self.start = Some(start_at(value)?),
            HEARTBEAT => self.heartbeat = Some(config.heartbeat.check(key, value)?),
            ISOLATION => self.isolation = Some(isolation(value)?),
            RECORD_LOCK => self.record_lock = Some(config.record_lock.check(key, value)?),
            SESSION => self.session = Some(config.session.check(key, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks what must fit together, where the group chose some of it.
    pub(super) fn check(&self, config: &ShareConfig) -> Result<(), LogError> {
        if *self == ShareSettings::default() || self.heartbeat(config) < self.session(config) {
            return Ok(());
        }
        Err(LogError::InvalidConfig(format!("{SESSION} must be longer than {HEARTBEAT}")))
    }

    pub(crate) fn start(&self) -> StartAt {
        self.start.unwrap_or(StartAt::Latest)
    }

    pub(crate) fn isolation(&self) -> Isolation {
        self.isolation.unwrap_or(Isolation::ReadUncommitted)
    }

    pub(crate) fn heartbeat(&self, config: &ShareConfig) -> Duration {
        self.heartbeat.unwrap_or(config.heartbeat.usual)
    }

    pub(crate) fn record_lock(&self, config: &ShareConfig) -> Duration {
        self.record_lock.unwrap_or(config.record_lock.usual)
    }

    pub(crate) fn session(&self, config: &ShareConfig) -> Duration {
        self.session.unwrap_or(config.session.usual)
    }

    /// What applies when nothing was chosen, by name.
    pub(crate) fn usual(config: &ShareConfig) -> [(&'static str, String); 5] {
        [
            (AUTO_OFFSET_RESET, "latest".to_owned()),
            (HEARTBEAT, config.heartbeat.usual_text()),
            (ISOLATION, "read_uncommitted".to_owned()),
            (RECORD_LOCK, config.record_lock.usual_text()),
            (SESSION, config.session.usual_text()),
        ]
    }
}

fn start_at(value: &str) -> Result<StartAt, LogError> {
    StartAt::parse(value).ok_or_else(|| {
        LogError::InvalidConfig(format!(
            "{AUTO_OFFSET_RESET} is \"earliest\", \"latest\" or \"by_duration:\" and an ISO 8601 duration such as PT1H, not {value:?}"
        ))
    })
}

fn isolation(value: &str) -> Result<Isolation, LogError> {
    match value {
        "read_uncommitted" => Ok(Isolation::ReadUncommitted),
        "read_committed" => Ok(Isolation::ReadCommitted),
        _ => Err(LogError::InvalidConfig(format!(
            "{ISOLATION} is \"read_committed\" or \"read_uncommitted\", not {value:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_java_reads_them() {
        let read = |text: &str| duration(text).map(|duration| duration.as_millis());
        assert_eq!(read("PT1H"), Some(3_600_000));
        assert_eq!(read("P2DT3H4M5.5S"), Some((2 * 86_400 + 3 * 3600 + 4 * 60) * 1000 + 5500));
        assert_eq!(read("P1D"), Some(86_400_000));
        for odd in ["", "P", "PT", "1H", "PT1", "PT-1H", "-PT1H", "PT1.5H", "P1H", "PT1S1H", "PTxS"] {
            assert_eq!(read(odd), None, "{odd:?}");
        }
    }
}
