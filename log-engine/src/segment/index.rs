use segment_store::Mapped;

/// The entries of an index file: `N` bytes each, in the order of the log.
#[derive(Debug)]
pub(super) struct Entries<const N: usize> {
    bytes: Mapped,
    count: usize,
}

impl<const N: usize> Entries<N> {
    /// Takes the first `count` entries; none when there are fewer bytes than that.
    pub(super) fn new(bytes: Mapped, count: usize) -> Option<Entries<N>> {
        (bytes.len() / N >= count).then_some(Entries { bytes, count })
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, at: usize) -> Option<&[u8; N]> {
        if at >= self.count {
            return None;
        }
        self.bytes.get(at * N..)?.first_chunk()
    }

    /// How many entries at the front satisfy `before`, which must hold for a front part only.
    pub(super) fn partition_point(&self, before: impl Fn(&[u8; N]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle) {
                Some(entry) if before(entry) => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }
}
