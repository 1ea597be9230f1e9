use std::collections::BTreeMap;
use std::time::Duration;

use message::Timestamp;

use super::in_flight::RecordState;
use crate::{Isolation, LogError};

/// A length of time that groups may choose within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjustable {
    /// What groups have that choose none.
    pub usual: Duration,
    /// The shortest that one may choose.
    pub least: Duration,
    /// The longest that one may choose.
    pub most: Duration,
}

impl Adjustable {
    const fn seconds(usual: u64, least: u64, most: u64) -> Adjustable {
        let (usual, least) = (Duration::from_secs(usual), Duration::from_secs(least));
        Adjustable { usual, least, most: Duration::from_secs(most) }
    }

    fn check(&self, key: &str, value: &str) -> Result<Duration, LogError> {
        let (least, most) = (self.least.as_millis(), self.most.as_millis());
        let chosen = value.trim().parse().map(Duration::from_millis).ok();
        chosen.filter(|chosen| *chosen >= self.least && *chosen <= self.most).ok_or_else(|| {
            LogError::InvalidConfig(format!("{key} is {least} to {most} milliseconds here, not {value:?}"))
        })
    }
}

/// What bounds share groups, and how long they wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareConfig {
    /// Groups with members or offsets, and groups with settings of their own.
    pub groups_max: usize,
    /// Members of one group (`group.share.max.size`).
    pub members_max: usize,
    /// After this silence a member is out (`group.share.session.timeout.ms`).
    pub session: Adjustable,
    /// How often a member is to be heard of (`group.share.heartbeat.interval.ms`).
    pub heartbeat: Adjustable,
    /// How long a member may keep a record (`group.share.record.lock.duration.ms`).
    pub record_lock: Adjustable,
    /// How often a record is handed out, and how many may be out.
    pub limits: ShareLimits,
}

impl Default for ShareConfig {
    fn default() -> ShareConfig {
        ShareConfig {
            groups_max: 10_000,
            members_max: 200,
            session: Adjustable::seconds(45, 45, 60),
            heartbeat: Adjustable::seconds(5, 5, 15),
            record_lock: Adjustable::seconds(30, 15, 60),
            limits: ShareLimits { deliveries: 5, record_locks: 2000 },
        }
    }
}

/// How often a record is handed out, and how many may be out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareLimits {
    /// A record that was handed out so often and comes back is archived (`group.share.delivery.count.limit`).
    pub deliveries: u16,
    /// Records of one partition that one group deals with at a time (`group.share.partition.max.record.locks`).
    pub record_locks: u64,
}

impl ShareLimits {
    /// What becomes of a record that comes back.
    pub(crate) fn released(&self, deliveries: u16) -> RecordState {
        if deliveries >= self.deliveries { RecordState::Archived } else { RecordState::Available }
    }

    /// How many of `records` that were handed out so often already go out together; none when that matters not yet.
    pub(crate) fn portion(&self, deliveries: u16, records: u64) -> Option<u64> {
        let throttled_from = self.deliveries.div_ceil(2).max(2);
        if self.deliveries > 2 && deliveries + 1 >= self.deliveries {
            return Some(1);
        }
        let halvings = deliveries.checked_sub(throttled_from)? + 1;
        Some(records.checked_shr(u32::from(halvings)).unwrap_or(0).max(1))
    }
}

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

/// The settings of a share group that clients know by these names.
pub const SHARE_GROUP_SETTINGS: [&str; 5] = [AUTO_OFFSET_RESET, HEARTBEAT, ISOLATION, RECORD_LOCK, SESSION];

const AUTO_OFFSET_RESET: &str = "share.auto.offset.reset";
const HEARTBEAT: &str = "share.heartbeat.interval.ms";
const ISOLATION: &str = "share.isolation.level";
const RECORD_LOCK: &str = "share.record.lock.duration.ms";
const SESSION: &str = "share.session.timeout.ms";

/// What one group chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShareSettings {
    start: Option<StartAt>,
    heartbeat: Option<Duration>,
    isolation: Option<Isolation>,
    record_lock: Option<Duration>,
    session: Option<Duration>,
}

impl ShareSettings {
    /// Reads settings that are known, of values that are allowed.
    pub(crate) fn parse(
        given: &BTreeMap<Box<str>, Box<str>>,
        config: &ShareConfig,
    ) -> Result<ShareSettings, LogError> {
        let mut settings = ShareSettings::default();
        for (key, value) in given {
            match &**key {
                AUTO_OFFSET_RESET => settings.start = Some(start_at(value)?),
                HEARTBEAT => settings.heartbeat = Some(config.heartbeat.check(key, value)?),
                ISOLATION => settings.isolation = Some(isolation(value)?),
                RECORD_LOCK => settings.record_lock = Some(config.record_lock.check(key, value)?),
                SESSION => settings.session = Some(config.session.check(key, value)?),
                _ => {
                    let known = SHARE_GROUP_SETTINGS.join(", ");
                    let why = format!("groups have no setting {key:?} here; they have {known}");
                    return Err(LogError::InvalidConfig(why));
                }
            }
        }
        if settings.heartbeat(config) >= settings.session(config) {
            let why = format!("{SESSION} must be longer than {HEARTBEAT}");
            return Err(LogError::InvalidConfig(why));
        }
        Ok(settings)
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
        let ms = |adjustable: Adjustable| adjustable.usual.as_millis().to_string();
        [
            (AUTO_OFFSET_RESET, "latest".to_owned()),
            (HEARTBEAT, ms(config.heartbeat)),
            (ISOLATION, "read_uncommitted".to_owned()),
            (RECORD_LOCK, ms(config.record_lock)),
            (SESSION, ms(config.session)),
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

    #[test]
    fn what_failed_often_goes_out_in_smaller_portions_and_at_last_alone() {
        let limits = |deliveries| ShareLimits { deliveries, record_locks: 2000 };
        let portions =
            |most: u16| (0..most).map(move |times| limits(most).portion(times, 500)).collect::<Vec<_>>();
        assert_eq!(portions(5), [None, None, None, Some(250), Some(1)]);
        assert_eq!(portions(6), [None, None, None, Some(250), Some(125), Some(1)]);
        assert_eq!(portions(2), [None, None]);
    }

    #[test]
    fn settings_are_checked() {
        let config = ShareConfig::default();
        let parse =
            |key: &str, value: &str| ShareSettings::parse(&[(key.into(), value.into())].into(), &config);
        assert!(parse("share.auto.offset.reset", "by_duration:PT5M").is_ok());
        assert!(parse("share.isolation.level", "read_committed").is_ok());
        for (key, value) in [
            ("share.auto.offset.reset", "none"),
            ("share.auto.offset.reset", "by_duration:5"),
            ("share.isolation.level", "READ_COMMITTED"),
            ("share.record.lock.duration.ms", "100"),
            ("share.session.timeout.ms", "x"),
            ("consumer.session.timeout.ms", "45000"),
        ] {
            assert!(parse(key, value).is_err(), "{key}={value}");
        }
    }
}
