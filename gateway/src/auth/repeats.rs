//! Refusals that come again and again: a flood of them is told in a few lines, with how many they were.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What comes again within this is counted, not told.
pub const WINDOW: Duration = Duration::from_secs(1);
/// Kinds that are told apart at a time.
const KINDS: usize = 256;
/// Further addresses that are told apart at a time once there are more kinds.
const ADDRESSES: usize = 128;
/// What is said of refusals that are not told apart.
const MANY: &str = "more than can be told apart";

/// Refusals that look alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refused {
    /// What: `login_failed`, `denied`, …
    pub event: &'static str,
    /// Through which door.
    pub door: &'static str,
    /// Who was refused, if that is known.
    pub user: Box<str>,
    /// From where; `None` is from more addresses than can be told apart.
    pub address: Option<IpAddr>,
    /// What they wanted, or why not.
    pub about: Box<str>,
}

/// How often each kind was refused since it was last told.
#[derive(Debug, Default)]
pub struct Repeats(HashMap<Refused, Untold>);

#[derive(Debug)]
struct Untold {
    since: Instant,
    times: u64,
}

impl Repeats {
    /// Somebody is refused. Answers what to tell now, and of how many.
    pub fn note(&mut self, refused: Refused, now: Instant) -> Option<(Refused, u64)> {
        let refused = self.as_told_apart(refused);
        let Some(untold) = self.0.get_mut(&refused) else {
            self.0.insert(refused.clone(), Untold { since: now, times: 0 });
            return Some((refused, 1));
        };
        untold.times += 1;
        untold.tell(now).map(|times| (refused, times))
    }

    /// What is to be told now that nothing more came of it, and of how many.
    pub fn due(&mut self, now: Instant) -> Vec<(Refused, u64)> {
        self.0.retain(|_, untold| untold.times > 0 || !untold.is_old(now));
        let told = |(refused, untold): (&Refused, &mut Untold)| Some((refused.clone(), untold.tell(now)?));
        self.0.iter_mut().filter_map(told).collect()
    }

    /// All that was not told yet.
    pub fn rest(&mut self) -> Vec<(Refused, u64)> {
        let rest = self.0.drain().map(|(refused, untold)| (refused, untold.times));
        rest.filter(|(_, times)| *times > 0).collect()
    }

    /// As it is, unless there are too many kinds already: then by the address alone, or not even that.
    fn as_told_apart(&self, refused: Refused) -> Refused {
        if self.has_room_for(&refused, KINDS) {
            return refused;
        }
        let vague = Refused { user: "".into(), about: MANY.into(), ..refused };
        if self.has_room_for(&vague, KINDS + ADDRESSES) {
            return vague;
        }
        Refused { address: None, ..vague }
    }

    fn has_room_for(&self, refused: &Refused, most: usize) -> bool {
        self.0.len() < most || self.0.contains_key(refused)
    }
}

impl Untold {
    fn is_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= WINDOW
    }

    fn tell(&mut self, now: Instant) -> Option<u64> {
        if self.times == 0 || !self.is_old(now) {
            return None;
        }
        self.since = now;
        Some(std::mem::take(&mut self.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(user: &str, address: u32) -> Refused {
        let address = Some(IpAddr::V4(address.into()));
        Refused { event: "denied", door: "amqp", user: user.into(), address, about: "read topic x".into() }
    }

    #[test]
    fn what_comes_again_is_told_once_a_second_with_how_often() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let after = |ms| start + Duration::from_millis(ms);
        assert_eq!(repeats.note(by("bob", 1), start), Some((by("bob", 1), 1)));
        assert_eq!(repeats.note(by("eve", 1), start), Some((by("eve", 1), 1)));
        for ms in 0..1000 {
            assert_eq!(repeats.note(by("bob", 1), after(ms)), None);
        }
        assert_eq!(repeats.due(after(999)), []);
        assert_eq!(repeats.note(by("bob", 1), after(1000)), Some((by("bob", 1), 1001)));
        assert_eq!(repeats.note(by("bob", 1), after(1500)), None);
        assert_eq!(repeats.due(after(2000)), [(by("bob", 1), 1)]);
        assert_eq!(repeats.due(after(3000)), []);
        assert!(repeats.0.is_empty(), "what is over is forgotten");
        assert_eq!(repeats.note(by("bob", 1), after(3000)), Some((by("bob", 1), 1)));
        assert_eq!(repeats.note(by("bob", 1), after(3001)), None);
        assert_eq!(repeats.rest(), [(by("bob", 1), 1)]);
    }

    #[test]
    fn more_kinds_than_can_be_told_apart_are_told_together_and_none_is_lost() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let mut told = Vec::new();
        for number in 0..100_000 {
            told.extend(repeats.note(by(&format!("user {number}"), number), now));
        }
        let lines = KINDS + ADDRESSES + 1;
        assert_eq!((told.len(), repeats.0.len()), (lines, lines));
        let vague = |address| Refused { user: "".into(), address, about: MANY.into(), ..by("", 0) };
        assert_eq!(told[KINDS - 1].0, by("user 255", 255));
        assert_eq!(told[KINDS].0, vague(Some(IpAddr::V4(256.into()))));
        assert_eq!(told[lines - 1].0, vague(None));
        told.extend(repeats.due(now + WINDOW));
        assert_eq!(told.iter().map(|(_, times)| times).sum::<u64>(), 100_000);
    }
}
