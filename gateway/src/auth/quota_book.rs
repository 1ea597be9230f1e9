use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use message::Timestamp;
use parking_lot::Mutex;

use super::bucket::Bucket;
use super::quota::{Consumer, InForce, Measure, QuotaEntity};

/// Doors, as uses are counted by.
pub const DOORS: [&str; 4] = ["http", "ws", "kafka", "amqp"];

/// Accounts kept at first before those that nobody needs are looked for.
const SWEEP_AT: usize = 1024;

/// What is used of quotas now: buckets of those who share a limit, who is connected, and how often somebody had to wait.
pub struct QuotaBook {
    accounts: Mutex<Accounts>,
    connected: Mutex<HashMap<QuotaEntity, u64>>,
    counts: [[ThrottleCount; Measure::ALL.len()]; DOORS.len()],
    started: Instant,
}

#[derive(Default)]
struct Accounts {
    open: HashMap<QuotaEntity, Arc<Account>>,
    sweep_at: usize,
}

/// What those who share a limit have used: a bucket for each thing that is measured over time.
#[derive(Debug)]
pub(super) struct Account {
    buckets: [Mutex<Bucket>; 3],
}

impl Account {
    fn new(now: Timestamp) -> Account {
        Account { buckets: std::array::from_fn(|_| Mutex::new(Bucket::full(now))) }
    }

    /// The bucket of what is measured over time; `None` for what is counted at a time.
    pub(super) fn bucket(&self, measure: Measure) -> Option<&Mutex<Bucket>> {
        let [produce, consume, requests] = &self.buckets;
        match measure {
            Measure::Produce => Some(produce),
            Measure::Consume => Some(consume),
            Measure::Requests => Some(requests),
            Measure::Connections | Measure::Topics => None,
        }
    }
}

/// How often somebody had to wait because of a quota, or was refused.
#[derive(Debug, Default)]
struct ThrottleCount {
    times: AtomicU64,
    wait_ms: AtomicU64,
}

/// How often clients of one door had to wait for one kind of limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThrottleFigures {
    /// The door.
    pub door: &'static str,
    /// The limit.
    pub measure: Measure,
    /// How often they had to wait, or were refused.
    pub times: u64,
    /// How long they were told to wait, together, in seconds.
    pub seconds: f64,
}

impl Default for QuotaBook {
    fn default() -> QuotaBook {
        QuotaBook {
            accounts: Mutex::default(),
            connected: Mutex::default(),
            counts: Default::default(),
            started: Instant::now(),
        }
    }
}

impl QuotaBook {
    /// The time that buckets go by: it never goes back.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// The account of those who share a limit. One that nobody has any more is kept until what it owes is paid.
    pub(super) fn account(&self, holder: &QuotaEntity) -> Arc<Account> {
        let mut accounts = self.accounts.lock();
        if let Some(account) = accounts.open.get(holder) {
            return Arc::clone(account);
        }
        let now = self.now();
        if accounts.open.len() >= accounts.sweep_at {
            accounts.open.retain(|_, account| {
                let owes = |bucket: &Mutex<Bucket>| bucket.lock().owes(now);
                Arc::strong_count(account) > 1 || account.buckets.iter().any(owes)
            });
            accounts.sweep_at = SWEEP_AT.max(2 * accounts.open.len());
        }
        let account = Arc::new(Account::new(now));
        accounts.open.insert(holder.clone(), Arc::clone(&account));
        account
    }

    /// Notes one more connection, unless a limit says no: then that is answered.
    pub(super) fn connect(
        &self,
        consumer: &Consumer,
        limits: &[InForce],
    ) -> Result<Vec<QuotaEntity>, InForce> {
        let holders = consumer.holders();
        let mut connected = self.connected.lock();
        let full = limits.iter().find(|one| {
            one.measure == Measure::Connections
                && connected.get(&one.holder).copied().unwrap_or(0) >= one.limit
        });
        if let Some(full) = full {
            return Err(full.clone());
        }
        for holder in &holders {
            *connected.entry(holder.clone()).or_default() += 1;
        }
        Ok(holders)
    }

    /// A connection is gone.
    pub(super) fn disconnect(&self, holders: &[QuotaEntity]) {
        let mut connected = self.connected.lock();
        for holder in holders {
            if let Some(count) = connected.get_mut(holder) {
                *count -= 1;
                if *count == 0 {
                    connected.remove(holder);
                }
            }
        }
    }

    /// Notes that somebody has to wait, or is refused.
    pub(super) fn throttled(&self, door: usize, measure: Measure, wait: Duration) {
        let Some(count) = self.counts.get(door).and_then(|counts| counts.get(measure as usize)) else {
            return;
        };
        count.times.fetch_add(1, Relaxed);
        count.wait_ms.fetch_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How often somebody had to wait, by door and limit.
    pub fn throttles(&self) -> impl Iterator<Item = ThrottleFigures> + '_ {
        DOORS.into_iter().zip(&self.counts).flat_map(|(door, counts)| {
            Measure::ALL.into_iter().zip(counts).map(move |(measure, count)| ThrottleFigures {
                door,
                measure,
                times: count.times.load(Relaxed),
                seconds: count.wait_ms.load(Relaxed) as f64 / 1000.0,
            })
        })
    }
}

impl std::fmt::Debug for QuotaBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QuotaBook")
    }
}
