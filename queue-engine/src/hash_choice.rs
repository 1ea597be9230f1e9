use crate::binding::Target;

/// Chooses one of several weighted targets by a hash, the same for the same hash as long as the targets are the same.
///
/// Weighted rendezvous hashing: each target draws a number from the message's hash and its own, the highest wins.
/// A target that comes takes its share from all others alike, and one that goes leaves the rest where it was; the
/// order in which they came does not matter. Targets of one weight are compared by their draws alone, so that a
/// thousand of them cost a thousand multiplications.
#[derive(Debug, Default)]
pub(crate) struct HashChoice {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    weight: u32,
    targets: Vec<(u64, Target)>,
}

/// A hash of bytes that is the same in every run and on every machine (FNV-1a, then mixed).
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let fold = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// Spreads a number over all bits (the finalizer of splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

impl HashChoice {
    /// Adds a target. `seed` tells it from the others, and stays the same over restarts.
    pub(crate) fn insert(&mut self, seed: u64, weight: u32, target: Target) {
        match self.levels.iter_mut().find(|level| level.weight == weight) {
            Some(level) => level.targets.push((seed, target)),
            None => self.levels.push(Level { weight, targets: vec![(seed, target)] }),
        }
    }

    pub(crate) fn remove(&mut self, weight: u32, target: &Target) {
        let Some(at) = self.levels.iter().position(|level| level.weight == weight) else { return };
        let targets = &mut self.levels[at].targets;
        if let Some(found) = targets.iter().position(|(_, have)| have == target) {
            targets.swap_remove(found);
        }
        if targets.is_empty() {
            self.levels.swap_remove(at);
        }
    }

    pub(crate) fn choose(&self, hash: u64) -> Option<&Target> {
        let mut best: Option<(f64, u64, &Target)> = None;
        for level in &self.levels {
            let draws = level.targets.iter().map(|(seed, target)| (mix(hash ^ seed), *seed, target));
            let Some((draw, seed, target)) = draws.max_by_key(|(draw, seed, _)| (*draw, *seed)) else {
                continue;
            };
            // A draw is uniform in (0, 1); `-ln(draw) / weight` is smallest with a chance proportional to the weight.
            let uniform = ((draw >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            let score = uniform.ln() / f64::from(level.weight);
            if best.is_none_or(|(have, than, _)| (score, seed) > (have, than)) {
                best = Some((score, seed, target));
            }
        }
        best.map(|(_, _, target)| target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QueueId;
    use std::collections::BTreeMap;

    fn with(queues: &[(u32, u32)]) -> HashChoice {
        let mut choice = HashChoice::default();
        for (queue, weight) in queues {
            choice.insert(hash(&queue.to_le_bytes()), *weight, Target::Queue(QueueId(*queue)));
        }
        choice
    }

    fn shares(choice: &HashChoice) -> BTreeMap<u32, u32> {
        let mut shares = BTreeMap::new();
        for key in 0..10_000u32 {
            let Some(Target::Queue(id)) = choice.choose(hash(&key.to_le_bytes())) else { continue };
            *shares.entry(id.0).or_default() += 1;
        }
        shares
    }

    #[test]
    fn each_gets_its_share() {
        let even = shares(&with(&[(1, 1), (2, 1), (3, 1), (4, 1)]));
        assert!(even.values().all(|share| (2300..2700).contains(share)), "{even:?}");
        let uneven = shares(&with(&[(1, 1), (2, 2), (3, 7)]));
        assert!((800..1200).contains(&uneven[&1]), "{uneven:?}");
        assert!((1800..2200).contains(&uneven[&2]), "{uneven:?}");
        assert!((6700..7300).contains(&uneven[&3]), "{uneven:?}");
    }

    #[test]
    fn only_the_share_of_who_comes_or_goes_moves() {
        let before = with(&[(1, 1), (2, 3), (3, 1)]);
        let mut after = with(&[(4, 1), (3, 1), (2, 3), (1, 1)]);
        let keys = || (0..5000u32).map(|key| hash(&key.to_le_bytes()));
        for key in keys() {
            let now = after.choose(key);
            assert!(now == before.choose(key) || now == Some(&Target::Queue(QueueId(4))));
        }
        after.remove(1, &Target::Queue(QueueId(4)));
        assert!(keys().all(|key| after.choose(key) == before.choose(key)));
        assert_eq!(HashChoice::default().choose(7), None);
    }
}
