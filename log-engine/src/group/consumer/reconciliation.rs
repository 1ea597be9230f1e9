use std::collections::{BTreeMap, BTreeSet};

use message::Timestamp;

use super::{ConsumerGroup, Share};
use crate::PartitionId;
use crate::group::MemberId;

impl ConsumerGroup {
    /// Leads a member one step towards its target, given what it says it has (absent: it does not say). Answers
    /// whether what it is to have changed.
    ///
    /// A member first confirms that it let go of what its target lacks. Only then it reaches the group's epoch, and it
    /// gets what nobody else holds; the rest follows with later steps.
    pub(super) fn reconcile(
        &mut self,
        id: &MemberId,
        owned: Option<&BTreeSet<PartitionId>>,
        now: Timestamp,
    ) -> bool {
        let Some(member) = self.members.get_mut(id) else { return false };
        if member.share == Share::Whole && member.epoch == self.epoch {
            return false;
        }
        // Who does not say what it has is taken to have what it was given.
        let still_has = |partition: &PartitionId| owned.is_none_or(|owned| owned.contains(partition));
        if let Share::Revoking { .. } = member.share {
            if member.revoking.keys().any(still_has) {
                return false;
            }
            for partition in std::mem::take(&mut member.revoking).keys() {
                self.holders.remove(partition);
            }
        }
        let (kept, lost): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut member.assigned)
            .into_iter()
            .partition(|(one, _)| member.target.contains(one));
        let mut changed = !lost.is_empty();
        member.assigned = kept;
        if lost.keys().any(still_has) {
            member.revoking = lost;
            member.share = Share::Revoking { until: now.plus(member.rebalance_timeout) };
            return changed;
        }
        for partition in lost.keys() {
            self.holders.remove(partition);
        }
        if member.epoch != self.epoch {
            member.previous_epoch = member.epoch;
            member.epoch = self.epoch;
        }
        member.share = Share::Whole;
        for partition in &member.target {
            if member.assigned.contains_key(partition) {
                continue;
            }
            if self.holders.contains_key(partition) {
                member.share = Share::Partial;
                continue;
            }
            self.holders.insert(*partition, id.clone());
            member.assigned.insert(*partition, self.epoch);
            changed = true;
        }
        changed
    }

    /// Whether another step would bring the member something.
    pub(super) fn can_go_on(&self, id: &MemberId) -> bool {
        let Some(member) = self.members.get(id) else { return false };
        member.epoch != self.epoch
            || match member.share {
                Share::Whole => false,
                Share::Revoking { .. } => true,
                Share::Partial => {
                    let free = |one: &PartitionId| !self.holders.contains_key(one);
                    member.target.iter().any(free)
                }
            }
    }
}
