use std::collections::{BTreeMap, BTreeSet};

use message::{GroupName, Timestamp};

use super::answers::Moment;
use super::catalog::Catalog;
use super::{GroupAnswer, GroupConfig, GroupOffsets, Members, Ticket};
use crate::group_settings::ConsumerPace;

/// One group as the engine keeps it.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub offsets: GroupOffsets,
    pub members: Members,
    /// Since when it has been without members; absent when it has some, or never had any.
    pub empty_since: Option<Timestamp>,
    /// Whether the journal knows that it has members.
    pub recorded_occupied: bool,
    deadline: Option<Timestamp>,
    weight: u64,
}

impl Group {
    /// Whether nobody is in it and nothing is committed.
    pub(crate) fn is_vacant(&self) -> bool {
        self.offsets.is_empty() && self.members.is_vacant()
    }
}

/// All groups of an engine.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    pub by_name: BTreeMap<GroupName, Group>,
    /// When something is due in which group.
    deadlines: BTreeSet<(Timestamp, GroupName)>,
    /// Memory of all of them.
    pub weight: u64,
    pub answers: Vec<(Ticket, GroupAnswer)>,
    /// Groups that everybody left and that hold no offsets: they are told as empty for a while, unless memory is short.
    left: BTreeSet<GroupName>,
    /// Groups that got their first member or lost their last since the journal was told.
    pub unrecorded: BTreeSet<GroupName>,
    /// Where looking for old offsets goes on, while it is under way.
    pub expiry_from: Option<GroupName>,
    pub next_expiry: Timestamp,
}

impl Groups {
    /// What a group takes without anything in it, about.
    const GROUP_BYTES: u64 = 256;

    /// The next moment at which something is due.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next group in which something is due by `now`.
    pub(crate) fn due(&self, now: Timestamp) -> Option<GroupName> {
        self.deadlines.first().filter(|(at, _)| *at <= now).map(|(_, name)| name.clone())
    }

    /// Has something happen in a group, which is made when there is none, and forgotten when there never was a member.
    pub(crate) fn change<T>(
        &mut self,
        name: &GroupName,
        catalog: Catalog<'_>,
        (config, pace): (&GroupConfig, ConsumerPace),
        now: Timestamp,
        happen: impl FnOnce(&mut Group, &mut Moment<'_>) -> T,
    ) -> T {
        let group = self.by_name.entry(name.clone()).or_default();
        let occupied = !group.members.is_empty();
        let mut at = Moment { now, config, pace, answers: &mut self.answers };
        let outcome = happen(group, &mut at);
        group.members.settle_kind(catalog, &at);
        match (occupied, !group.members.is_empty()) {
            (true, false) => group.empty_since = Some(now),
            (false, true) => group.empty_since = None,
            _ => {}
        }
        if group.recorded_occupied == group.members.is_empty() && !group.offsets.is_empty() {
            self.unrecorded.insert(name.clone());
        }
        self.tidy(name);
        outcome
    }

    /// Brings what is kept of a group beside itself up to date.
    pub(crate) fn tidy(&mut self, name: &GroupName) {
        let Some(group) = self.by_name.get_mut(name) else { return };
        let deadline = group.members.next_deadline();
        if deadline != group.deadline {
            if let Some(old) = std::mem::replace(&mut group.deadline, deadline) {
                self.deadlines.remove(&(old, name.clone()));
            }
            if let Some(new) = deadline {
                self.deadlines.insert((new, name.clone()));
            }
        }
        let weight = Groups::GROUP_BYTES + group.members.weight() + group.offsets.weight();
        self.weight = self.weight + weight - std::mem::replace(&mut group.weight, weight);
        // One that had members is still told as empty until old offsets are looked for the next time.
        match (group.is_vacant(), group.empty_since.is_some()) {
            (true, true) => _ = self.left.insert(name.clone()),
            (true, false) => self.remove(name),
            (false, _) => _ = self.left.remove(name),
        }
    }

    /// Whether all groups take less than `limit` bytes, without those that everybody left if need be.
    pub(crate) fn make_room(&mut self, limit: u64) -> bool {
        while self.weight >= limit
            && let Some(name) = self.left.pop_first()
        {
            self.remove(&name);
        }
        self.weight < limit
    }

    pub(crate) fn remove(&mut self, name: &GroupName) {
        let Some(group) = self.by_name.remove(name) else { return };
        if let Some(deadline) = group.deadline {
            self.deadlines.remove(&(deadline, name.clone()));
        }
        self.weight -= group.weight;
        self.left.remove(name);
        self.unrecorded.remove(name);
    }
}
