//! What a group chooses for itself, by the names that Kafka's clients know (`kafka-configs --entity-type groups`).
//!
//! It belongs to the name, not to the group: it may be there before the group is, and stays when that goes. One name has
//! settings for either kind of group; those of the kind that it is count.
mod adjustable;
mod altering;
mod choices;
mod consumer;
mod share;

use std::collections::BTreeMap;

pub use adjustable::Adjustable;
pub use altering::GroupSetting;

pub(crate) use choices::Choices;
pub(crate) use consumer::{ConsumerPace, ConsumerSettings};
pub(crate) use share::{ShareSettings, StartAt};

use crate::{GroupConfig, LogError, ShareConfig};

/// What settings are chosen from, and what is usual.
#[derive(Clone, Copy)]
pub(crate) struct Offer<'a> {
    pub groups: &'a GroupConfig,
    pub shares: &'a ShareConfig,
}

/// What one group chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupSettings {
    pub consumer: ConsumerSettings,
    pub share: ShareSettings,
}

impl GroupSettings {
    /// Reads settings that are known, of values that are allowed.
    pub(crate) fn parse(
        given: &BTreeMap<Box<str>, Box<str>>,
        offer: Offer<'_>,
    ) -> Result<GroupSettings, LogError> {
        let mut settings = GroupSettings::default();
        for (key, value) in given {
            let known = settings.consumer.take(key, value, offer.groups)?
                || settings.share.take(key, value, offer.shares)?;
            if !known {
                let known: Vec<_> = GroupSettings::usual(offer).map(|(name, _)| name).collect();
                let known = known.join(", ");
                let why = format!("groups have no setting {key:?} here; they have {known}");
                return Err(LogError::InvalidConfig(why));
            }
        }
        settings.consumer.check(offer.groups)?;
        settings.share.check(offer.shares)?;
        Ok(settings)
    }

    /// All settings, with what applies when nothing was chosen.
    pub(crate) fn usual(offer: Offer<'_>) -> impl Iterator<Item = (&'static str, String)> {
        let consumer = ConsumerSettings::usual(offer.groups).into_iter();
        consumer.chain(ShareSettings::usual(offer.shares))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &[(&str, &str)]) -> Result<GroupSettings, LogError> {
        let given = given.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let (groups, shares) = (GroupConfig::default(), ShareConfig::default());
        GroupSettings::parse(&given, Offer { groups: &groups, shares: &shares })
    }

    #[test]
    fn settings_are_checked() {
        for (key, value) in [
            ("consumer.heartbeat.interval.ms", "5000"),
            ("consumer.session.timeout.ms", " 60000 "),
            ("share.auto.offset.reset", "by_duration:PT5M"),
            ("share.isolation.level", "read_committed"),
        ] {
            assert!(parse(&[(key, value)]).is_ok(), "{key}={value}");
        }
        for (key, value) in [
            ("share.auto.offset.reset", "none"),
            ("share.auto.offset.reset", "by_duration:5"),
            ("share.isolation.level", "READ_COMMITTED"),
            ("share.record.lock.duration.ms", "100"),
            ("share.session.timeout.ms", "x"),
            ("consumer.session.timeout.ms", "44999"),
            ("consumer.heartbeat.interval.ms", "15001"),
            ("consumer.heartbeat.interval.ms", "-1"),
            ("streams.session.timeout.ms", "45000"),
            ("retention.ms", "1"),
        ] {
            assert!(parse(&[(key, value)]).is_err(), "{key}={value}");
        }
    }

    #[test]
    fn a_member_is_heard_of_within_its_session() {
        let second = std::time::Duration::from_secs(1);
        let wide = Adjustable { usual: 5 * second, least: second, most: 60 * second };
        let groups =
            GroupConfig { consumer_session: wide, consumer_heartbeat: wide, ..GroupConfig::default() };
        let shares = ShareConfig::default();
        let parse = |heartbeat: &str, session: &str| {
            let given = [
                ("consumer.heartbeat.interval.ms".into(), heartbeat.into()),
                ("consumer.session.timeout.ms".into(), session.into()),
            ];
            GroupSettings::parse(&given.into(), Offer { groups: &groups, shares: &shares })
        };
        assert!(parse("2000", "2001").is_ok());
        assert!(parse("2000", "2000").is_err());
    }

    #[test]
    fn what_is_usual_for_one_kind_does_not_refuse_what_the_other_chose() {
        let groups = GroupConfig::default();
        let same = ShareConfig::default().session;
        let shares = ShareConfig { heartbeat: same, ..ShareConfig::default() };
        let parse = |key: &str, value: &str| {
            let offer = Offer { groups: &groups, shares: &shares };
            GroupSettings::parse(&[(key.into(), value.into())].into(), offer)
        };
        assert!(parse("consumer.session.timeout.ms", "50000").is_ok());
        assert!(parse("share.session.timeout.ms", "45000").is_err());
    }
}
