use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use message::ErrorCode;
use parking_lot::{MutexGuard, RwLock};
use tokio::time::Instant;

use super::bucket::Bucket;
use super::guard::Guard;
use super::origin::Origin;
use super::quota::{Consumer, InForce, Measure, NAME_CHARS, QuotaEntity};
use super::quota_book::{Account, DOORS};
use crate::refusal::Refusal;

/// What somebody's use is measured by. Quotas are looked up once for each connection or login, and again only after users,
/// rules or quotas changed: who has none pays for a look at a number. Cheap to clone.
///
/// The default one measures nothing: the server's own use.
#[derive(Clone, Default)]
pub struct Usage {
    measured: Option<Arc<Inner>>,
    origin: Option<Origin>,
}

struct Inner {
    guard: Guard,
    consumer: Consumer,
    door: usize,
    /// The generation of quotas of which none counts.
    unlimited_at: AtomicU64,
    view: RwLock<View>,
}

/// What the quotas of one moment allow.
struct View {
    generation: u64,
    limits: Vec<(InForce, Arc<Account>)>,
}

impl View {
    fn of(guard: &Guard, consumer: &Consumer) -> View {
        let (generation, identities) = guard.seen();
        let limits = identities.limits_of(consumer);
        let with_account = |one: InForce| {
            let account = guard.quotas().account(&one.holder);
            (one, account)
        };
        View { generation, limits: limits.into_iter().map(with_account).collect() }
    }
}

/// A connection's place among those that somebody may have. Dropping it gives it back.
pub struct Connected {
    guard: Guard,
    holders: Vec<QuotaEntity>,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.guard.quotas().disconnect(&self.holders);
    }
}

impl Usage {
    /// Of somebody who came in so.
    #[must_use]
    pub fn of(guard: &Guard, user: Option<&str>, client_id: Option<&str>, origin: Origin) -> Usage {
        let consumer = Consumer {
            user: user.map(|name| cut(name).into()),
            client_id: client_id.map(|name| cut(name).into()),
            address: origin.address,
        };
        let door = DOORS.iter().position(|door| *door == origin.door).unwrap_or(DOORS.len());
        let view = RwLock::new(View { generation: u64::MAX, limits: Vec::new() });
        let unlimited_at = AtomicU64::new(u64::MAX);
        let inner = Inner { guard: guard.clone(), consumer, door, unlimited_at, view };
        Usage { measured: Some(Arc::new(inner)), origin: Some(origin) }
    }

    /// Of somebody who came in so and whose use is not measured.
    #[must_use]
    pub fn unmeasured(origin: Origin) -> Usage {
        Usage { measured: None, origin: Some(origin) }
    }

    /// Where whoever uses something comes from; `None` for the server itself.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// Whose it is; `None` for the server's own.
    #[must_use]
    pub fn consumer(&self) -> Option<&Consumer> {
        self.measured.as_ref().map(|inner| &inner.consumer)
    }

    /// Whether it is of a client that says so who it is.
    #[must_use]
    pub fn is_of(&self, user: Option<&str>, client_id: Option<&str>) -> bool {
        self.consumer().is_some_and(|known| {
            known.user.as_deref() == user.map(cut) && known.client_id.as_deref() == client_id.map(cut)
        })
    }

    /// Takes what was used, whatever is left; answers how long whoever used it has to wait.
    pub fn take(&self, measure: Measure, amount: u64) -> Duration {
        if amount == 0 {
            return Duration::ZERO;
        }
        let Some(inner) = self.limited() else { return Duration::ZERO };
        let wait = inner.longest(measure, |bucket, rate, now| bucket.take(amount, rate, now));
        if !wait.is_zero() {
            inner.guard.quotas().throttled(inner.door, measure, wait);
        }
        wait
    }

    /// Takes what is about to be used, if that much is left.
    ///
    /// # Errors
    /// When it is not; nothing was taken then.
    pub fn admit(&self, measure: Measure, amount: u64) -> Result<(), Refusal> {
        let Some(inner) = self.limited() else { return Ok(()) };
        inner.take_if_left(measure, amount).map_err(|(one, wait)| {
            inner.refused(&one, wait);
            used_up(&one, wait)
        })
    }

    /// How long to wait before anything may be used.
    #[must_use]
    pub fn wait(&self, measure: Measure) -> Duration {
        let Some(inner) = self.limited() else { return Duration::ZERO };
        inner.longest(measure, |bucket, rate, now| bucket.wait_for(1, rate, now))
    }

    /// The same for a request that gets nothing if it has to wait, which is noted.
    #[must_use]
    pub fn owed(&self, measure: Measure) -> Duration {
        let wait = self.wait(measure);
        if let (Some(inner), false) = (&self.measured, wait.is_zero()) {
            inner.guard.quotas().throttled(inner.door, measure, wait);
        }
        wait
    }

    /// What may be used now; `None` is without bound.
    #[must_use]
    pub fn left(&self, measure: Measure) -> Option<u64> {
        let inner = self.limited()?;
        let now = inner.guard.quotas().now();
        let left = |(one, account): &(InForce, Arc<Account>)| {
            Some(account.bucket(measure)?.lock().left(one.limit, now))
        };
        let view = inner.view.read();
        view.limits.iter().filter(|(one, _)| one.measure == measure).filter_map(left).min()
    }

    /// What may be used at most; `None` is without bound. Over time it is as much as a second brings.
    #[must_use]
    pub fn limit(&self, measure: Measure) -> Option<u64> {
        self.limits(measure).into_iter().map(|one| one.limit).min()
    }

    /// The limits of one kind that count.
    #[must_use]
    pub fn limits(&self, measure: Measure) -> Vec<InForce> {
        let Some(inner) = self.limited() else { return Vec::new() };
        let view = inner.view.read();
        view.limits.iter().filter(|(one, _)| one.measure == measure).map(|(one, _)| one.clone()).collect()
    }

    /// Returns after the wait, or when a change of quotas makes it shorter.
    pub async fn waited(&self, measure: Measure, wait: Duration) {
        let Some(inner) = &self.measured else { return };
        let end = Instant::now() + wait;
        let mut changes = inner.guard.changes();
        // The quota may have been lifted before anybody listened.
        while !self.wait(measure).is_zero() {
            tokio::select! {
                () = tokio::time::sleep_until(end) => return,
                // Without anybody to change them, quotas stay as they are.
                changed = changes.changed() => if changed.is_err() { return tokio::time::sleep_until(end).await },
            }
        }
    }

    /// Takes a connection's place.
    ///
    /// # Errors
    /// When there are as many as a quota allows.
    pub fn connect(&self) -> Result<Option<Connected>, Box<InForce>> {
        let Some(inner) = &self.measured else { return Ok(None) };
        let limits = self.limits(Measure::Connections);
        match inner.guard.quotas().connect(&inner.consumer, &limits) {
            Ok(holders) => Ok(Some(Connected { guard: inner.guard.clone(), holders })),
            Err(full) => {
                inner.refused(&full, Duration::ZERO);
                Err(Box::new(full))
            }
        }
    }

    /// Notes that something was refused because there are as many as a limit allows.
    #[must_use]
    pub fn refused(&self, full: &InForce) -> Refusal {
        if let Some(inner) = &self.measured {
            inner.refused(full, Duration::ZERO);
        }
        full.is_reached()
    }

    /// What is behind it if any limit counts now.
    fn limited(&self) -> Option<&Inner> {
        let inner = self.measured.as_deref()?;
        let generation = inner.guard.generation();
        if inner.unlimited_at.load(Relaxed) == generation {
            return None;
        }
        let is_current = inner.view.read().generation == generation;
        if !is_current {
            *inner.view.write() = View::of(&inner.guard, &inner.consumer);
        }
        let view = inner.view.read();
        if view.limits.is_empty() {
            inner.unlimited_at.store(view.generation, Relaxed);
            return None;
        }
        Some(inner)
    }
}

impl Inner {
    /// Takes from every bucket, or from none when one of them does not have that much: then that is answered.
    fn take_if_left(&self, measure: Measure, amount: u64) -> Result<(), (InForce, Duration)> {
        let now = self.guard.quotas().now();
        let view = self.view.read();
        let measured = view.limits.iter().filter(|(one, _)| one.measure == measure);
        let mut held: Vec<(MutexGuard<'_, Bucket>, u64)> = Vec::with_capacity(2);
        for (one, account) in measured {
            let Some(bucket) = account.bucket(measure) else { continue };
            let mut bucket = bucket.lock();
            let wait = bucket.wait_for(amount, one.limit, now);
            if !wait.is_zero() {
                return Err((one.clone(), wait));
            }
            held.push((bucket, one.limit));
        }
        for (bucket, rate) in &mut held {
            bucket.take(amount, *rate, now);
        }
        Ok(())
    }

    /// Counts and writes down that somebody got nothing because of a limit.
    fn refused(&self, InForce { measure, limit, holder }: &InForce, wait: Duration) {
        self.guard.quotas().throttled(self.door, *measure, wait);
        let door = DOORS.get(self.door).copied().unwrap_or_default();
        let Consumer { user, address, .. } = &self.consumer;
        let origin = Origin { door, address: *address };
        let about = format!("{holder}: {} {limit}", measure.as_str());
        self.guard.over_quota(user.as_deref().unwrap_or_default(), origin, &about);
    }

    fn longest(
        &self,
        measure: Measure,
        mut wait: impl FnMut(&mut Bucket, u64, message::Timestamp) -> Duration,
    ) -> Duration {
        let now = self.guard.quotas().now();
        let view = self.view.read();
        let measured = view.limits.iter().filter(|(one, _)| one.measure == measure);
        let waits = measured
            .filter_map(|(one, account)| Some(wait(&mut account.bucket(measure)?.lock(), one.limit, now)));
        waits.max().unwrap_or_default()
    }
}

/// Names are bounded where their doors do not bound them. A quota's names are shorter, so that none is met by a part.
fn cut(name: &str) -> &str {
    // Most are short enough to see it at once.
    if name.len() <= NAME_CHARS {
        return name;
    }
    name.char_indices().nth(NAME_CHARS + 1).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}

fn used_up(InForce { measure, limit, holder }: &InForce, wait: Duration) -> Refusal {
    let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let name = measure.as_str();
    let detail = format!("the quota `{name}` of {holder} is used up ({limit}); try again in {ms} ms");
    Refusal::new(ErrorCode::QuotaExceeded, detail).retry_after(ms)
}

impl InForce {
    /// There are as many as it allows.
    #[must_use]
    pub fn is_reached(&self) -> Refusal {
        let InForce { measure, limit, holder } = self;
        let name = measure.as_str();
        let detail = format!(
            "{holder} has {limit} {name}, as many as the quota `{name}` allows; close or delete some first"
        );
        Refusal::new(ErrorCode::QuotaExceeded, detail)
    }
}

impl std::fmt::Debug for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Usage({:?})", self.consumer())
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::GuardSettings;
    use super::super::identities::Identities;
    use super::super::identity_record::Change;
    use super::super::quota::{Part, QuotaLimits};
    use super::*;

    const FROM: Origin =
        Origin { door: "http", address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) };

    fn user(name: &str) -> QuotaEntity {
        QuotaEntity { user: Some(Part::of(name)), ..QuotaEntity::default() }
    }

    fn guard(quotas: &[(QuotaEntity, QuotaLimits)]) -> Guard {
        let guard = Guard::new(GuardSettings::default());
        show(&guard, quotas);
        guard
    }

    fn show(guard: &Guard, quotas: &[(QuotaEntity, QuotaLimits)]) {
        let mut identities = Identities::default();
        for (entity, limits) in quotas {
            identities.fold(Change::SetQuota(entity.clone(), limits.clone()));
        }
        guard.show(identities);
    }

    fn produce(rate: u64) -> QuotaLimits {
        QuotaLimits { produce_bytes_per_s: Some(rate), ..QuotaLimits::default() }
    }

    #[test]
    fn who_has_no_quota_is_never_held_up() {
        let guard = guard(&[(user("other"), produce(1))]);
        let usage = Usage::of(&guard, Some("alice"), None, FROM);
        assert_eq!(usage.take(Measure::Produce, u64::MAX), Duration::ZERO);
        assert_eq!((usage.admit(Measure::Produce, u64::MAX), usage.left(Measure::Produce)), (Ok(()), None));
        assert_eq!(Usage::default().take(Measure::Produce, u64::MAX), Duration::ZERO);
    }

    #[test]
    fn logins_of_one_user_share_its_quota_and_changes_count_at_once() {
        let guard = guard(&[(user("*"), produce(1000))]);
        let [one, same, other] =
            ["alice", "alice", "bob"].map(|name| Usage::of(&guard, Some(name), None, FROM));
        assert!(!one.take(Measure::Produce, 10_000).is_zero());
        let refused = same.admit(Measure::Produce, 1).unwrap_err();
        assert!(
            refused.detail.contains("produce_bytes_per_s") && refused.detail.contains("alice"),
            "{refused}"
        );
        assert!(refused.retry_after_ms.is_some_and(|ms| (8000..=9001).contains(&ms)), "{refused:?}");
        assert_eq!(other.admit(Measure::Produce, 1), Ok(()));
        assert!(
            guard.quotas().throttles().any(|one| one.door == "http" && one.times == 2 && one.seconds > 16.0)
        );
        // A new look at the same account: it owes what it owed.
        let again = Usage::of(&guard, Some("alice"), None, FROM);
        assert!(again.admit(Measure::Produce, 1).is_err());
        show(&guard, &[]);
        assert_eq!(same.admit(Measure::Produce, 1), Ok(()));
    }

    #[tokio::test]
    async fn a_quota_that_is_lifted_ends_waits() {
        let guard = guard(&[(user("alice"), produce(1))]);
        let usage = Usage::of(&guard, Some("alice"), None, FROM);
        let wait = usage.take(Measure::Produce, 1_000_000);
        assert!(wait > Duration::from_secs(3000));
        let waiting = tokio::spawn({
            let usage = usage.clone();
            async move { usage.waited(Measure::Produce, wait).await }
        });
        tokio::task::yield_now().await;
        show(&guard, &[]);
        waiting.await.unwrap();
    }

    #[test]
    fn connections_are_counted_before_there_is_a_quota_too() {
        let guard = guard(&[]);
        let usage = Usage::of(&guard, Some("alice"), Some("app"), FROM);
        let first = usage.connect().unwrap();
        let limit = |count| QuotaLimits { connections: Some(count), ..QuotaLimits::default() };
        show(&guard, &[(user("alice"), limit(2))]);
        let _second = usage.connect().unwrap();
        let full = usage.connect().err().unwrap().is_reached();
        assert_eq!(full.code, ErrorCode::QuotaExceeded);
        let elsewhere = Usage::of(&guard, Some("bob"), Some("app"), FROM);
        assert!(elsewhere.connect().is_ok());
        drop(first);
        assert!(usage.connect().is_ok());
    }
}
