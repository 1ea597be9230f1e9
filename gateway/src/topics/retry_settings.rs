use message::ErrorCode;
use queue_engine::{LinearRetry, RetryOn, RetryPolicy};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// How a queue tries messages again that failed. One that failed more often is dead-lettered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum RetrySettings {
    /// After each of these waits in turn.
    Delays(RetryDelays),
    /// After waits that grow.
    Backoff(RetryBackoff),
    /// After waits that grow by the first one with each failure, as RabbitMQ's delayed retry has it.
    Linear(RetryLinear),
}

/// After waits that grow by the first one with each failure, as RabbitMQ's delayed retry has it. How often is for the
/// queue's `delivery_limit` to say; attempts that failed are not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryLinear {
    /// Which messages that come back wait.
    pub on: RetryReason,
    /// The first wait, in milliseconds.
    #[schema(minimum = 1, maximum = 1125899906842624u64)]
    pub min_ms: u64,
    /// The longest wait, in milliseconds; not shorter than the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1125899906842624u64, nullable = false)]
    pub max_ms: Option<u64>,
}

/// Which messages that come back wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RetryReason {
    /// All of them.
    All,
    /// Those that failed: settled with `fail`, rejected with requeue over AMQP, or their consumer fell.
    Failed,
    /// Those that did not: nacked, or kept for too long.
    Returned,
}

/// After each of these waits in turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryDelays {
    /// The wait after the first failure, after the second, and so on, in milliseconds.
    #[schema(min_items = 1, max_items = 1000)]
    pub delays_ms: Vec<RetryDelay>,
}

/// A wait, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(value_type = u64, minimum = 0, maximum = 1125899906842624u64)]
pub struct RetryDelay(pub u64);

/// After waits that grow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryBackoff {
    /// The first wait, in milliseconds.
    #[schema(minimum = 0, maximum = 1125899906842624u64)]
    pub initial_ms: u64,
    /// The longest wait, in milliseconds; not shorter than the first.
    #[schema(minimum = 0, maximum = 1125899906842624u64)]
    pub max_ms: u64,
    /// How many times as long each next wait is.
    #[serde(default = "double")]
    #[schema(minimum = 1, maximum = 1000, default = 2.0)]
    pub multiplier: f64,
    /// How much of each wait chance may take away, from 0 (nothing) to 1 (all of it).
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1, default = 0.0)]
    pub jitter: f64,
    /// How often a message is tried again.
    #[schema(minimum = 1, maximum = 1000)]
    pub retries: u32,
}

fn double() -> f64 {
    2.0
}

impl<'de> Deserialize<'de> for RetrySettings {
    /// Told apart by the member that only one of them has, so that a fault in one is named as such.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<RetrySettings, D::Error> {
        use serde::de::Error as _;
        let value = serde_json::Value::deserialize(from)?;
        let read = if value.get("delays_ms").is_some() {
            serde_json::from_value(value).map(RetrySettings::Delays)
        } else if value.get("min_ms").is_some() {
            serde_json::from_value(value).map(RetrySettings::Linear)
        } else {
            serde_json::from_value(value).map(RetrySettings::Backoff)
        };
        read.map_err(D::Error::custom)
    }
}

/// The longest wait.
const LONGEST_MS: u64 = 1 << 50;

impl RetryLinear {
    /// The member that cannot be as it is, what kind of fault that is, and what to do.
    pub(crate) fn fault(&self) -> Option<(&'static str, ErrorCode, &'static str)> {
        let RetryLinear { min_ms, max_ms, .. } = *self;
        let fits = |ms: u64| (1..=LONGEST_MS).contains(&ms);
        let checks = [("min_ms", fits(min_ms)), ("max_ms", max_ms.is_none_or(fits))];
        let alone = checks.into_iter().find(|(_, fits)| !fits);
        let together = max_ms.is_some_and(|max_ms| max_ms < min_ms).then_some((
            "max_ms",
            ErrorCode::ConflictingSettings,
            "this is at least min_ms",
        ));
        alone.map(|(name, _)| (name, ErrorCode::InvalidConfig, "this is from 1 to 2^50")).or(together)
    }
}

impl From<RetryLinear> for LinearRetry {
    fn from(settings: RetryLinear) -> LinearRetry {
        let RetryLinear { on, min_ms, max_ms } = settings;
        let on = match on {
            RetryReason::All => RetryOn::All,
            RetryReason::Failed => RetryOn::Failed,
            RetryReason::Returned => RetryOn::Returned,
        };
        LinearRetry { on, min_ms, max_ms }
    }
}

impl From<LinearRetry> for RetryLinear {
    fn from(retry: LinearRetry) -> RetryLinear {
        let LinearRetry { on, min_ms, max_ms } = retry;
        let on = match on {
            RetryOn::All => RetryReason::All,
            RetryOn::Failed => RetryReason::Failed,
            RetryOn::Returned => RetryReason::Returned,
        };
        RetryLinear { on, min_ms, max_ms }
    }
}

impl RetrySettings {
    /// The member that cannot be as it is, what kind of fault that is, and what to do.
    pub(crate) fn fault(&self) -> Option<(&'static str, ErrorCode, &'static str)> {
        match self {
            RetrySettings::Delays(RetryDelays { delays_ms }) => {
                let fits = (1..=1000).contains(&delays_ms.len());
                let each = delays_ms.iter().all(|delay| delay.0 <= LONGEST_MS);
                let why = "this is a list of 1 to 1000 waits, each at most 2^50 ms";
                (!fits || !each).then_some(("delays_ms", ErrorCode::InvalidConfig, why))
            }
            RetrySettings::Linear(linear) => linear.fault(),
            RetrySettings::Backoff(backoff) => {
                let RetryBackoff { initial_ms, max_ms, multiplier, jitter, retries } = backoff;
                let checks = [
                    ("initial_ms", *initial_ms <= LONGEST_MS, "this is at most 2^50"),
                    ("max_ms", *max_ms <= LONGEST_MS, "this is at most 2^50"),
                    ("multiplier", (1.0..=1000.0).contains(multiplier), "this is from 1 to 1000"),
                    ("jitter", (0.0..=1.0).contains(jitter), "this is from 0 to 1"),
                    ("retries", (1..=1000).contains(retries), "this is from 1 to 1000"),
                ];
                let alone = checks.iter().find(|(_, fits, _)| !fits);
                let together = (initial_ms > max_ms).then_some((
                    "max_ms",
                    ErrorCode::ConflictingSettings,
                    "this is at least initial_ms",
                ));
                alone.map(|(name, _, why)| (*name, ErrorCode::InvalidConfig, *why)).or(together)
            }
        }
    }
}

impl From<RetrySettings> for RetryPolicy {
    fn from(settings: RetrySettings) -> RetryPolicy {
        match settings {
            RetrySettings::Delays(RetryDelays { delays_ms }) => {
                RetryPolicy::Delays(delays_ms.into_iter().map(|delay| delay.0).collect())
            }
            RetrySettings::Linear(linear) => RetryPolicy::Linear(linear.into()),
            RetrySettings::Backoff(backoff) => RetryPolicy::Exponential {
                initial_ms: backoff.initial_ms,
                factor_milli: (backoff.multiplier * 1000.0).round() as u32,
                max_ms: backoff.max_ms,
                jitter_percent: (backoff.jitter * 100.0).round() as u8,
                retries: backoff.retries,
            },
        }
    }
}

impl From<RetryPolicy> for RetrySettings {
    fn from(policy: RetryPolicy) -> RetrySettings {
        match policy {
            RetryPolicy::Delays(delays) => {
                RetrySettings::Delays(RetryDelays { delays_ms: delays.into_iter().map(RetryDelay).collect() })
            }
            RetryPolicy::Linear(linear) => RetrySettings::Linear(linear.into()),
            RetryPolicy::Exponential { initial_ms, factor_milli, max_ms, jitter_percent, retries } => {
                RetrySettings::Backoff(RetryBackoff {
                    initial_ms,
                    max_ms,
                    multiplier: f64::from(factor_milli) / 1000.0,
                    jitter: f64::from(jitter_percent) / 100.0,
                    retries,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_shown() {
        for text in [
            r#"{"delays_ms":[0,1000]}"#,
            r#"{"on":"failed","min_ms":5,"max_ms":9}"#,
            r#"{"on":"all","min_ms":5}"#,
            r#"{"initial_ms":100,"max_ms":60000,"multiplier":1.5,"jitter":0.25,"retries":9}"#,
        ] {
            let settings: RetrySettings = serde_json::from_str(text).unwrap();
            assert_eq!(settings.fault(), None);
            let shown = RetrySettings::from(RetryPolicy::from(settings.clone()));
            assert_eq!(serde_json::to_string(&shown).unwrap(), text);
        }
        let defaults: RetrySettings =
            serde_json::from_str(r#"{"initial_ms":1,"max_ms":1,"retries":1}"#).unwrap();
        assert!(matches!(
            defaults,
            RetrySettings::Backoff(RetryBackoff { multiplier: 2.0, jitter: 0.0, .. })
        ));
    }

    #[test]
    fn faults_are_named() {
        for (text, name) in [
            (r#"{"delays_ms":[]}"#, "delays_ms"),
            (r#"{"initial_ms":9,"max_ms":1,"retries":1}"#, "max_ms"),
            (r#"{"on":"all","min_ms":0}"#, "min_ms"),
            (r#"{"on":"all","min_ms":5,"max_ms":4}"#, "max_ms"),
            (r#"{"initial_ms":1,"max_ms":1,"retries":0}"#, "retries"),
            (r#"{"initial_ms":1,"max_ms":1,"retries":1,"multiplier":0.5}"#, "multiplier"),
            (r#"{"initial_ms":1,"max_ms":1,"retries":1,"jitter":1.5}"#, "jitter"),
        ] {
            let settings: RetrySettings = serde_json::from_str(text).unwrap();
            assert_eq!(settings.fault().map(|(name, ..)| name), Some(name));
        }
        let unknown = serde_json::from_str::<RetrySettings>(r#"{"delay_ms":[1]}"#).unwrap_err().to_string();
        assert!(unknown.starts_with("unknown field `delay_ms`"), "{unknown}");
    }
}
