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
    #[allow(clippy::box_collection, reason = "what most queues never have should take one word")]
    above: Option<Box<Vec<(u8, Level)>>>,
}

#[derive(Debug, Default)]
struct Level {
    /// In order of arrival.
    arrived: Runs,
    /// Those that came back, or came out of turn.
    #[allow(clippy::box_collection, reason = "what most queues never have should take one word")]
    returned: Option<Box<BTreeSet<u64>>>,
}

/// Ascending sequences as runs. The first lies here: as long as messages leave in order it is all there is.
#[derive(Debug, Default)]
struct Runs {
    /// `None` only when there are no others.
    first: Option<Run>,
    others: Option<Box<Pieces>>,
}

/// Further runs, in pieces, so that a long queue never moves them all.
#[derive(Debug, Default)]
struct Pieces {
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

impl Pieces {
    fn last_mut(&mut self) -> Option<&mut Run> {
        self.pieces.back_mut()?.last_mut()
    }

    fn push(&mut self, run: Run) {
        if self.pieces.back().is_none_or(|piece| piece.len() == PIECE) {
            self.pieces.push_back(Vec::new());
        }
        self.pieces.back_mut().into_iter().for_each(|piece| piece.push(run));
    }

    fn pop_first(&mut self) -> Option<Run> {
        let piece = self.pieces.front()?;
        let run = piece.get(self.used).copied();
        self.used += 1;
        if self.used == piece.len() {
            self.used = 0;
            self.pieces.pop_front();
        }
        run
    }

    fn iter(&self) -> impl Iterator<Item = &Run> {
        self.pieces.iter().flatten().skip(self.used)
    }
}

impl Runs {
    fn last(&self) -> Option<u64> {
        let others = self.others.as_ref().and_then(|others| others.pieces.back()?.last());
        others.or(self.first.as_ref()).map(|run| run.end - 1)
    }

    fn push(&mut self, sequence: u64) {
        let others = self.others.as_mut().and_then(|others| others.last_mut());
        let run = Run { start: sequence, end: sequence + 1 };
        match others.or(self.first.as_mut()) {
            None => self.first = Some(run),
            Some(last) if last.end == sequence => last.end += 1,
            Some(_) => self.others.get_or_insert_default().push(run),
        }
    }

    fn first(&self) -> Option<u64> {
        Some(self.first?.start)
    }

    fn advance(&mut self) {
        let Some(run) = &mut self.first else { return };
        run.start += 1;
        if run.start == run.end {
            self.first = self.others.as_mut().and_then(|others| others.pop_first());
        }
    }

    fn iter(&self) -> impl Iterator<Item = u64> {
        let others = self.others.iter().flat_map(|others| others.iter());
        self.first.iter().chain(others).flat_map(|run| run.start..run.end)
    }
}

impl Level {
    fn push(&mut self, sequence: u64) {
        if self.arrived.last().is_none_or(|last| last < sequence) {
            self.arrived.push(sequence);
        } else {
            self.returned.get_or_insert_default().insert(sequence);
        }
    }

    fn first_returned(&self) -> Option<u64> {
        self.returned.as_ref()?.first().copied()
    }

    fn first(&self) -> Option<u64> {
        [self.arrived.first(), self.first_returned()].into_iter().flatten().min()
    }

    fn take_first(&mut self) {
        let (arrived, returned) = (self.arrived.first(), self.first_returned());
        if returned.is_some_and(|returned| arrived.is_none_or(|arrived| returned <= arrived)) {
            self.returned.as_mut().and_then(|returned| returned.pop_first());
        }
        if arrived.is_some_and(|arrived| returned.is_none_or(|returned| arrived <= returned)) {
            self.arrived.advance();
        }
    }

    fn iter(&self) -> impl Iterator<Item = u64> {
        let mut arrived = self.arrived.iter().peekable();
        let mut returned = self.returned.iter().flat_map(|returned| returned.iter().copied()).peekable();
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
        let above = self.above.get_or_insert_default();
        let at = above.partition_point(|(level, _)| *level > priority);
        if above.get(at).is_none_or(|(level, _)| *level != priority) {
            above.insert(at, (priority, Level::default()));
        }
        above[at].1.push(sequence);
    }

    fn above(&self) -> impl Iterator<Item = &(u8, Level)> {
        self.above.iter().flat_map(|above| above.iter())
    }

    /// The next to leave, and its level.
    pub(crate) fn first(&self) -> Option<(u8, u64)> {
        let above = self.above().find_map(|(priority, level)| Some((*priority, level.first()?)));
        above.or_else(|| Some((0, self.base.first()?)))
    }

    /// Lets the next one leave.
    pub(crate) fn take_first(&mut self) {
        let mut above = self.above.iter_mut().flat_map(|above| above.iter_mut());
        match above.find(|(_, level)| level.first().is_some()) {
            Some((_, level)) => level.take_first(),
            None => self.base.take_first(),
        }
    }

    /// All in the order in which they leave.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        self.above().flat_map(|(_, level)| level.iter()).chain(self.base.iter())
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
