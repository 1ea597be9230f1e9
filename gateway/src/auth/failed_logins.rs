use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use message::Timestamp;

/// Entries kept at most; beyond it the calm ones go.
const ENTRIES_MAX: usize = 10_000;
/// After this long without a failure all is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);

/// Slows down who guesses: each failure of a user from an address makes the next attempt wait twice as long as the last.
///
/// Others may log in as the same user from elsewhere, so that nobody locks anybody out. Time goes in, waits come out.
#[derive(Debug)]
pub struct FailedLogins {
    first: Duration,
    most: Duration,
    entries: HashMap<(IpAddr, Box<str>), Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    last: Timestamp,
    /// When the next attempt may be judged.
    free_at: Timestamp,
}

impl FailedLogins {
    /// Waits from `first` on, up to `most`. A `first` of zero slows nobody down.
    #[must_use]
    pub fn new(first: Duration, most: Duration) -> FailedLogins {
        FailedLogins { first, most, entries: HashMap::new() }
    }

    /// How long an attempt has to wait before it is judged. Attempts at the same time wait one after the other.
    pub fn reserve(&mut self, user: &str, from: IpAddr, now: Timestamp) -> Duration {
        let delay_of = |failures| self.delay(failures);
        let Some(entry) = self.entries.get(&(from, Box::from(user))).copied() else { return Duration::ZERO };
        if now.since(entry.last) >= FORGOTTEN_AFTER {
            self.entries.remove(&(from, Box::from(user)));
            return Duration::ZERO;
        }
        let begins = entry.free_at.max(now);
        let free_at = begins.plus(delay_of(entry.failures));
        self.entries.insert((from, user.into()), Entry { free_at, ..entry });
        begins.since(now).min(self.most)
    }

    /// An attempt failed.
    pub fn failed(&mut self, user: &str, from: IpAddr, now: Timestamp) {
        if self.first.is_zero() {
            return;
        }
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.retain(|_, entry| now.since(entry.last) < FORGOTTEN_AFTER);
            if self.entries.len() >= ENTRIES_MAX {
                self.entries.clear();
            }
        }
        let first = Entry { failures: 0, last: now, free_at: now };
        let entry = self.entries.entry((from, user.into())).or_insert(first);
        entry.failures += 1;
        entry.last = now;
        let failures = entry.failures;
        let free_at = now.plus(self.delay(failures));
        if let Some(entry) = self.entries.get_mut(&(from, Box::from(user))) {
            entry.free_at = entry.free_at.max(free_at);
        }
    }

    /// An attempt succeeded: all is forgiven.
    pub fn succeeded(&mut self, user: &str, from: IpAddr) {
        if !self.entries.is_empty() {
            self.entries.remove(&(from, Box::from(user)));
        }
    }

    fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn each_failure_doubles_the_wait_up_to_a_limit() {
        let ms = Duration::from_millis;
        let mut logins = FailedLogins::new(ms(100), ms(5000));
        let mut now = Timestamp(0);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = logins.reserve("alice", HOME, now);
            waits.push(wait);
            now = now.plus(wait);
            logins.failed("alice", HOME, now);
        }
        assert_eq!(waits, [0, 100, 200, 400, 800, 1600, 3200, 5000].map(ms));
        assert_eq!(logins.reserve("bob", HOME, now), Duration::ZERO);
        assert_eq!(logins.reserve("alice", IpAddr::from([10, 0, 0, 1]), now), Duration::ZERO);
        logins.succeeded("alice", HOME);
        assert_eq!(logins.reserve("alice", HOME, now), Duration::ZERO);
    }

    #[test]
    fn attempts_at_the_same_time_wait_for_each_other() {
        let mut logins = FailedLogins::new(Duration::from_millis(100), Duration::from_secs(5));
        logins.failed("alice", HOME, Timestamp(0));
        let waits: Vec<_> = (0..3).map(|_| logins.reserve("alice", HOME, Timestamp(0)).as_millis()).collect();
        assert_eq!(waits, [100, 200, 300]);
        assert_eq!(logins.reserve("alice", HOME, Timestamp(1_000_000)), Duration::ZERO);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut logins = FailedLogins::new(Duration::from_millis(1), Duration::from_secs(5));
        for number in 0..3 * ENTRIES_MAX {
            logins.failed(&number.to_string(), HOME, Timestamp(number as i64));
        }
        assert!(logins.entries.len() <= ENTRIES_MAX);
    }
}
