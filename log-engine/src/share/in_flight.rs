use std::collections::BTreeMap;

use message::Timestamp;

use crate::Offset;
use crate::group::MemberId;

/// Where one record stands in a share group (KIP-932).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RecordState {
    /// Anybody may have it.
    Available,
    /// Somebody has it until then.
    Acquired {
        /// Who.
        member: MemberId,
        /// The end of the acquisition lock.
        until: Timestamp,
    },
    /// Done with.
    Acknowledged,
    /// Given up: rejected, delivered too often, or no record at all.
    Archived,
}

impl RecordState {
    /// Whether it stays so for ever.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, RecordState::Acknowledged | RecordState::Archived)
    }

    pub(crate) fn is_held_by(&self, who: &MemberId) -> bool {
        matches!(self, RecordState::Acquired { member, .. } if member == who)
    }
}

/// Neighbouring records that stand alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub last: Offset,
    pub state: RecordState,
    /// How often they were handed out.
    pub deliveries: u16,
}

/// The records between a share partition's start and the first that nobody was given yet, as runs without gaps.
///
/// **Invariant:** the first run is not final, and no two neighbours are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InFlight {
    start: Offset,
    runs: BTreeMap<Offset, Run>,
    /// Records whose state is not final.
    open: u64,
}

fn span(first: Offset, last: Offset) -> u64 {
    u64::try_from(last.0 - first.0 + 1).unwrap_or(0)
}

impl InFlight {
    pub(crate) fn new(start: Offset) -> InFlight {
        InFlight { start, ..InFlight::default() }
    }

    /// The share partition's start offset: everything before it is done with.
    pub(crate) fn start(&self) -> Offset {
        self.start
    }

    /// The first record that nobody was given yet.
    pub(crate) fn end(&self) -> Offset {
        self.runs.last_key_value().map_or(self.start, |(_, run)| run.last.next())
    }

    /// Records whose state is not final.
    pub(crate) fn open(&self) -> u64 {
        self.open
    }

    /// Records after the start that are done with.
    pub(crate) fn finished(&self) -> u64 {
        span(self.start, self.end().plus(-1)) - self.open
    }

    /// How many runs it takes to tell them apart.
    pub(crate) fn run_count(&self) -> usize {
        self.runs.len()
    }

    pub(crate) fn runs(&self) -> impl Iterator<Item = (Offset, &Run)> {
        self.runs.iter().map(|(first, run)| (*first, run))
    }

    /// The runs that hold records from `first` to `last`, cut to these.
    pub(crate) fn within(&self, first: Offset, last: Offset) -> impl Iterator<Item = (Offset, Offset, &Run)> {
        let from = self.runs.range(..=first).next_back().map_or(first, |(at, _)| *at);
        let runs =
            self.runs.range(from..=last.max(from)).filter(move |(at, run)| run.last >= first && **at <= last);
        runs.map(move |(at, run)| ((*at).max(first), run.last.min(last), run))
    }

    /// Gives the records from `first` to `last`, all of which are there, what `state` makes of them; answers the
    /// changes. Finished runs at the front stay until [`InFlight::advance`].
    pub(crate) fn change(
        &mut self,
        first: Offset,
        last: Offset,
        mut state: impl FnMut(&Run) -> Option<(RecordState, u16)>,
    ) -> Vec<(Offset, Run)> {
        let (first, last) = (first.max(self.start), last.min(self.end().plus(-1)));
        if first > last {
            return Vec::new();
        }
        self.split(first);
        self.split(last.next());
        let mut changed = Vec::new();
        for (at, run) in self.runs.range_mut(first..=last) {
            let Some((state, deliveries)) = state(run) else { continue };
            let len = span(*at, run.last);
            self.open -= if run.state.is_final() { 0 } else { len };
            self.open += if state.is_final() { 0 } else { len };
            // How often a record was handed out is of no interest any more: those done with lie together.
            let deliveries = if state.is_final() { 0 } else { deliveries };
            (run.state, run.deliveries) = (state, deliveries);
            changed.push((*at, run.clone()));
        }
        self.merge(first, last);
        changed
    }

    /// Adds records up to `last` that nobody was given so far.
    pub(crate) fn extend(&mut self, last: Offset, state: RecordState, deliveries: u16) {
        let first = self.end();
        if last < first {
            return;
        }
        self.open += if state.is_final() { 0 } else { span(first, last) };
        self.runs.insert(first, Run { last, state, deliveries });
        self.merge(first, last);
    }

    /// Moves the start behind what is done with.
    pub(crate) fn advance(&mut self) {
        while let Some(first) = self.runs.first_entry().filter(|first| first.get().state.is_final()) {
            self.start = first.remove().last.next();
        }
    }

    /// Forgets everything before `start`.
    pub(crate) fn trim(&mut self, start: Offset) {
        if start <= self.start {
            return;
        }
        self.split(start);
        while let Some(first) = self.runs.first_entry().filter(|first| *first.key() < start) {
            let (at, run) = first.remove_entry();
            self.open -= if run.state.is_final() { 0 } else { span(at, run.last) };
        }
        self.start = start;
        self.advance();
    }

    /// Makes a run begin at `at`, if `at` is in one.
    fn split(&mut self, at: Offset) {
        let Some((first, run)) = self.runs.range_mut(..at).next_back() else { return };
        if *first < at && run.last >= at {
            let back = run.clone();
            run.last = at.plus(-1);
            self.runs.insert(at, back);
        }
    }

    /// Joins equal neighbours from the one before `first` to the one behind `last`.
    fn merge(&mut self, first: Offset, last: Offset) {
        let from = self.runs.range(..first).next_back().map_or(first, |(at, _)| *at);
        let mut before: Option<(Offset, Run)> = None;
        let near: Vec<Offset> = self.runs.range(from..=last.next()).map(|(at, _)| *at).collect();
        for at in near {
            let Some(run) = self.runs.get(&at).cloned() else { continue };
            match &mut before {
                Some((_, left)) if left.state == run.state && left.deliveries == run.deliveries => {
                    left.last = run.last;
                    self.runs.remove(&at);
                }
                _ => {
                    if let Some((left, merged)) = before.replace((at, run)) {
                        self.runs.insert(left, merged);
                    }
                }
            }
        }
        if let Some((left, merged)) = before {
            self.runs.insert(left, merged);
        }
    }
}
