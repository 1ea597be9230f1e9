use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::Offset;

/// Bytes of an entry: a hash of 128 bits and an offset.
const ENTRY: usize = 24;

/// The last offset of each key, within a fixed amount of memory.
///
/// Keys are told apart by a keyed hash of 128 bits: without the secret nobody can make two that collide, and chance
/// does not.
pub(crate) struct OffsetMap {
    secret: (u64, u64),
    /// Hash, and the offset plus one; 0 is empty, so that fresh memory is an empty map.
    slots: Vec<[u64; 3]>,
    used: usize,
    most: usize,
}

/// The map takes no more keys.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl OffsetMap {
    /// A map for up to `keys` keys, or as many as fit into `bytes`.
    pub(crate) fn new(secret: (u64, u64), keys: u64, bytes: usize) -> OffsetMap {
        // Four slots for three keys: probes stay short.
        let wanted = usize::try_from(keys.saturating_mul(4) / 3).unwrap_or(usize::MAX).saturating_add(4);
        let slots = wanted.min(bytes / ENTRY).max(4);
        OffsetMap { secret, slots: vec![[0; 3]; slots], used: 0, most: slots / 4 * 3 }
    }

    /// Takes note of a key's record; later ones replace earlier ones.
    pub(crate) fn put(&mut self, key: &[u8], offset: Offset) -> Result<(), Full> {
        let (at, known) = self.find(key);
        if known.is_none() {
            if self.used >= self.most {
                return Err(Full);
            }
            self.used += 1;
        }
        let hash = self.hash(key);
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = [hash.0, hash.1, offset.0 as u64 + 1];
        }
        Ok(())
    }

    /// The last record of a key, if it is known.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Offset> {
        self.find(key).1
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        hasher.write(key);
        let hash = hasher.finish128();
        (hash.h1, hash.h2)
    }

    /// The key's slot, or the one that it would get.
    fn find(&self, key: &[u8]) -> (usize, Option<Offset>) {
        let hash = self.hash(key);
        let mut at = ((u128::from(hash.0) * self.slots.len() as u128) >> 64) as usize;
        loop {
            match self.slots.get(at) {
                Some([_, _, 0]) => return (at, None),
                Some([a, b, offset]) if (*a, *b) == hash => return (at, Some(Offset(*offset as i64 - 1))),
                Some(_) => at += 1,
                None => at = 0,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_last_offset_of_each_key_until_it_is_full() {
        let mut map = OffsetMap::new((1, 2), 1000, 1 << 20);
        for round in 0..3 {
            for key in 0..1000i64 {
                map.put(&key.to_le_bytes(), Offset(round * 1000 + key)).unwrap();
            }
        }
        assert!((0..1000i64).all(|key| map.get(&key.to_le_bytes()) == Some(Offset(2000 + key))));
        assert_eq!(map.get(b"other"), None);
        let mut small = OffsetMap::new((1, 2), 1000, 100 * ENTRY);
        let taken =
            (0..1000i64).take_while(|key| small.put(&key.to_le_bytes(), Offset(*key)).is_ok()).count();
        assert_eq!(taken, 75);
        assert_eq!(small.put(&5i64.to_le_bytes(), Offset(9000)), Ok(()), "a known key always fits");
        assert_eq!(small.put(b"new", Offset(9001)), Err(Full));
    }
}
