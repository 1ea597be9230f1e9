//! How much somebody may use: what is set, which of it counts for whom, and the buckets that measure it.

use std::time::Duration;

use message::Timestamp;
use serde::{Deserialize, Serialize};

/// One part of whom a quota is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Each one that has no quota of its own.
    Default,
    /// This one.
    Named(Box<str>),
}

/// Whom a quota is for. A part that is absent is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QuotaEntity {
    /// A user.
    pub user: Option<Part>,
    /// What a client calls itself.
    pub client_id: Option<Part>,
    /// The address that it comes from.
    pub address: Option<Part>,
}

/// What may be used; what is absent is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaLimits {
    /// Bytes of messages in, a second.
    pub produce_bytes_per_s: Option<u64>,
    /// Bytes of messages out, a second.
    pub consume_bytes_per_s: Option<u64>,
    /// Requests or batches of commands, a second.
    pub requests_per_s: Option<u64>,
    /// Connections at a time.
    pub connections: Option<u64>,
    /// Topics of either model that it may have made and not deleted.
    pub topics: Option<u64>,
}

impl QuotaLimits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == QuotaLimits::default()
    }
}

/// Who uses something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer<'a> {
    /// The user; `None` is nobody by name.
    pub user: Option<&'a str>,
    /// What the client calls itself, where a door has that.
    pub client_id: Option<&'a str>,
    /// The address that it comes from.
    pub address: &'a str,
}

impl QuotaEntity {
    /// Entities that would count for somebody, the first that is set first: what names more goes before what names less,
    /// and the user before the client before the address, as in Kafka.
    #[must_use]
    pub fn candidates(who: Consumer<'_>) -> Vec<QuotaEntity> {
        let of = |name: &str| Some(Part::Named(name.into()));
        let mut found = Vec::with_capacity(10);
        let users = [who.user.map(of), who.user.map(|_| Some(Part::Default))];
        let clients = [who.client_id.map(of), who.client_id.map(|_| Some(Part::Default))];
        for user in users.iter().flatten() {
            for client_id in clients.iter().flatten().cloned() {
                found.push(QuotaEntity { user: user.clone(), client_id, address: None });
            }
            found.push(QuotaEntity { user: user.clone(), ..QuotaEntity::default() });
        }
        for client_id in clients.into_iter().flatten() {
            found.push(QuotaEntity { client_id, ..QuotaEntity::default() });
        }
        for address in [of(who.address), Some(Part::Default)] {
            found.push(QuotaEntity { address, ..QuotaEntity::default() });
        }
        found
    }
}

/// A bucket of tokens: it fills at a rate up to what one second brings, and may go below empty once, so that one large
/// request is let through and paid for by waiting after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn full(rate: u64, now: Timestamp) -> Bucket {
        Bucket { tokens: rate as f64, at: now }
    }

    /// Takes `amount`; answers how long whoever took it must wait before taking more.
    pub fn take(&mut self, amount: u64, rate: u64, now: Timestamp) -> Duration {
        let rate = rate.max(1) as f64;
        let gained = now.since(self.at).as_secs_f64() * rate;
        self.at = self.at.max(now);
        self.tokens = (self.tokens + gained).min(rate) - amount as f64;
        if self.tokens >= 0.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64((-self.tokens / rate).min(3600.0))
        }
    }

    /// How long it takes until it is not below empty.
    #[must_use]
    pub fn wait(&self, rate: u64, now: Timestamp) -> Duration {
        let mut later = *self;
        later.take(0, rate, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_the_rate_through_and_no_more() {
        let mut bucket = Bucket::full(1000, Timestamp(0));
        assert_eq!(bucket.take(1000, 1000, Timestamp(0)), Duration::ZERO);
        assert_eq!(bucket.take(500, 1000, Timestamp(0)), Duration::from_millis(500));
        assert_eq!(bucket.wait(1000, Timestamp(250)), Duration::from_millis(250));
        assert_eq!(bucket.take(0, 1000, Timestamp(500)), Duration::ZERO);
        let mut passed = 0;
        let mut bucket = Bucket::full(1000, Timestamp(0));
        for ms in 0..10_000 {
            if bucket.wait(1000, Timestamp(ms)).is_zero() {
                bucket.take(7, 1000, Timestamp(ms));
                passed += 7;
            }
        }
        assert!((10_000..=11_010).contains(&passed), "{passed} in ten seconds");
    }

    #[test]
    fn time_that_goes_backwards_gives_nothing() {
        let mut bucket = Bucket::full(10, Timestamp(1000));
        bucket.take(10, 10, Timestamp(1000));
        assert_eq!(bucket.take(0, 10, Timestamp(0)), Duration::ZERO);
        assert!(!bucket.take(1, 10, Timestamp(1000)).is_zero());
    }

    #[test]
    fn the_closest_quota_comes_first() {
        let who = Consumer { user: Some("u"), client_id: Some("c"), address: "::1" };
        let candidates = QuotaEntity::candidates(who);
        assert_eq!(candidates.len(), 10);
        let first = QuotaEntity {
            user: Some(Part::Named("u".into())),
            client_id: Some(Part::Named("c".into())),
            address: None,
        };
        assert_eq!(candidates[0], first);
        let nobody = Consumer { user: None, client_id: None, address: "::1" };
        assert_eq!(QuotaEntity::candidates(nobody).len(), 2);
    }
}
