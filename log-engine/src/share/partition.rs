use message::Timestamp;

use super::acknowledgement::{AcknowledgeType, Acknowledgement};
use super::in_flight::{InFlight, RecordState, Run};
use super::{ShareError, ShareLimits};
use crate::Offset;
use crate::group::MemberId;

/// Records that a member was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquiredRecords {
    /// The first.
    pub first: Offset,
    /// The last.
    pub last: Offset,
    /// How often they were handed out, this time included.
    pub deliveries: u16,
}

/// What a member wants of one share partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acquisition<'a> {
    pub member: &'a MemberId,
    /// Nothing before this.
    pub from: Offset,
    /// Nothing from here on.
    pub upto: Offset,
    /// Most records.
    pub records: u64,
    /// The end of the acquisition lock.
    pub until: Timestamp,
}

/// Records that stand otherwise than the journal knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateChange {
    pub first: Offset,
    pub last: Offset,
    pub state: KeptState,
    pub deliveries: u16,
}

/// What the journal keeps of a record's state: who has it at the moment is not worth a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeptState {
    Available,
    Acknowledged,
    Archived,
}

impl From<KeptState> for RecordState {
    fn from(kept: KeptState) -> RecordState {
        match kept {
            KeptState::Available => RecordState::Available,
            KeptState::Acknowledged => RecordState::Acknowledged,
            KeptState::Archived => RecordState::Archived,
        }
    }
}

/// One partition as one share group sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharePartition {
    records: InFlight,
    /// No acquisition lock ends earlier.
    next_timeout: Option<Timestamp>,
}

impl SharePartition {
    pub(crate) fn new(start: Offset) -> SharePartition {
        SharePartition { records: InFlight::new(start), next_timeout: None }
    }

    pub(crate) fn start(&self) -> Offset {
        self.records.start()
    }

    /// Records that the group has still to deal with, when the partition reaches up to `end`.
    pub(crate) fn lag(&self, end: Offset) -> u64 {
        let behind = end.0.max(self.records.end().0) - self.start().0;
        u64::try_from(behind).unwrap_or(0) - self.records.finished()
    }

    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        self.next_timeout
    }

    /// Gives a member records: those that came back first, then new ones.
    ///
    /// What was handed out often comes in ever smaller portions, the last time alone: so that one bad record does not
    /// take its neighbours along.
    pub(crate) fn acquire(&mut self, want: Acquisition<'_>, limits: &ShareLimits) -> Vec<AcquiredRecords> {
        let mut taken: Vec<AcquiredRecords> = Vec::new();
        let mut left = want.records;
        for (first, run) in self.records.runs() {
            let (first, last) = (first.max(want.from), run.last.min(want.upto.plus(-1)));
            if left == 0 || first >= want.upto {
                break;
            }
            if run.state != RecordState::Available || first > last {
                continue;
            }
            let portion = limits.portion(run.deliveries, width(first, last));
            if portion.is_some() && !taken.is_empty() {
                left = 0;
                break;
            }
            let count = left.min(portion.unwrap_or(u64::MAX)).min(width(first, last));
            taken.push(AcquiredRecords {
                first,
                last: first.plus(count as i64 - 1),
                deliveries: run.deliveries.saturating_add(1),
            });
            left = if portion.is_some() { 0 } else { left - count };
        }
        let held = RecordState::Acquired { member: want.member.clone(), until: want.until };
        for one in &taken {
            self.records.change(one.first, one.last, |_| Some((held.clone(), one.deliveries)));
        }
        let new = self.records.end();
        let room = match self.records.run_count() as u64 > limits.record_locks.saturating_mul(4) {
            // Somebody keeps the first for ever: what others do behind it must not take ever more memory.
            true => 0,
            false => limits.record_locks.saturating_sub(self.records.open()),
        };
        let count = left.min(room).min(u64::try_from(want.upto.0 - new.0).unwrap_or(0));
        if count > 0 && new >= want.from {
            let last = new.plus(count as i64 - 1);
            self.records.extend(last, held, 1);
            taken.push(AcquiredRecords { first: new, last, deliveries: 1 });
        }
        if !taken.is_empty() {
            self.next_timeout = Some(self.next_timeout.map_or(want.until, |at| at.min(want.until)));
        }
        taken
    }

    /// Takes a member's word on records that it has: on all of them, or on none.
    pub(crate) fn acknowledge(
        &mut self,
        member: &MemberId,
        acknowledgements: &[Acknowledgement],
        until: Timestamp,
        limits: &ShareLimits,
    ) -> Result<Vec<StateChange>, ShareError> {
        acknowledgements.iter().try_for_each(|one| self.check(member, one))?;
        let mut changes = Vec::new();
        for (first, last, kind) in acknowledgements.iter().flat_map(Acknowledgement::runs) {
            let state = |run: &Run| Some((after(kind, run, until, limits), run.deliveries));
            let changed = self.records.change(first, last, state);
            if kind != AcknowledgeType::Renew {
                changes.extend(changed.into_iter().filter_map(kept));
            }
        }
        self.records.advance();
        Ok(changes)
    }

    /// Whether the member has every record that it speaks of, but for those that are done with.
    fn check(&self, member: &MemberId, one: &Acknowledgement) -> Result<(), ShareError> {
        let first = one.first.max(self.start());
        if one.last < first {
            return Ok(());
        }
        if one.last >= self.records.end() {
            return Err(ShareError::NeverAcquired(one.last));
        }
        match self.records.within(first, one.last).find(|(_, _, run)| !run.state.is_held_by(member)) {
            Some((offset, ..)) => Err(ShareError::NotAcquired(offset)),
            None => Ok(()),
        }
    }

    /// Takes back what a member has, because it went away.
    pub(crate) fn release(&mut self, member: &MemberId, limits: &ShareLimits) -> Vec<StateChange> {
        self.take_back(limits, |state| state.is_held_by(member))
    }

    /// Takes back what members have had for too long.
    pub(crate) fn expire(&mut self, now: Timestamp, limits: &ShareLimits) -> Vec<StateChange> {
        if self.next_timeout.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let changes = self
            .take_back(limits, |state| matches!(state, RecordState::Acquired { until, .. } if *until <= now));
        let locks = self.records.runs().filter_map(|(_, run)| match &run.state {
            RecordState::Acquired { until, .. } => Some(*until),
            _ => None,
        });
        self.next_timeout = locks.min();
        changes
    }

    fn take_back(&mut self, limits: &ShareLimits, of: impl Fn(&RecordState) -> bool) -> Vec<StateChange> {
        let released = |run: &Run| of(&run.state).then(|| (limits.released(run.deliveries), run.deliveries));
        let changed = self.records.change(self.start(), self.records.end(), released);
        self.records.advance();
        changed.into_iter().filter_map(kept).collect()
    }

    /// Takes back what a member was given but never sent: as if it had not been.
    pub(crate) fn give_back(&mut self, member: &MemberId, first: Offset, last: Offset) {
        self.records.change(first, last, |run| {
            let held = run.state.is_held_by(member);
            held.then(|| (RecordState::Available, run.deliveries.saturating_sub(1)))
        });
    }

    /// Gives up what the log does not hold any more.
    pub(crate) fn trim(&mut self, log_start: Offset) {
        self.records.trim(log_start);
    }

    /// Takes what the journal says of records.
    pub(crate) fn replay(&mut self, change: StateChange) {
        // Records may have been handed out, without a word in the journal, between those that it speaks of.
        self.records.extend(change.last, RecordState::Available, 0);
        self.records.change(change.first, change.last, |_| Some((change.state.into(), change.deliveries)));
        self.records.advance();
    }

    /// What a checkpoint says of the records: those out with a member are available, and were delivered once less.
    pub(crate) fn kept(&self) -> Vec<StateChange> {
        let each = self.records.runs().map(|(first, run)| match &run.state {
            RecordState::Acquired { .. } => StateChange {
                first,
                last: run.last,
                state: KeptState::Available,
                deliveries: run.deliveries.saturating_sub(1),
            },
            RecordState::Available => change(first, run, KeptState::Available),
            RecordState::Acknowledged => change(first, run, KeptState::Acknowledged),
            RecordState::Archived => change(first, run, KeptState::Archived),
        });
        let mut kept: Vec<StateChange> = each.collect();
        // Those at the end that nobody was given are as new.
        while kept.pop_if(|last| last.state == KeptState::Available && last.deliveries == 0).is_some() {}
        kept
    }
}

fn width(first: Offset, last: Offset) -> u64 {
    u64::try_from(last.0 - first.0 + 1).unwrap_or(0)
}

fn change(first: Offset, run: &Run, state: KeptState) -> StateChange {
    StateChange { first, last: run.last, state, deliveries: run.deliveries }
}

/// A change that the journal is to know.
fn kept((first, run): (Offset, Run)) -> Option<StateChange> {
    match run.state {
        RecordState::Available => Some(change(first, &run, KeptState::Available)),
        RecordState::Acknowledged => Some(change(first, &run, KeptState::Acknowledged)),
        RecordState::Archived => Some(change(first, &run, KeptState::Archived)),
        RecordState::Acquired { .. } => None,
    }
}

fn after(kind: AcknowledgeType, run: &Run, until: Timestamp, limits: &ShareLimits) -> RecordState {
    match (kind, &run.state) {
        (AcknowledgeType::Accept, _) => RecordState::Acknowledged,
        (AcknowledgeType::Gap | AcknowledgeType::Reject, _) => RecordState::Archived,
        (AcknowledgeType::Release, _) => limits.released(run.deliveries),
        (AcknowledgeType::Renew, RecordState::Acquired { member, .. }) => {
            RecordState::Acquired { member: member.clone(), until }
        }
        (AcknowledgeType::Renew, other) => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: ShareLimits = ShareLimits { deliveries: 5, record_locks: 10 };

    /// One member keeps the first record for ever while another rejects and accepts in turn all that follows.
    #[test]
    fn one_record_that_is_kept_for_ever_does_not_take_ever_more_memory() {
        let (keeper, busy) = (MemberId::new("keeper"), MemberId::new("busy"));
        let mut one = SharePartition::new(Offset(0));
        let until = Timestamp(0).plus(Duration::from_secs(1000));
        let want =
            |member, records| Acquisition { member, from: Offset(0), upto: Offset(10_000), records, until };
        assert_eq!(one.acquire(want(&keeper, 1), &LIMITS).len(), 1);
        let mut settled = 0;
        while let Some(run) = one.acquire(want(&busy, 1), &LIMITS).first().copied() {
            let kind = [AcknowledgeType::Accept, AcknowledgeType::Reject][settled % 2];
            let said = Acknowledgement::new(run.first, run.last, vec![kind]).unwrap();
            one.acknowledge(&busy, &[said], until, &LIMITS).unwrap();
            settled += 1;
        }
        assert_eq!(one.records.run_count(), 41);
        assert_eq!(one.lag(Offset(10_000)), 10_000 - settled as u64);
        // Once the first is done with, it goes on.
        let said = Acknowledgement::new(Offset(0), Offset(0), vec![AcknowledgeType::Accept]).unwrap();
        one.acknowledge(&keeper, &[said], until, &LIMITS).unwrap();
        assert_eq!(one.start(), Offset(settled as i64 + 1));
        assert_eq!(one.acquire(want(&busy, 1), &LIMITS).len(), 1);
    }
}
