use super::*;

fn change(
    config: &mut TopicConfig,
    changes: &[(&str, ConfigChange)],
    defaults: &TopicConfig,
) -> Result<(), LogError> {
    config.change(changes.iter().map(|(name, change)| (*name, change)), defaults)
}

fn entry(config: &TopicConfig, name: &str) -> ConfigEntry {
    config.describe().into_iter().find(|entry| entry.name == name).unwrap()
}

#[test]
fn has_kafkas_defaults_and_tells_where_values_come_from() {
    let config = TopicConfig::parse([("segment.bytes", "4096"), ("compression.lz4.level", "9")]).unwrap();
    for (name, value) in [
        ("retention.ms", "604800000"),
        ("max.message.bytes", "1048588"),
        ("cleanup.policy", "delete"),
        ("compression.type", "producer"),
        ("delete.retention.ms", "86400000"),
        ("flush.messages", "9223372036854775807"),
        ("message.timestamp.after.max.ms", "3600000"),
        ("message.timestamp.before.max.ms", "9223372036854775807"),
        ("min.cleanable.dirty.ratio", "0.5"),
        ("segment.index.bytes", "10485760"),
        ("min.insync.replicas", "1"),
    ] {
        assert_eq!(entry(&config, name).value, value, "{name}");
    }
    assert_eq!(entry(&config, "segment.bytes").source, ConfigSource::Topic);
    assert_eq!(entry(&config, "retention.ms").source, ConfigSource::Default);
    assert_eq!(TopicConfig::parse(config.explicit()).unwrap(), config);
}

#[test]
fn the_brokers_own_settings_lie_between() {
    let broker = TopicConfig::parse([("retention.ms", "5000")]).unwrap().as_broker_defaults();
    let mut config = broker.with([("segment.bytes", "4096")]).unwrap();
    assert_eq!(config.retention_ms(), Some(5000));
    assert_eq!(entry(&config, "retention.ms").source, ConfigSource::Broker);
    assert_eq!(config.explicit().into_keys().collect::<Vec<_>>(), ["segment.bytes"]);
    change(&mut config, &[("retention.ms", ConfigChange::Set("7".into()))], &broker).unwrap();
    assert_eq!(
        (config.retention_ms(), entry(&config, "retention.ms").source),
        (Some(7), ConfigSource::Topic)
    );
    change(&mut config, &[("retention.ms", ConfigChange::Unset)], &broker).unwrap();
    assert_eq!(
        (config.retention_ms(), entry(&config, "retention.ms").source),
        (Some(5000), ConfigSource::Broker)
    );
}

#[test]
fn every_key_reads_back_what_it_shows() {
    let config = TopicConfig::default();
    let all: Vec<_> = config.describe().into_iter().map(|entry| (entry.name, entry.value)).collect();
    let mut again = TopicConfig::parse(all.clone()).unwrap();
    assert_eq!(again.explicit().len(), TopicConfig::keys().len());
    let unset: Vec<_> = all.iter().map(|(name, _)| (*name, ConfigChange::Unset)).collect();
    change(&mut again, &unset, &TopicConfig::default()).unwrap();
    assert_eq!(again, config);
    assert!(TopicConfig::keys().len() <= 32, "one bit for each key");
}

#[test]
fn lists_grow_and_shrink() {
    let defaults = TopicConfig::default();
    let mut config = defaults;
    let policy = "cleanup.policy";
    change(&mut config, &[(policy, ConfigChange::Append("compact".into()))], &defaults).unwrap();
    assert_eq!(entry(&config, policy).value, "compact,delete");
    assert_eq!(config.cleanup(), CleanupPolicy { delete: true, compact: true });
    change(&mut config, &[(policy, ConfigChange::Subtract("delete".into()))], &defaults).unwrap();
    assert_eq!((entry(&config, policy).value.as_str(), config.retention_ms()), ("compact", None));
    assert!(change(&mut config, &[(policy, ConfigChange::Subtract("compact".into()))], &defaults).is_err());
    assert!(change(&mut config, &[("retention.ms", ConfigChange::Append("1".into()))], &defaults).is_err());
}

#[test]
fn changes_are_made_all_or_none() {
    let defaults = TopicConfig::default();
    let mut config = defaults;
    let changes =
        [("retention.ms", ConfigChange::Set("5".into())), ("segment.ms", ConfigChange::Set("0".into()))];
    assert!(change(&mut config, &changes, &defaults).is_err());
    assert_eq!(config, defaults);
}

#[test]
fn keys_of_older_kafka_keep_their_meaning_or_are_refused() {
    let config = TopicConfig::parse([
        ("message.timestamp.difference.max.ms", "60000"),
        ("message.format.version", "3.0-IV1"),
        ("message.downconversion.enable", "false"),
    ])
    .unwrap();
    assert_eq!(config.timestamp_bounds(Timestamp(100_000)), Some(40_000..=160_000));
    assert_eq!(config.explicit().len(), 2);
    assert!(TopicConfig::parse([("message.format.version", "0.10.2")]).is_err());
}

#[test]
fn refuses_what_it_does_not_enforce() {
    for (name, value) in [
        ("cleanup.policy", "shred"),
        ("cleanup.policy", ""),
        ("compression.type", "brotli"),
        ("compression.gzip.level", "0"),
        ("compression.zstd.level", "23"),
        ("compression.lz4.level", "0"),
        ("compression.lz4.level", "18"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("min.insync.replicas", "2"),
        ("remote.storage.enable", "true"),
        ("preallocate", "yes"),
        ("retention.ms", "-2"),
        ("retention.ms", "soon"),
        ("segment.bytes", "10"),
        ("colour", "blue"),
    ] {
        let error = TopicConfig::parse([(name, value)]).unwrap_err();
        assert_eq!(error.code(), message::ErrorCode::InvalidConfig, "{name}={value}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let lags = [("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "9")];
    let refused = TopicConfig::parse(lags).unwrap_err();
    assert_eq!(refused.code(), message::ErrorCode::ConflictingSettings);
}

#[test]
fn jitter_ends_segments_at_different_times_and_compaction_lag_early() {
    let at = |base| (PartitionId(3), Offset(base));
    let config = TopicConfig::parse([("segment.ms", "1000"), ("segment.jitter.ms", "900")]).unwrap();
    let old =
        |ms: i64| (0..100).filter(|n| config.is_segment_old(at(*n), Timestamp(0), Timestamp(ms))).count();
    assert_eq!((old(99), old(1000)), (0, 100));
    assert!((20..80).contains(&old(550)), "{}", old(550));
    let config =
        TopicConfig::parse([("cleanup.policy", "compact"), ("max.compaction.lag.ms", "50")]).unwrap();
    assert!(config.is_segment_old(at(0), Timestamp(0), Timestamp(50)));
}

#[test]
fn dirt_is_measured_against_everything() {
    let config = TopicConfig::default();
    assert!(!config.is_dirty_enough(50, 100));
    assert!(config.is_dirty_enough(51, 100));
    let eager = TopicConfig::parse([("min.cleanable.dirty.ratio", "0")]).unwrap();
    assert!(eager.is_dirty_enough(1, u64::MAX) && !eager.is_dirty_enough(0, 10));
}

/// Every key that Kafka 4.2.0 takes for a topic, with its default: what `LogConfig.nonInternalConfigNames` and
/// `LogConfig.configKeys` of its broker answer.
const OF_KAFKA_4_2: [(&str, &str); 33] = [
    ("cleanup.policy", "delete"),
    ("compression.gzip.level", "-1"),
    ("compression.lz4.level", "9"),
    ("compression.type", "producer"),
    ("compression.zstd.level", "3"),
    ("delete.retention.ms", "86400000"),
    ("file.delete.delay.ms", "60000"),
    ("flush.messages", "9223372036854775807"),
    ("flush.ms", "9223372036854775807"),
    ("follower.replication.throttled.replicas", ""),
    ("index.interval.bytes", "4096"),
    ("leader.replication.throttled.replicas", ""),
    ("local.retention.bytes", "-2"),
    ("local.retention.ms", "-2"),
    ("max.compaction.lag.ms", "9223372036854775807"),
    ("max.message.bytes", "1048588"),
    ("message.timestamp.after.max.ms", "3600000"),
    ("message.timestamp.before.max.ms", "9223372036854775807"),
    ("message.timestamp.type", "CreateTime"),
    ("min.cleanable.dirty.ratio", "0.5"),
    ("min.compaction.lag.ms", "0"),
    ("min.insync.replicas", "1"),
    ("preallocate", "false"),
    ("remote.log.copy.disable", "false"),
    ("remote.log.delete.on.disable", "false"),
    ("remote.storage.enable", "false"),
    ("retention.bytes", "-1"),
    ("retention.ms", "604800000"),
    ("segment.bytes", "1073741824"),
    ("segment.index.bytes", "10485760"),
    ("segment.jitter.ms", "0"),
    ("segment.ms", "604800000"),
    ("unclean.leader.election.enable", "false"),
];

#[test]
fn every_key_of_kafka_is_known_with_its_default_and_does_something_or_takes_one_value() {
    let described = TopicConfig::default().describe();
    let names: Vec<_> = described.iter().map(|entry| entry.name).collect();
    let mut expected: Vec<_> = OF_KAFKA_4_2.iter().map(|(name, _)| *name).collect();
    let mut found = names.clone();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "what describing shows");
    for (name, default) in OF_KAFKA_4_2 {
        // The one exception, which the type's documentation tells.
        let default = if name == "file.delete.delay.ms" { "0" } else { default };
        assert_eq!(entry(&TopicConfig::default(), name).value, default, "{name}");
        let enforced = TopicConfig::keys().iter().any(|key| key.name == name);
        let fixed = TopicConfig::fixed_keys().any(|key| key.name == name);
        assert!(enforced != fixed, "{name} is enforced, or takes only one value");
        // Whatever no key can mean is refused, naming the key.
        let refused = TopicConfig::parse([(name, "\u{1}")]).unwrap_err();
        assert!(refused.to_string().contains(name), "{refused}");
    }
}
