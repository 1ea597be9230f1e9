use std::collections::{BTreeSet, VecDeque};

/// The order in which a queue's ready messages leave: highest priority first, then order of arrival.
///
/// A message that comes back takes its old place. Entries may outlive the message: the queue checks each entry that
/// it is offered and discards the stale ones, which keeps removal from the middle free.
#[derive(Debug, Default)]
pub(crate) struct ReadyOrder {
    /// Priority 0, the only level of most queues.
    base: Level,
    /// The other levels that were ever used, highest first.
    above: Vec<(u8, Level)>,
}

#[derive(Debug, Default)]
struct Level {
    /// In order of arrival.
    arrived: Runs,
    /// Those that came back, or came out of turn.
    returned: BTreeSet<u64>,
}

/// Ascending sequences as runs, in pieces so that a long queue never moves them all.
#[derive(Debug, Default)]
struct Runs {
    pieces: VecDeque<Vec<Run>>,
    /// Runs of the first piece that are used up.
    used: usize,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    start: u64,
    end: u64,
}

const PIECE: usize = 256;

impl Runs {
    fn last(&self) -> Option<u64> {
        Some(self.pieces.back()?.last()?.end - 1)
    }

    fn push(&mut self, sequence: u64) {
        let last = self.pieces.back_mut();
        if let Some(run) = last.and_then(|piece| piece.last_mut()).filter(|run| run.end == sequence) {
            run.end += 1;
            return;
        }
        if self.pieces.back().is_none_or(|piece| piece.len() == PIECE) {
            self.pieces.push_back(Vec::new());
        }
        if let Some(piece) = self.pieces.back_mut() {
            piece.push(Run { start: sequence, end: sequence + 1 });
        }
    }

    fn first(&self) -> Option<u64> {
        Some(self.pieces.front()?.get(self.used)?.start)
    }

    fn advance(&mut self) {
        let is_only = self.pieces.len() == 1;
        let Some(piece) = self.pieces.front_mut() else { return };
        let Some(run) = piece.get_mut(self.used) else { return };
        run.start += 1;
        if run.start < run.end {
            return;
        }
        self.used += 1;
        if self.used == piece.len() {
            self.used = 0;
            if is_only && piece.capacity() <= 8 {
                piece.clear();
            } else {
                self.pieces.pop_front();
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = u64> {
        self.pieces.iter().flatten().skip(self.used).flat_map(|run| run.start..run.end)
    }
}

impl Level {
    fn push(&mut self, sequence: u64) {
        if self.arrived.last().is_none_or(|last| last < sequence) {
            self.arrived.push(sequence);
        } else {
            self.returned.insert(sequence);
        }
    }

    fn first(&self) -> Option<u64> {
        let arrived = self.arrived.first();
        match self.returned.first() {
            None => arrived,
            Some(returned) => Some(arrived.map_or(*returned, |arrived| arrived.min(*returned))),
        }
    }

    fn take_first(&mut self) {
        match (self.arrived.first(), self.returned.first().copied()) {
            (Some(arrived), Some(returned)) if returned < arrived => {
                self.returned.pop_first();
            }
            (Some(arrived), returned) => {
                if returned == Some(arrived) {
                    self.returned.pop_first();
                }
                self.arrived.advance();
            }
            (None, _) => {
                self.returned.pop_first();
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = u64> {
        let mut arrived = self.arrived.iter().peekable();
        let mut returned = self.returned.iter().copied().peekable();
        std::iter::from_fn(move || match (arrived.peek(), returned.peek()) {
            (Some(a), Some(r)) if r < a => returned.next(),
            (Some(_), _) => arrived.next(),
            (None, _) => returned.next(),
        })
    }
}

impl ReadyOrder {
    /// Lets a message wait at its place. It may not be waiting already.
    pub(crate) fn push(&mut self, priority: u8, sequence: u64) {
        if priority == 0 {
            self.base.push(sequence);
            return;
        }
        let at = self.above.partition_point(|(level, _)| *level > priority);
        if self.above.get(at).is_none_or(|(level, _)| *level != priority) {
            self.above.insert(at, (priority, Level::default()));
        }
        self.above[at].1.push(sequence);
    }

    /// The next to leave, and its level.
    pub(crate) fn first(&self) -> Option<(u8, u64)> {
        let above = self.above.iter().find_map(|(priority, level)| Some((*priority, level.first()?)));
        above.or_else(|| Some((0, self.base.first()?)))
    }

    /// Lets the next one leave.
    pub(crate) fn take_first(&mut self) {
        match self.above.iter_mut().find(|(_, level)| level.first().is_some()) {
            Some((_, level)) => level.take_first(),
            None => self.base.take_first(),
        }
    }

    /// All in the order in which they leave.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        self.above.iter().flat_map(|(_, level)| level.iter()).chain(self.base.iter())
    }

    pub(crate) fn clear(&mut self) {
        *self = ReadyOrder::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;

    proptest! {
        #[test]
        fn leaves_by_priority_then_arrival(
            steps in prop::collection::vec((0u8..3, 0u8..4, any::<prop::sample::Index>()), 1..400),
        ) {
            let mut order = ReadyOrder::default();
            let mut model = BTreeSet::new();
            let mut taken: Vec<(u8, u64)> = Vec::new();
            let mut next = 0;
            for (step, priority, pick) in steps {
                match step {
                    0 => {
                        order.push(priority, next);
                        model.insert((Reverse(priority), next));
                        next += 1;
                    }
                    1 => {
                        let first = model.pop_first().map(|(priority, sequence)| (priority.0, sequence));
                        prop_assert_eq!(order.first(), first);
                        order.take_first();
                        taken.extend(first);
                    }
                    _ if !taken.is_empty() => {
                        let (priority, sequence) = taken.swap_remove(pick.index(taken.len()));
                        order.push(priority, sequence);
                        model.insert((Reverse(priority), sequence));
                    }
                    _ => {}
                }
                let want: Vec<u64> = model.iter().map(|(_, sequence)| *sequence).collect();
                prop_assert_eq!(order.iter().collect::<Vec<_>>(), want);
            }
        }
    }
}
