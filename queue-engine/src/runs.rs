use crate::QueueId;
use crate::fields::{Fields, Malformed, put_varint, varint_len};

/// Consecutive messages of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) queue: QueueId,
    pub(crate) start: u64,
    pub(crate) len: u64,
}

impl Run {
    /// Most bytes that one run takes in a record.
    pub(crate) const BOUND: usize = 5 + 10 + 10;

    pub(crate) fn sequences(self) -> std::ops::Range<u64> {
        self.start..self.start.saturating_add(self.len)
    }
}

/// Messages that the same thing happened to, written down together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs(Vec<Run>);

impl Runs {
    pub(crate) fn push(&mut self, queue: QueueId, sequence: u64) {
        match self.0.last_mut() {
            Some(run) if run.queue == queue && run.start + run.len == sequence => run.len += 1,
            _ => self.0.push(Run { queue, start: sequence, len: 1 }),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Run> {
        self.0.iter().copied()
    }

    /// Bytes that `put` writes.
    pub(crate) fn stored_len(&self) -> usize {
        let run =
            |run: &Run| varint_len(u64::from(run.queue.0)) + varint_len(run.start) + varint_len(run.len);
        varint_len(self.0.len() as u64) + self.0.iter().map(run).sum::<usize>()
    }

    /// At least what `put` writes, without looking at every run.
    pub(crate) fn bound(&self) -> usize {
        10 + self.0.len() * Run::BOUND
    }

    /// Splits off what does not fit into `room` bytes.
    pub(crate) fn split_at_room(&mut self, room: usize) -> Runs {
        let fitting = room.saturating_sub(10) / Run::BOUND;
        Runs(self.0.split_off(fitting.min(self.0.len())))
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        for run in &self.0 {
            put_varint(out, u64::from(run.queue.0));
            put_varint(out, run.start);
            put_varint(out, run.len);
        }
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Runs, Malformed> {
        let count: usize = fields.number()?;
        if count > fields.left() {
            return Err(Malformed);
        }
        let run =
            |_| Ok(Run { queue: QueueId(fields.number()?), start: fields.varint()?, len: fields.varint()? });
        (0..count).map(run).collect::<Result<_, _>>().map(Runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_read_back(pushed in prop::collection::vec((0u32..3, 0u64..400), 0..60), room in 0usize..600) {
            let mut runs = Runs::default();
            for (queue, sequence) in &pushed {
                runs.push(QueueId(*queue), *sequence);
            }
            let listed: Vec<_> = runs.iter().flat_map(|r| r.sequences().map(move |s| (r.queue.0, s))).collect();
            prop_assert_eq!(listed, pushed);
            let mut stored = Vec::new();
            runs.put(&mut stored);
            prop_assert_eq!(stored.len(), runs.stored_len());
            prop_assert_eq!(Runs::read(&mut Fields::new(&stored)), Ok(runs.clone()));
            let mut first = runs.clone();
            let second = first.split_at_room(room);
            prop_assert!(first.is_empty() || first.stored_len() <= room);
            prop_assert_eq!(first.iter().chain(second.iter()).collect::<Vec<_>>(), runs.iter().collect::<Vec<_>>());
        }
    }
}
