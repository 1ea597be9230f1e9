use std::collections::VecDeque;

use crate::Offset;

/// Turns acks in any order into the one offset that a group may commit: everything before it is done.
///
/// A session keeps one for each partition that it delivers from: it tells [`LowWatermark::deliver`] what went out,
/// in order, and [`LowWatermark::ack`] what came back, and commits the offset that these answer. Offsets that were
/// never delivered (removed by compaction, or markers of transactions) hold nothing up.
///
/// ```
/// use log_engine::{LowWatermark, Offset};
///
/// let mut done = LowWatermark::new(Offset(10));
/// for offset in 10..14 {
///     done.deliver(Offset(offset));
/// }
/// assert_eq!(done.ack(Offset(12)), None);
/// assert_eq!(done.ack(Offset(10)), Some(Offset(11)));
/// assert_eq!(done.ack(Offset(11)), Some(Offset(13)));
/// assert_eq!(done.outstanding(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct LowWatermark {
    /// Delivered and not below the watermark yet, in order; true once acknowledged.
    window: VecDeque<(Offset, bool)>,
    /// The offset after the last one delivered.
    delivered: Offset,
    watermark: Offset,
    outstanding: usize,
}

impl LowWatermark {
    /// Begins where everything before `start` is done.
    #[must_use]
    pub fn new(start: Offset) -> LowWatermark {
        LowWatermark { window: VecDeque::new(), delivered: start, watermark: start, outstanding: 0 }
    }

    /// Takes note that a record goes out. Records go out in order; one that went out already is not counted again.
    pub fn deliver(&mut self, offset: Offset) {
        if offset >= self.delivered {
            self.window.push_back((offset, false));
            self.delivered = offset.next();
            self.outstanding += 1;
        }
    }

    /// Takes note that nothing before `next` is still to go out: markers of transactions behind the last record, say.
    pub fn reach(&mut self, next: Offset) {
        self.delivered = self.delivered.max(next);
    }

    /// Takes note that a record is done, and answers the offset to commit when that moved.
    pub fn ack(&mut self, offset: Offset) -> Option<Offset> {
        let at = self.window.binary_search_by_key(&offset, |(delivered, _)| *delivered).ok()?;
        let (_, done) = self.window.get_mut(at)?;
        if std::mem::replace(done, true) {
            return None;
        }
        self.outstanding -= 1;
        self.advance()
    }

    /// Takes note that everything up to and including `offset` is done.
    pub fn ack_through(&mut self, offset: Offset) -> Option<Offset> {
        for (delivered, done) in &mut self.window {
            if *delivered > offset {
                break;
            }
            if !std::mem::replace(done, true) {
                self.outstanding -= 1;
            }
        }
        self.advance()
    }

    fn advance(&mut self) -> Option<Offset> {
        let before = self.watermark;
        while let Some((_, true)) = self.window.front() {
            self.window.pop_front();
        }
        self.watermark = self.window.front().map_or(self.delivered, |(offset, _)| *offset).max(before);
        (self.watermark > before).then_some(self.watermark)
    }

    /// The offset that may be committed.
    #[must_use]
    pub fn watermark(&self) -> Offset {
        self.watermark
    }

    /// Whether this record went out and is not done.
    #[must_use]
    pub fn is_outstanding(&self, offset: Offset) -> bool {
        let at = self.window.binary_search_by_key(&offset, |(delivered, _)| *delivered);
        at.ok().and_then(|at| self.window.get(at)).is_some_and(|(_, done)| !done)
    }

    /// How many records went out and are not done.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// How many records are remembered: grows while one that is not done is overtaken by others.
    #[must_use]
    pub fn window(&self) -> usize {
        self.window.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn is_the_lowest_offset_not_done(gaps in proptest::collection::vec(1i64..4, 1..60), acks: Vec<u8>) {
            let mut mark = LowWatermark::new(Offset(0));
            let mut open = BTreeSet::new();
            let mut at = 0;
            for gap in gaps {
                at += gap;
                mark.deliver(Offset(at));
                open.insert(at);
            }
            for ack in acks {
                let offset = i64::from(ack);
                let before = mark.watermark();
                let moved = mark.ack(Offset(offset));
                open.remove(&offset);
                let lowest = Offset(open.first().copied().unwrap_or(at + 1));
                // Offsets before the first delivery count as done only once something moves.
                if let Some(moved) = moved {
                    prop_assert_eq!(moved, lowest);
                } else {
                    prop_assert!(before == mark.watermark());
                    prop_assert!(lowest == before || before == Offset(0));
                }
                prop_assert_eq!(mark.outstanding(), open.len());
            }
        }
    }

    #[test]
    fn repeated_and_unknown_acks_change_nothing() {
        let mut mark = LowWatermark::new(Offset(5));
        mark.deliver(Offset(5));
        mark.deliver(Offset(5));
        assert_eq!(mark.ack(Offset(9)), None);
        assert_eq!(mark.ack(Offset(5)), Some(Offset(6)));
        assert_eq!(mark.ack(Offset(5)), None);
        mark.deliver(Offset(8));
        mark.deliver(Offset(9));
        assert_eq!(mark.ack_through(Offset(8)), Some(Offset(9)));
        assert!(mark.is_outstanding(Offset(9)));
        // Two markers follow: they are passed with the record before them.
        mark.reach(Offset(12));
        assert_eq!(mark.ack(Offset(9)), Some(Offset(12)));
    }
}
