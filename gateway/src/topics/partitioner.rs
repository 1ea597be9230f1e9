use std::sync::atomic::{AtomicU32, Ordering};

/// Chooses partitions as Kafka's own producers do, so that a key lands in the same one whatever door it came through.
#[derive(Debug, Default)]
pub(crate) struct Partitioner {
    next: AtomicU32,
}

impl Partitioner {
    /// The partition of a key.
    pub(crate) fn of_key(key: &[u8], partitions: u32) -> u32 {
        (murmur2(key) & 0x7fff_ffff) % partitions
    }

    /// The partition for the keyless messages of one request: the same for all of them, another for the next request.
    pub(crate) fn of_request(&self, partitions: u32) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed) % partitions
    }
}

/// The hash of Kafka's default partitioner: 32-bit MurmurHash2 with its fixed seed.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mix = |k: u32| {
        let k = k.wrapping_mul(M);
        (k ^ (k >> 24)).wrapping_mul(M)
    };
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        hash = hash.wrapping_mul(M) ^ mix(word);
    }
    let tail = words.remainder();
    if !tail.is_empty() {
        let word = tail.iter().rev().fold(0u32, |word, byte| (word << 8) | u32::from(*byte));
        hash = (hash ^ word).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that Kafka's own test of its `Utils.murmur2` expects.
    #[test]
    fn agrees_with_kafka() {
        let known: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn keyless_requests_take_turns() {
        let partitioner = Partitioner::default();
        let taken: Vec<u32> = (0..4).map(|_| partitioner.of_request(3)).collect();
        assert_eq!(taken, [0, 1, 2, 0]);
    }
}
