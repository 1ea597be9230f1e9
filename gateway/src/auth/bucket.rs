use std::time::Duration;

use message::Timestamp;

/// Longest wait that is told at a time.
const WAIT_MAX_S: f64 = 3600.0;
/// What fractions of tokens may be out by: less than that is not waited for.
const ROUNDING: f64 = 1e-6;

/// A bucket of tokens: it fills at a rate, up to what one second brings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Bucket {
    /// A full one, whatever its rate.
    #[must_use]
    pub fn full(now: Timestamp) -> Bucket {
        Bucket { tokens: f64::INFINITY, at: now }
    }

    /// Takes `amount`, if need be below empty; answers how long whoever took it has to wait before taking more.
    pub fn take(&mut self, amount: u64, rate: u64, now: Timestamp) -> Duration {
        self.fill(rate, now);
        self.tokens -= amount as f64;
        wait_for(-self.tokens, rate)
    }

    /// How long it takes until `amount` may be taken without owing anything. What is more than the bucket holds may be
    /// taken from a full one, and is paid for by whoever comes next.
    pub fn wait_for(&mut self, amount: u64, rate: u64, now: Timestamp) -> Duration {
        self.fill(rate, now);
        wait_for(amount.min(rate) as f64 - self.tokens, rate)
    }

    /// What may be taken now without owing anything.
    pub fn left(&mut self, rate: u64, now: Timestamp) -> u64 {
        self.fill(rate, now);
        // Below empty is nothing.
        self.tokens as u64
    }

    /// Whether it is below empty still, should nobody have looked since: an hour pays for everything.
    pub fn owes(&self, now: Timestamp) -> bool {
        self.tokens < 0.0 && now.since(self.at).as_secs_f64() < WAIT_MAX_S
    }

    fn fill(&mut self, rate: u64, now: Timestamp) {
        let gained = now.since(self.at).as_secs_f64() * rate as f64;
        self.at = self.at.max(now);
        self.tokens = (self.tokens + gained).min(rate as f64);
    }
}

fn wait_for(missing: f64, rate: u64) -> Duration {
    if missing <= ROUNDING {
        return Duration::ZERO;
    }
    // Told in whole milliseconds, so that whoever waits as long finds what it waited for.
    let ms = (missing / rate.max(1) as f64).min(WAIT_MAX_S) * 1000.0;
    Duration::from_millis(ms.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bucket_gives_what_a_second_brings_and_then_its_rate() {
        let mut bucket = Bucket::full(Timestamp(0));
        assert_eq!(bucket.left(1000, Timestamp(0)), 1000);
        assert_eq!(bucket.take(1000, 1000, Timestamp(0)), Duration::ZERO);
        assert_eq!(bucket.wait_for(1, 1000, Timestamp(0)), Duration::from_millis(1));
        assert_eq!(bucket.take(500, 1000, Timestamp(0)), Duration::from_millis(500));
        assert_eq!(bucket.left(1000, Timestamp(0)), 0);
        assert_eq!(bucket.wait_for(0, 1000, Timestamp(250)), Duration::from_millis(250));
        assert_eq!(bucket.wait_for(100, 1000, Timestamp(500)), Duration::from_millis(100));
        assert_eq!(
            bucket.wait_for(5000, 1000, Timestamp(1500)),
            Duration::ZERO,
            "a full one gives more than it has"
        );
        assert_eq!(bucket.take(5000, 1000, Timestamp(1500)), Duration::from_secs(4));
    }

    #[test]
    fn time_that_goes_backwards_gives_nothing() {
        let mut bucket = Bucket::full(Timestamp(1000));
        bucket.take(10, 10, Timestamp(1000));
        assert_eq!(bucket.take(0, 10, Timestamp(0)), Duration::ZERO);
        assert!(!bucket.take(1, 10, Timestamp(1000)).is_zero());
    }

    #[test]
    fn a_rounding_error_is_not_waited_for() {
        // After the time that was told, half a million-millionth of a token was missing.
        let mut bucket = Bucket::full(Timestamp(0));
        bucket.take(3387, 300, Timestamp(0));
        let wait = bucket.wait_for(2115, 300, Timestamp(0)).as_millis() as i64;
        assert_eq!(bucket.wait_for(2115, 300, Timestamp(wait)), Duration::ZERO);
    }

    /// What was taken at which time, within every stretch of time.
    fn check(taken: &[(i64, u64)], rate: u64, burst: u64) -> Result<(), TestCaseError> {
        for (first, (from, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for (to, amount) in &taken[first..] {
                sum += amount;
                let allowed = (to - from) as f64 / 1000.0 * rate as f64 + burst as f64;
                prop_assert!(sum as f64 <= allowed + 1e-5, "{sum} from {from} to {to}, allowed {allowed}");
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn who_is_refused_never_takes_more_than_the_rate_and_one_burst(
            rate in 1u64..5000,
            wishes in proptest::collection::vec((0i64..700, 1u64..3000), 1..60),
        ) {
            let mut bucket = Bucket::full(Timestamp(0));
            let (mut now, mut taken, mut largest) = (0, Vec::new(), rate);
            for (pause, amount) in wishes {
                now += pause;
                if bucket.wait_for(amount, rate, Timestamp(now)).is_zero() {
                    bucket.take(amount, rate, Timestamp(now));
                    taken.push((now, amount));
                    largest = largest.max(amount);
                }
            }
            check(&taken, rate, largest)?;
        }

        #[test]
        fn who_waits_as_told_takes_no_more_than_the_rate_one_burst_and_one_request(
            rate in 1u64..5000,
            wishes in proptest::collection::vec((0i64..700, 1u64..3000), 1..60),
        ) {
            let mut bucket = Bucket::full(Timestamp(0));
            let (mut now, mut taken, mut largest) = (0, Vec::new(), 0);
            for (pause, amount) in wishes {
                now += pause;
                let wait = bucket.take(amount, rate, Timestamp(now));
                taken.push((now, amount));
                largest = largest.max(amount);
                now += wait.as_millis() as i64;
            }
            check(&taken, rate, rate + largest)?;
        }

        #[test]
        fn whoever_waits_as_told_is_let_in(rate in 1u64..5000, first in 1u64..9000, then in 1u64..9000) {
            let mut bucket = Bucket::full(Timestamp(0));
            bucket.take(first, rate, Timestamp(0));
            let wait = bucket.wait_for(then, rate, Timestamp(0));
            // A longer wait is told in parts.
            prop_assume!(wait < Duration::from_secs_f64(WAIT_MAX_S));
            let wait = wait.as_millis() as i64;
            prop_assert_eq!(bucket.wait_for(then, rate, Timestamp(wait)), Duration::ZERO);
        }
    }
}
