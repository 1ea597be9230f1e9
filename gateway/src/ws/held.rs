use std::collections::{HashMap, VecDeque};

use super::command::Subscription;
use crate::topics::{Lease, Standing};

/// The leases that a socket was handed: they count against credit until they are settled over this socket, or end.
#[derive(Debug, Default)]
pub struct HeldLeases {
    held: HashMap<Lease, Held>,
    /// In about the order in which they end; extending leaves the old entry behind.
    ends: VecDeque<(i64, Lease)>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    subscription: Subscription,
    bytes: u32,
    expires_at: i64,
}

/// Credit that came free, per subscription.
#[derive(Debug, Default)]
pub struct Freed(Vec<(Subscription, u32, u64)>);

impl HeldLeases {
    /// Notes a delivery; `expires_at` is in milliseconds since the epoch.
    pub fn add(&mut self, lease: Lease, subscription: Subscription, bytes: u64, expires_at: i64) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.held.insert(lease, Held { subscription, bytes, expires_at });
        if expires_at != Standing::NEVER {
            self.ends.push_back((expires_at, lease));
        }
    }

    /// The lease is over.
    pub fn release(&mut self, lease: Lease, freed: &mut Freed) {
        if let Some(held) = self.held.remove(&lease) {
            freed.add(held);
        }
        self.tidy();
    }

    /// The lease ends later.
    pub fn extend(&mut self, lease: Lease, expires_at: i64) {
        if let Some(held) = self.held.get_mut(&lease) {
            held.expires_at = expires_at;
            self.ends.push_back((expires_at, lease));
        }
    }

    /// Lets go what has ended by `now`, in milliseconds since the epoch.
    pub fn expire(&mut self, now: i64, freed: &mut Freed) {
        while let Some(&(_, lease)) = self.ends.front().filter(|(end, _)| *end <= now) {
            self.ends.pop_front();
            if let Some(held) = self.held.get(&lease).copied().filter(|held| held.expires_at <= now) {
                self.held.remove(&lease);
                freed.add(held);
            }
        }
    }

    /// Forgets what a subscription held: it ended, and its leases with it.
    pub fn forget(&mut self, subscription: Subscription) {
        self.held.retain(|_, held| held.subscription != subscription);
        self.tidy();
    }

    /// When the next one may end, in milliseconds since the epoch.
    #[must_use]
    pub fn next_end(&self) -> Option<i64> {
        self.ends.front().map(|(end, _)| *end)
    }

    /// How many there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.held.len()
    }

    /// Drops entries that mean nothing any more, so that they are bounded by what is held.
    fn tidy(&mut self) {
        let HeldLeases { held, ends } = self;
        let stands =
            |(end, lease): &(i64, Lease)| held.get(lease).is_some_and(|held| held.expires_at == *end);
        while ends.front().is_some_and(|entry| !stands(entry)) {
            ends.pop_front();
        }
        if ends.len() > 64 + 2 * held.len() {
            ends.retain(stands);
        }
    }
}

impl Freed {
    fn add(&mut self, held: Held) {
        let entry = match self.0.iter_mut().position(|(subscription, ..)| *subscription == held.subscription)
        {
            Some(at) => self.0.get_mut(at),
            None => {
                self.0.push((held.subscription, 0, 0));
                self.0.last_mut()
            }
        };
        if let Some((_, messages, bytes)) = entry {
            *messages = messages.saturating_add(1);
            *bytes = bytes.saturating_add(u64::from(held.bytes));
        }
    }

    /// Subscription, messages, bytes.
    pub fn into_grants(self) -> impl Iterator<Item = (Subscription, u32, u64)> {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(n: u8) -> Lease {
        Lease([n; 16])
    }

    fn grants(freed: Freed) -> Vec<(Subscription, u32, u64)> {
        freed.into_grants().collect()
    }

    #[test]
    fn a_lease_frees_its_credit_once_however_it_ends() {
        let mut held = HeldLeases::default();
        for n in 1..=4 {
            held.add(lease(n), 1 + u32::from(n) % 2, 10, 1000);
        }
        let mut freed = Freed::default();
        held.release(lease(1), &mut freed);
        held.release(lease(1), &mut freed);
        held.release(lease(9), &mut freed);
        held.extend(lease(2), 3000);
        held.expire(1000, &mut freed);
        let mut got = grants(freed);
        got.sort_unstable();
        assert_eq!(got, [(1, 1, 10), (2, 2, 20)]);
        assert_eq!((held.len(), held.next_end()), (1, Some(3000)));
        let mut freed = Freed::default();
        held.expire(3000, &mut freed);
        assert_eq!(grants(freed), [(1, 1, 10)]);
        assert_eq!((held.len(), held.next_end()), (0, None));
    }

    #[test]
    fn memory_is_bounded_by_what_is_held() {
        let mut held = HeldLeases::default();
        held.add(lease(0), 1, 1, 10_000_000);
        for round in 0..10_000u32 {
            let mut bytes = [1; 16];
            bytes[..4].copy_from_slice(&round.to_be_bytes());
            held.add(Lease(bytes), 1, 1, i64::from(round));
            held.release(Lease(bytes), &mut Freed::default());
        }
        assert!(held.ends.len() <= 66, "{}", held.ends.len());
        held.forget(1);
        assert_eq!((held.len(), held.next_end()), (0, None));
    }
}
