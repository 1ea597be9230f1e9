use std::collections::VecDeque;

use super::command::OffsetRun;
use crate::topics::{LowWatermark, Offset};

/// Records that are remembered at most for one partition.
const WINDOW_MAX: usize = 100_000;

/// Records of one partition that a group subscription handed over and that wait to be acknowledged.
#[derive(Debug)]
pub struct InFlight {
    low: LowWatermark,
    records: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    offset: i64,
    weight: u32,
    acked: bool,
}

/// What an acknowledgement brought about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acked {
    /// Records that were waiting until now.
    pub messages: u64,
    /// What they weighed.
    pub bytes: u64,
    /// The position to commit, if everything before it is now acknowledged and it moved.
    pub commit: Option<i64>,
}

impl InFlight {
    /// Nothing is in flight; what lies before `position` is done.
    #[must_use]
    pub fn new(position: i64) -> InFlight {
        InFlight { low: LowWatermark::new(Offset(position)), records: VecDeque::new() }
    }

    /// Notes that a record was handed over. Offsets only grow.
    pub fn delivered(&mut self, offset: i64, weight: u32) {
        self.low.deliver(Offset(offset));
        self.records.push_back(Waiting { offset, weight, acked: false });
    }

    /// Notes that nothing before `next` is still to be handed over.
    pub fn reached(&mut self, next: i64) {
        self.low.reach(Offset(next));
    }

    /// Whether more may be handed over: not while too much is remembered because of one record that is not acknowledged.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.records.len() < WINDOW_MAX
    }

    /// Acknowledges the records of a run that wait; the others were acknowledged before or never handed over.
    pub fn ack(&mut self, run: OffsetRun) -> Acked {
        let mut acked = Acked::default();
        let first = self.records.partition_point(|waiting| waiting.offset < run.first);
        for waiting in self.records.range_mut(first..).take_while(|waiting| waiting.offset <= run.last) {
            if !waiting.acked {
                waiting.acked = true;
                acked.messages += 1;
                acked.bytes += u64::from(waiting.weight);
                if let Some(position) = self.low.ack(Offset(waiting.offset)) {
                    acked.commit = Some(position.0);
                }
            }
        }
        while self.records.front().is_some_and(|waiting| waiting.acked) {
            self.records.pop_front();
        }
        acked
    }

    /// Everything before `position` is done: the client committed it.
    pub fn ack_before(&mut self, partition: u32, position: i64) -> Acked {
        self.ack(OffsetRun { partition, first: i64::MIN, last: position.saturating_sub(1) })
    }

    /// What waits: records, and what they weigh.
    #[must_use]
    pub fn waiting(&self) -> (u64, u64) {
        let open = self.records.iter().filter(|waiting| !waiting.acked);
        open.fold((0, 0), |(messages, bytes), waiting| (messages + 1, bytes + u64::from(waiting.weight)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn run(first: i64, last: i64) -> OffsetRun {
        OffsetRun { partition: 0, first, last }
    }

    #[test]
    fn only_the_lowest_contiguous_offset_is_committed() {
        let mut flight = InFlight::new(10);
        for offset in [10, 11, 12, 15, 16] {
            flight.delivered(offset, 100);
        }
        assert_eq!(flight.ack(run(11, 12)), Acked { messages: 2, bytes: 200, commit: None });
        assert_eq!(flight.ack(run(11, 12)), Acked::default());
        // 13 and 14 are no records: the next to read is 15.
        assert_eq!(flight.ack(run(10, 10)), Acked { messages: 1, bytes: 100, commit: Some(15) });
        assert_eq!(flight.ack(run(16, 99)), Acked { messages: 1, bytes: 100, commit: None });
        assert_eq!(flight.waiting(), (1, 100));
        assert_eq!(flight.ack_before(0, 16), Acked { messages: 1, bytes: 100, commit: Some(17) });
        assert_eq!(flight.waiting(), (0, 0));
        flight.delivered(20, 1);
        flight.reached(23);
        assert_eq!(flight.ack(run(20, 20)).commit, Some(23), "behind the markers that follow");
    }

    #[test]
    fn one_record_that_is_never_acknowledged_does_not_fill_the_memory() {
        let mut flight = InFlight::new(0);
        let mut at = 0;
        while flight.has_room() {
            flight.delivered(at, 1);
            flight.ack(run(at.max(1), at));
            at += 1;
        }
        assert_eq!((at as usize, flight.waiting()), (WINDOW_MAX, (1, 1)));
        assert_eq!(flight.ack(run(0, 0)).commit, Some(at));
        assert!(flight.has_room());
    }

    proptest! {
        #[test]
        fn nothing_unacknowledged_is_ever_committed(
            gaps in proptest::collection::vec(1i64..4, 1..40),
            acks in proptest::collection::vec((0i64..100, 0i64..12), 0..60),
        ) {
            let mut flight = InFlight::new(0);
            let mut open = BTreeSet::new();
            let mut at = -1;
            for gap in gaps {
                at += gap;
                flight.delivered(at, 1);
                open.insert(at);
            }
            let mut committed = 0;
            for (first, len) in acks {
                let acked = flight.ack(run(first, first + len));
                let before = open.len();
                open.retain(|offset| !(first..=first + len).contains(offset));
                prop_assert_eq!(acked.messages as usize, before - open.len());
                if let Some(position) = acked.commit {
                    prop_assert!(position > committed);
                    committed = position;
                }
                prop_assert!(open.range(..committed).next().is_none());
            }
        }
    }
}
