//! Retry with backoff: how long a message that failed stays out of sight.
use crate::engine::Failure;
use crate::fields::{Fields, Malformed, put_varint};
use crate::{MessageId, QueueError};

/// How a queue tries messages again that failed: those that were returned, and those whose lease ended by itself.
///
/// A message that failed more often than there are retries goes to the dead-letter exchange, or away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryPolicy {
    /// After each of these waits in turn, in milliseconds.
    Delays(Vec<u64>),
    /// RabbitMQ's delayed retry: after a wait that grows by itself with every failure. How often is for the queue's
    /// delivery limit to say.
    Linear(LinearRetry),
    /// After waits that grow.
    Exponential {
        /// The first wait, in milliseconds.
        initial_ms: u64,
        /// How much longer each next wait is, in thousandths: 2000 doubles it. At least 1000.
        factor_milli: u32,
        /// The longest wait, in milliseconds.
        max_ms: u64,
        /// How much of each wait chance may take away, in percent, so that what failed together does not come back
        /// together. The chance follows from the message's id and attempt: it is the same in every run.
        jitter_percent: u8,
        /// How often a message is tried again.
        retries: u32,
    },
}

/// Waits that grow by the first one with every failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearRetry {
    /// Which messages wait.
    pub on: RetryOn,
    /// The first wait, in milliseconds.
    pub min_ms: u64,
    /// The longest wait, in milliseconds.
    pub max_ms: Option<u64>,
}

impl LinearRetry {
    /// How long a message waits whose deliveries so far count `strikes` times as failures.
    fn wait_ms(self, strikes: u32) -> u64 {
        self.min_ms.saturating_mul(strikes.max(1).into()).min(self.max_ms.unwrap_or(u64::MAX))
    }

    pub(crate) fn check(self, field: &'static str) -> Result<(), QueueError> {
        let why = match (self.min_ms, self.max_ms) {
            (0, _) => "the wait must be at least 1 ms",
            (min_ms, Some(max_ms)) if min_ms > max_ms => {
                "the longest wait must not be shorter than the first"
            }
            _ => return Ok(()),
        };
        Err(QueueError::InvalidOption { field, why: why.to_owned() })
    }

    pub(crate) fn put(self, out: &mut Vec<u8>) {
        out.push(self.on as u8);
        put_varint(out, self.min_ms);
        put_varint(out, self.max_ms.map_or(0, |max_ms| max_ms.saturating_add(1)));
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<LinearRetry, Malformed> {
        let on = fields.byte()?;
        Ok(LinearRetry {
            on: RetryOn::ALL.into_iter().find(|known| *known as u8 == on).ok_or(Malformed)?,
            min_ms: fields.varint()?,
            max_ms: fields.varint()?.checked_sub(1),
        })
    }
}

/// Which messages that come back [`RetryPolicy::Linear`] lets wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryOn {
    /// All of them.
    All,
    /// Those that failed: rejected with requeue, or their consumer fell.
    Failed,
    /// Those that did not: nacked, or kept for too long.
    Returned,
}

impl RetryOn {
    const ALL: [RetryOn; 3] = [RetryOn::All, RetryOn::Failed, RetryOn::Returned];

    /// The name that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RetryOn::All => "all",
            RetryOn::Failed => "failed",
            RetryOn::Returned => "returned",
        }
    }

    /// What has that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<RetryOn> {
        RetryOn::ALL.into_iter().find(|on| on.as_str() == name)
    }

    fn takes(self, failure: Failure) -> bool {
        match self {
            RetryOn::All => true,
            RetryOn::Failed => failure == Failure::Counts,
            RetryOn::Returned => failure == Failure::Forgiven,
        }
    }
}

/// Most waits in a list, and most retries.
const MOST_RETRIES: u32 = 1000;
const DELAYS: u8 = 0;
const EXPONENTIAL: u8 = 1;
const LINEAR: u8 = 2;

impl RetryPolicy {
    /// How often a message may be tried again.
    #[must_use]
    pub fn retries(&self) -> u32 {
        match self {
            RetryPolicy::Delays(delays) => delays.len() as u32,
            RetryPolicy::Exponential { retries, .. } => *retries,
            RetryPolicy::Linear(_) => u32::MAX,
        }
    }

    /// Whether a message that comes back has failed an attempt, which is told and counted, rather than only waits.
    pub(crate) fn tells_failures(&self) -> bool {
        !matches!(self, RetryPolicy::Linear(_))
    }

    /// How long a message waits that comes back, where coming back is all that matters.
    pub(crate) fn pause_ms(&self, failure: Failure, strikes: u32) -> Option<u64> {
        match self {
            RetryPolicy::Linear(linear) => linear.on.takes(failure).then(|| linear.wait_ms(strikes)),
            RetryPolicy::Delays(_) | RetryPolicy::Exponential { .. } => None,
        }
    }

    /// How long a message waits after its `attempt`-th delivery failed; attempts count from 1.
    #[must_use]
    pub fn wait_ms(&self, id: MessageId, attempt: u32) -> u64 {
        let failures = attempt.max(1) - 1;
        match self {
            RetryPolicy::Delays(delays) => {
                delays.get(failures as usize).or(delays.last()).copied().unwrap_or(0)
            }
            RetryPolicy::Linear(linear) => linear.wait_ms(attempt),
            RetryPolicy::Exponential { initial_ms, factor_milli, max_ms, jitter_percent, .. } => {
                let grown = *initial_ms as f64
                    * (f64::from(*factor_milli) / 1000.0).powi(failures.min(10_000) as i32);
                let wait = if grown >= *max_ms as f64 { *max_ms } else { grown as u64 };
                let most_off =
                    wait / 100 * u64::from(*jitter_percent) + wait % 100 * u64::from(*jitter_percent) / 100;
                wait - stir(id.0 ^ u64::from(attempt) << 48) % (most_off + 1)
            }
        }
    }

    pub(crate) fn check(&self) -> Result<(), QueueError> {
        let invalid = |why: String| Err(QueueError::InvalidOption { field: "retry", why });
        match self {
            RetryPolicy::Delays(delays) if delays.is_empty() || delays.len() > MOST_RETRIES as usize => {
                invalid(format!("the list of delays must have 1 to {MOST_RETRIES} entries"))
            }
            RetryPolicy::Exponential { retries, .. } if *retries == 0 || *retries > MOST_RETRIES => {
                invalid(format!("retries must be 1 to {MOST_RETRIES}"))
            }
            RetryPolicy::Exponential { factor_milli, .. } if *factor_milli < 1000 => {
                invalid("the factor must be at least 1".to_owned())
            }
            RetryPolicy::Exponential { jitter_percent, .. } if *jitter_percent > 100 => {
                invalid("the jitter must be at most the whole wait".to_owned())
            }
            RetryPolicy::Exponential { initial_ms, max_ms, .. } if initial_ms > max_ms => {
                invalid("the longest wait must not be shorter than the first".to_owned())
            }
            RetryPolicy::Linear(linear) => linear.check("retry"),
            RetryPolicy::Delays(_) | RetryPolicy::Exponential { .. } => Ok(()),
        }
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match self {
            RetryPolicy::Delays(delays) => {
                out.push(DELAYS);
                put_varint(out, delays.len() as u64);
                delays.iter().for_each(|delay| put_varint(out, *delay));
            }
            RetryPolicy::Linear(linear) => {
                out.push(LINEAR);
                linear.put(out);
            }
            RetryPolicy::Exponential { initial_ms, factor_milli, max_ms, jitter_percent, retries } => {
                out.push(EXPONENTIAL);
                let numbers = [
                    *initial_ms,
                    (*factor_milli).into(),
                    *max_ms,
                    (*jitter_percent).into(),
                    (*retries).into(),
                ];
                numbers.into_iter().for_each(|number| put_varint(out, number));
            }
        }
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<RetryPolicy, Malformed> {
        Ok(match fields.byte()? {
            DELAYS => {
                let count: usize = fields.number()?;
                if count > fields.left() {
                    return Err(Malformed);
                }
                RetryPolicy::Delays((0..count).map(|_| fields.varint()).collect::<Result<_, _>>()?)
            }
            LINEAR => RetryPolicy::Linear(LinearRetry::read(fields)?),
            EXPONENTIAL => RetryPolicy::Exponential {
                initial_ms: fields.varint()?,
                factor_milli: fields.number()?,
                max_ms: fields.varint()?,
                jitter_percent: fields.number()?,
                retries: fields.number()?,
            },
            _ => return Err(Malformed),
        })
    }
}

/// A number from a number, with every bit of it depending on every bit (splitmix64's finalizer).
fn stir(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> impl Strategy<Value = RetryPolicy> {
        prop_oneof![
            prop::collection::vec(any::<u64>(), 1..5).prop_map(RetryPolicy::Delays),
            (0usize..3, 1u64..1 << 50, proptest::option::of(0u64..1 << 50)).prop_map(|(on, min_ms, more)| {
                let max_ms = more.map(|more| min_ms + more);
                RetryPolicy::Linear(LinearRetry { on: RetryOn::ALL[on], min_ms, max_ms })
            }),
            (0u64..1 << 50, 1000u32..5000, 0u64..1 << 50, 0u8..=100, 1u32..=1000).prop_map(
                |(initial_ms, factor_milli, more, jitter_percent, retries)| RetryPolicy::Exponential {
                    initial_ms,
                    factor_milli,
                    max_ms: initial_ms + more,
                    jitter_percent,
                    retries,
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn policies_read_back(policy in policy()) {
            let mut stored = Vec::new();
            policy.put(&mut stored);
            prop_assert_eq!(RetryPolicy::read(&mut Fields::new(&stored)), Ok(policy));
        }

        #[test]
        fn waits_keep_their_bounds(policy in policy(), id: u64, attempt in 1u32..2000) {
            prop_assert!(policy.check().is_ok());
            let wait = policy.wait_ms(MessageId(id), attempt);
            prop_assert_eq!(wait, policy.wait_ms(MessageId(id), attempt));
            if let RetryPolicy::Exponential { initial_ms, max_ms, jitter_percent, .. } = policy {
                prop_assert!(wait <= max_ms);
                let most_off = initial_ms / 100 * u64::from(jitter_percent) + 100;
                prop_assert!(wait >= initial_ms.saturating_sub(most_off));
            }
        }
    }

    #[test]
    fn a_linear_wait_grows_with_the_failures_up_to_its_bound() {
        let policy = |max_ms| RetryPolicy::Linear(LinearRetry { on: RetryOn::All, min_ms: 1000, max_ms });
        let waits = |max_ms| [0, 1, 2, 3, 9].map(|strikes| policy(max_ms).wait_ms(MessageId(1), strikes));
        assert_eq!(waits(Some(2500)), [1000, 1000, 2000, 2500, 2500]);
        assert_eq!(waits(None), [1000, 1000, 2000, 3000, 9000]);
    }

    #[test]
    fn waits_grow_and_spread() {
        let policy = |jitter_percent| RetryPolicy::Exponential {
            initial_ms: 1000,
            factor_milli: 2000,
            max_ms: 10_000,
            jitter_percent,
            retries: 9,
        };
        let plain: Vec<u64> = (1..=5).map(|attempt| policy(0).wait_ms(MessageId(7), attempt)).collect();
        assert_eq!(plain, [1000, 2000, 4000, 8000, 10_000]);
        let spread: std::collections::BTreeSet<u64> =
            (0..100).map(|id| policy(50).wait_ms(MessageId(id), 1)).collect();
        assert!(spread.len() > 50 && spread.iter().all(|wait| (500..=1000).contains(wait)));
    }
}
