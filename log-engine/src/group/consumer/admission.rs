use std::collections::BTreeSet;
use std::time::Duration;

use message::{GroupName, TopicName};

use super::heartbeat::ids;
use super::{ConsumerGroup, ConsumerHeartbeat, Kind, Member, MemberEpoch};
use crate::group::answers::Moment;
use crate::group::catalog::Catalog;
use crate::group::{ClientOrigin, Generation, GroupError, MemberId};
use crate::{PartitionId, TopicPartition};

/// A reader that a door serves says that it is there.
#[derive(Clone, Debug)]
pub struct Attendance {
    /// The member; absent for one that joins.
    pub member: Option<MemberId>,
    /// The id that a member without one gets.
    pub new_member: MemberId,
    /// Where it comes from.
    pub origin: ClientOrigin,
    /// What it reads.
    pub topics: Vec<TopicName>,
    /// After this silence it is out.
    pub session_timeout: Duration,
    /// What it knows to be its own: what it was told last.
    pub holds: Vec<TopicPartition>,
}

/// What a reader that a door serves is told: who it is and what it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The member.
    pub member: MemberId,
    /// What to name when committing.
    pub generation: Generation,
    /// The partitions that it reads from now on. What it held and is not among them it may still commit until it
    /// attends again, which confirms that it let go.
    pub assignment: Vec<TopicPartition>,
}

impl ConsumerGroup {
    /// Finds or makes the member that a heartbeat comes from; whether it is new.
    pub(super) fn admit_consumer(
        &mut self,
        name: &GroupName,
        ask: &ConsumerHeartbeat,
        owned: Option<&BTreeSet<PartitionId>>,
        at: &Moment<'_>,
    ) -> Result<bool, GroupError> {
        let id = &ask.member;
        if let MemberEpoch::At(given) = ask.epoch {
            self.check_identity(id, ask.instance.as_ref())?;
            let member = self.consumer(id)?;
            if member.away {
                return Err(GroupError::FencedEpoch { given, current: member.epoch });
            }
            ConsumerGroup::check_epoch(member, given, owned)?;
            return Ok(false);
        }
        if let Some(instance) = &ask.instance
            && let Some(known) = self.instances.get(instance).cloned()
        {
            if known != *id {
                if self.members.get(&known).is_some_and(|member| !member.away) {
                    return Err(GroupError::UnreleasedInstance(instance.clone()));
                }
                self.rename(&known, id);
            }
            self.come_back(id);
            return Ok(false);
        }
        if self.members.contains_key(id) {
            self.consumer(id)?;
            self.come_back(id);
            return Ok(false);
        }
        self.check_room(name, at)?;
        let timeout = ask.rebalance_timeout.unwrap_or_default();
        let mut member = Member::new(Kind::Consumer, at.pace.session, timeout);
        member.instance = ask.instance.clone();
        self.insert(id.clone(), member);
        Ok(true)
    }

    fn consumer(&self, id: &MemberId) -> Result<&Member, GroupError> {
        let member = self.members.get(id).filter(|member| matches!(member.kind, Kind::Consumer));
        member.ok_or_else(|| GroupError::UnknownMember(id.clone()))
    }

    /// A member that lost its memory, or was away, begins anew with what it had.
    fn come_back(&mut self, id: &MemberId) {
        if let Some(member) = self.members.get_mut(id) {
            member.kind = Kind::Consumer;
            member.away = false;
        }
    }

    pub(super) fn check_room(&self, name: &GroupName, at: &Moment<'_>) -> Result<(), GroupError> {
        let limit = at.config.members_max;
        match self.members.len() + self.promised.len() >= limit {
            true => Err(GroupError::Full { group: name.clone(), limit }),
            false => Ok(()),
        }
    }

    pub(super) fn insert(&mut self, id: MemberId, member: Member) {
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        self.members.insert(id, member);
    }

    /// Gives a static member's place to the id under which it came back.
    pub(super) fn rename(&mut self, old: &MemberId, new: &MemberId) {
        let Some(member) = self.members.remove(old) else { return };
        for partition in member.assigned.keys().chain(member.revoking.keys()) {
            self.holders.insert(*partition, new.clone());
        }
        self.insert(new.clone(), member);
    }

    /// A door's reader joins or stays, and confirms what it let go.
    pub(crate) fn attend(
        &mut self,
        name: &GroupName,
        ask: Attendance,
        catalog: Catalog<'_>,
        at: &mut Moment<'_>,
    ) -> Result<Joined, GroupError> {
        let topics: BTreeSet<TopicName> = ask.topics.into_iter().collect();
        let known = |member: &&mut Member| matches!(member.kind, Kind::Attendant);
        let id = match ask.member {
            Some(id) => {
                let member = self.members.get_mut(&id).filter(known);
                let Some(member) = member else { return Err(GroupError::UnknownMember(id)) };
                member.session_timeout = ask.session_timeout;
                member.rebalance_timeout = ask.session_timeout;
                let changed = std::mem::replace(&mut member.topics, topics.clone()) != topics;
                if changed {
                    self.retarget(catalog);
                }
                id
            }
            None => {
                self.check_room(name, at)?;
                let mut member = Member::new(Kind::Attendant, ask.session_timeout, ask.session_timeout);
                member.origin = ask.origin;
                member.topics = topics;
                self.insert(ask.new_member.clone(), member);
                self.retarget(catalog);
                ask.new_member
            }
        };
        let holds = ids(&ask.holds, catalog);
        self.reconcile(&id, Some(&holds), at.now);
        let Some(member) = self.members.get_mut(&id) else {
            return Err(GroupError::UnknownMember(id));
        };
        member.hear_of(at.now);
        let assignment = catalog.names(member.assigned.keys());
        Ok(Joined { member: id, generation: member.epoch, assignment })
    }
}
