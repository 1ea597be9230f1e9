//! What happens again and again: a flood of it is told in a few lines, with how often it was.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What comes again within this is counted, not told.
pub const WINDOW: Duration = Duration::from_secs(1);
/// Kinds of refusals that are told apart at a time.
const REFUSALS: usize = 256;
/// Kinds of changes. They are of those who may make them.
const CHANGES: usize = 1024;
/// Further addresses that are told apart at a time once there are more kinds.
const ADDRESSES: usize = 128;
/// What is said of what is not told apart.
const MANY: &str = "more than can be told apart";

/// What happened, as far as that is told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Happening {
    /// What: `login_failed`, `denied`, `topic_made`, …
    pub event: &'static str,
    /// Through which door.
    pub door: &'static str,
    /// Who did it or was refused, if that is known.
    pub user: Box<str>,
    /// From where; `None` is from more addresses than can be told apart.
    pub address: Option<IpAddr>,
    /// What they did or wanted, or why not.
    pub about: Box<str>,
}

/// How often each kind came since it was last told.
#[derive(Debug)]
pub struct Repeats {
    kinds: HashMap<Happening, Untold>,
    most: usize,
    /// Whether users are known to be who they say, so that there are not many of them.
    users_are_known: bool,
}

#[derive(Debug)]
struct Untold {
    since: Instant,
    times: u64,
}

impl Repeats {
    /// Of refusals: anybody may be refused, whatever they are called.
    pub fn of_refusals() -> Repeats {
        Repeats { kinds: HashMap::new(), most: REFUSALS, users_are_known: false }
    }

    /// Of changes by those who may make them.
    pub fn of_changes() -> Repeats {
        Repeats { kinds: HashMap::new(), most: CHANGES, users_are_known: true }
    }

    /// It happens. Answers what to tell now, and how often it was.
    pub fn note(&mut self, happening: Happening, now: Instant) -> Option<(Happening, u64)> {
        let happening = self.as_told_apart(happening);
        let Some(untold) = self.kinds.get_mut(&happening) else {
            self.kinds.insert(happening.clone(), Untold { since: now, times: 0 });
            return Some((happening, 1));
        };
        untold.times += 1;
        untold.tell(now).map(|times| (happening, times))
    }

    /// What is to be told now that nothing more came of it, and of how many.
    pub fn due(&mut self, now: Instant) -> Vec<(Happening, u64)> {
        self.kinds.retain(|_, untold| untold.times > 0 || !untold.is_old(now));
        let told = |(kind, untold): (&Happening, &mut Untold)| Some((kind.clone(), untold.tell(now)?));
        self.kinds.iter_mut().filter_map(told).collect()
    }

    /// All that was not told yet.
    pub fn rest(&mut self) -> Vec<(Happening, u64)> {
        let rest = self.kinds.drain().map(|(kind, untold)| (kind, untold.times));
        rest.filter(|(_, times)| *times > 0).collect()
    }

    /// As it is, unless there are too many kinds already: then by who and where alone, or not even that.
    fn as_told_apart(&self, happening: Happening) -> Happening {
        if self.has_room_for(&happening, self.most) {
            return happening;
        }
        let user = if self.users_are_known { happening.user } else { "".into() };
        let vague = Happening { user, about: MANY.into(), ..happening };
        if self.has_room_for(&vague, self.most + ADDRESSES) {
            return vague;
        }
        Happening { user: "".into(), address: None, ..vague }
    }

    fn has_room_for(&self, happening: &Happening, most: usize) -> bool {
        self.kinds.len() < most || self.kinds.contains_key(happening)
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

    fn by(user: &str, address: u32) -> Happening {
        let address = Some(IpAddr::V4(address.into()));
        Happening { event: "denied", door: "amqp", user: user.into(), address, about: "read topic x".into() }
    }

    #[test]
    fn what_comes_again_is_told_once_a_second_with_how_often() {
        let (mut repeats, start) = (Repeats::of_refusals(), Instant::now());
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
        assert!(repeats.kinds.is_empty(), "what is over is forgotten");
        assert_eq!(repeats.note(by("bob", 1), after(3000)), Some((by("bob", 1), 1)));
        assert_eq!(repeats.note(by("bob", 1), after(3001)), None);
        assert_eq!(repeats.rest(), [(by("bob", 1), 1)]);
    }

    #[test]
    fn more_kinds_than_can_be_told_apart_are_told_together_and_none_is_lost() {
        let (mut repeats, now) = (Repeats::of_refusals(), Instant::now());
        let mut told = Vec::new();
        for number in 0..100_000 {
            told.extend(repeats.note(by(&format!("user {number}"), number), now));
        }
        let lines = REFUSALS + ADDRESSES + 1;
        assert_eq!((told.len(), repeats.kinds.len()), (lines, lines));
        let vague = |address| Happening { user: "".into(), address, about: MANY.into(), ..by("", 0) };
        assert_eq!(told[REFUSALS - 1].0, by("user 255", 255));
        assert_eq!(told[REFUSALS].0, vague(Some(IpAddr::V4(256.into()))));
        assert_eq!(told[lines - 1].0, vague(None));
        told.extend(repeats.due(now + WINDOW));
        assert_eq!(told.iter().map(|(_, times)| times).sum::<u64>(), 100_000);
    }

    #[test]
    fn of_changes_beyond_number_it_is_told_who_made_them() {
        let (mut repeats, now) = (Repeats::of_changes(), Instant::now());
        let made = |number: usize| Happening { about: format!("queue {number}").into(), ..by("bob", 1) };
        let mut told = Vec::new();
        for number in 0..CHANGES + 1000 {
            told.extend(repeats.note(made(number), now));
        }
        assert_eq!(told.len(), CHANGES + 1);
        assert_eq!(told[CHANGES].0, Happening { about: MANY.into(), ..by("bob", 1) });
        told.extend(repeats.due(now + WINDOW));
        assert_eq!(told.iter().map(|(_, times)| times).sum::<u64>(), CHANGES as u64 + 1000);
    }
}
