use std::collections::VecDeque;

use segment_store::Lsn;

use crate::ConsumerId;
use crate::holder::Holder;
use crate::slots::SpareChunks;

/// What the engine counts across all queues.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Bytes of messages held in memory by slots.
    pub(crate) loaded: u64,
    /// What lives in which journal segment.
    pub(crate) segments: SegmentAccount,
    pub(crate) spares: SpareChunks,
    /// Whose leases ended, one entry each, until their consumers are told.
    pub(crate) released: Vec<ConsumerId>,
}

impl Ledger {
    /// Notes that a consumer holds one message less.
    pub(crate) fn release(&mut self, holder: Holder) {
        if holder.consumer() != ConsumerId::NOBODY {
            self.released.push(holder.consumer());
        }
    }
}

/// Live messages and bytes of one journal segment. A message in several queues counts once for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentUse {
    /// Messages whose envelope starts in the segment.
    pub messages: u64,
    /// Bytes of their envelopes.
    pub bytes: u64,
}

/// How much of each journal segment is still needed.
#[derive(Debug)]
pub(crate) struct SegmentAccount {
    segment_bytes: u64,
    first: u64,
    uses: VecDeque<SegmentUse>,
}

impl SegmentAccount {
    pub(crate) fn new(segment_bytes: u64) -> SegmentAccount {
        assert!(segment_bytes > 0);
        SegmentAccount { segment_bytes, first: 0, uses: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, lsn: Lsn, bytes: u32) {
        let number = lsn.0 / self.segment_bytes;
        if self.uses.is_empty() {
            self.first = number;
        }
        while number < self.first {
            self.first -= 1;
            self.uses.push_front(SegmentUse::default());
        }
        let at = (number - self.first) as usize;
        if self.uses.len() <= at {
            self.uses.resize(at + 1, SegmentUse::default());
        }
        self.uses[at].messages += 1;
        self.uses[at].bytes += u64::from(bytes);
    }

    pub(crate) fn subtract(&mut self, lsn: Lsn, bytes: u32) {
        let at = (lsn.0 / self.segment_bytes - self.first) as usize;
        self.uses[at].messages -= 1;
        self.uses[at].bytes -= u64::from(bytes);
        while self.uses.front().is_some_and(|used| used.messages == 0) {
            self.uses.pop_front();
            self.first += 1;
        }
    }

    /// The start of the oldest segment in use.
    pub(crate) fn oldest(&self) -> Option<Lsn> {
        (!self.uses.is_empty()).then(|| Lsn(self.first * self.segment_bytes))
    }

    /// The segment that `lsn` lies in.
    pub(crate) fn usage(&self, lsn: Lsn) -> SegmentUse {
        let at = (lsn.0 / self.segment_bytes).checked_sub(self.first);
        at.and_then(|at| self.uses.get(usize::try_from(at).ok()?)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_segment_in_use_is_known() {
        let mut account = SegmentAccount::new(100);
        assert_eq!(account.oldest(), None);
        account.add(Lsn(730), 5);
        account.add(Lsn(520), 7);
        account.add(Lsn(599), 3);
        assert_eq!(account.oldest(), Some(Lsn(500)));
        assert_eq!(account.usage(Lsn(510)), SegmentUse { messages: 2, bytes: 10 });
        account.subtract(Lsn(520), 7);
        account.subtract(Lsn(599), 3);
        assert_eq!(account.oldest(), Some(Lsn(700)));
        account.subtract(Lsn(730), 5);
        assert_eq!(account.oldest(), None);
        assert_eq!(account.usage(Lsn(730)), SegmentUse::default());
    }
}
