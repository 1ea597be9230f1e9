//! Settings as text, and back.
use super::TopicConfig;
use crate::batch::{Codec, TimestampType};

/// What becomes of records that are no longer needed: Kafka's `cleanup.policy`. At least one of the two is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments go, by time and by size.
    pub delete: bool,
    /// Of records with the same key the last one stays.
    pub compact: bool,
}

impl CleanupPolicy {
    /// Whether one of the two is set.
    fn is_something(self) -> bool {
        self.delete || self.compact
    }

    pub(super) fn parse(value: &str) -> Result<CleanupPolicy, String> {
        let mut policy = CleanupPolicy { delete: false, compact: false };
        for part in value.split(',').map(str::trim) {
            match part {
                "delete" => policy.delete = true,
                "compact" => policy.compact = true,
                _ => return Err("the policies are \"delete\", \"compact\" and \"compact,delete\"".to_owned()),
            }
        }
        Ok(policy)
    }

    /// The policy with these added, or taken away.
    pub(super) fn with(self, other: CleanupPolicy, present: bool) -> Option<CleanupPolicy> {
        let policy = CleanupPolicy {
            delete: if other.delete { present } else { self.delete },
            compact: if other.compact { present } else { self.compact },
        };
        policy.is_something().then_some(policy)
    }

    pub(super) fn as_str(self) -> &'static str {
        match (self.compact, self.delete) {
            (true, true) => "compact,delete",
            (true, false) => "compact",
            (false, _) => "delete",
        }
    }
}

/// Millionths, for a ratio that can be compared.
pub(super) const RATIO_ONE: i64 = 1_000_000;

pub(super) fn number(value: &str, min: i64, max: i64) -> Result<i64, String> {
    match value.trim().parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(format!("give a whole number from {min} to {max}")),
    }
}

pub(super) fn ratio(value: &str) -> Result<i64, String> {
    match value.trim().parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok((ratio * RATIO_ONE as f64).round() as i64),
        _ => Err("give a number from 0 to 1".to_owned()),
    }
}

pub(super) fn ratio_text(millionths: i64) -> String {
    (millionths as f64 / RATIO_ONE as f64).to_string()
}

pub(super) fn truth(value: &str) -> Result<bool, String> {
    match value.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("use \"true\" or \"false\"".to_owned()),
    }
}

/// None keeps what the producer chose.
pub(super) fn compression(value: &str) -> Result<Option<Codec>, String> {
    Ok(match value.trim() {
        "producer" => None,
        "uncompressed" | "none" => Some(Codec::None),
        "gzip" => Some(Codec::Gzip),
        "snappy" => Some(Codec::Snappy),
        "lz4" => Some(Codec::Lz4),
        "zstd" => Some(Codec::Zstd),
        _ => {
            let known = "\"producer\", \"uncompressed\", \"gzip\", \"snappy\", \"lz4\" or \"zstd\"";
            return Err(format!("use {known}"));
        }
    })
}

pub(super) fn compression_text(config: &TopicConfig) -> &'static str {
    match config.compression {
        None => "producer",
        Some(Codec::None) => "uncompressed",
        Some(codec) => codec.as_str(),
    }
}

/// Kafka takes -1 for the library's own choice, and nothing else below 1.
pub(super) fn gzip_level(value: &str) -> Result<i32, String> {
    match value.trim().parse::<i32>() {
        Ok(level @ (-1 | 1..=9)) => Ok(level),
        _ => Err("give a whole number from 1 to 9, or -1 for the usual level".to_owned()),
    }
}

pub(super) fn timestamp_type(value: &str) -> Result<TimestampType, String> {
    match value.trim() {
        "CreateTime" => Ok(TimestampType::CreateTime),
        "LogAppendTime" => Ok(TimestampType::LogAppendTime),
        _ => Err("use \"CreateTime\" or \"LogAppendTime\"".to_owned()),
    }
}

pub(super) fn timestamp_type_text(value: TimestampType) -> &'static str {
    match value {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}
