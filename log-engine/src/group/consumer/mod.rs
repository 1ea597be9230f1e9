//! The consumer group protocol of KIP-848: the server shares the partitions out, and each member is led to its share
//! in steps of its own, with no barrier for all.
//!
//! A change of members, subscriptions or topics makes a new epoch with a new target. On its next heartbeat a member is
//! told to give up what its target lacks; only when it has confirmed that does it move to the new epoch, and it gets
//! what it is to have as soon as whoever held it has let go. **Invariant:** a partition has one holder at a time.
//!
//! Three kinds of members share such a group: KIP-848 clients; readers that a door serves itself (HTTP, WebSocket);
//! and clients of the classic protocol, which are told to rejoin whenever their share is to change (KIP-848, "online
//! upgrade").
mod admission;
mod assignor;
mod classic_members;
mod conversion;
mod departure;
mod heartbeat;
mod member;
mod pattern;
mod reconciliation;
mod target;

use std::collections::{BTreeMap, HashMap};

use message::Timestamp;

use super::{Generation, GroupError, InstanceId, MemberId};
use crate::PartitionId;

pub use admission::{Attendance, Joined};
pub use assignor::AssignorKind;
pub use heartbeat::{ConsumerAnswer, ConsumerHeartbeat, MemberEpoch};
pub(crate) use member::{Kind, Member, Share};
pub(crate) use pattern::TopicPattern;

/// A group whose partitions the server shares out.
#[derive(Debug)]
pub(crate) struct ConsumerGroup {
    /// Moves with every change that calls for another target; the target is made at once.
    epoch: Generation,
    members: BTreeMap<MemberId, Member>,
    instances: BTreeMap<InstanceId, MemberId>,
    /// Who has each partition, or has yet to confirm that it let go.
    holders: HashMap<PartitionId, MemberId>,
    /// Ids that were given to classic members and not used yet, and until when they are good.
    promised: BTreeMap<MemberId, Timestamp>,
}

impl ConsumerGroup {
    /// A group without members that goes on counting after `epoch`.
    pub(crate) fn new(epoch: Generation) -> ConsumerGroup {
        ConsumerGroup {
            epoch,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            holders: HashMap::new(),
            promised: BTreeMap::new(),
        }
    }

    pub(crate) fn epoch(&self) -> Generation {
        self.epoch
    }

    pub(crate) fn members(&self) -> &BTreeMap<MemberId, Member> {
        &self.members
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether nothing is left to know about it.
    pub(crate) fn is_vacant(&self) -> bool {
        self.members.is_empty() && self.promised.is_empty()
    }

    /// Whether it has members, and all of them speak the classic protocol.
    pub(crate) fn is_all_classic(&self) -> bool {
        !self.members.is_empty()
            && self.members.values().all(|member| matches!(member.kind, Kind::Classic(_)))
    }

    /// Whether every member has its share.
    pub(crate) fn is_settled(&self) -> bool {
        self.members.values().all(|member| member.share == Share::Whole && member.epoch == self.epoch)
    }

    /// Memory that it takes.
    pub(crate) fn weight(&self) -> u64 {
        self.members.values().map(Member::weight).sum::<u64>() + 128 * self.promised.len() as u64
    }

    /// Whether any member reads the topic, or would if it existed.
    pub(crate) fn reads(&self, topic: &message::TopicName) -> bool {
        self.members.values().any(|member| member.reads(topic))
    }

    /// Whether a member may commit what it read from a partition in the epoch that it names. It may as long as it has
    /// had the partition without a break since then; a wire client that is up to date may commit anything.
    pub(crate) fn check_commit(
        &mut self,
        id: &MemberId,
        given: Generation,
        instance: Option<&InstanceId>,
        partitions: &[PartitionId],
        now: Timestamp,
    ) -> Result<Vec<bool>, GroupError> {
        self.check_identity(id, instance)?;
        let Some(member) = self.members.get_mut(id) else {
            return Err(GroupError::UnknownMember(id.clone()));
        };
        let current = member.epoch;
        match &member.kind {
            Kind::Classic(_) if given != current => {
                return Err(GroupError::StaleGeneration { given, current });
            }
            Kind::Consumer if given > current => return Err(GroupError::StaleEpoch { given, current }),
            Kind::Attendant if given > current => {
                return Err(GroupError::StaleGeneration { given, current });
            }
            Kind::Classic(_) | Kind::Consumer | Kind::Attendant => {}
        }
        let anything = given == current && !matches!(member.kind, Kind::Attendant);
        let has = |partition: &PartitionId| member.held_since(*partition).is_some_and(|since| since <= given);
        let allowed: Vec<bool> = partitions.iter().map(|partition| anything || has(partition)).collect();
        if matches!(member.kind, Kind::Consumer) && allowed.contains(&false) {
            return Err(GroupError::StaleEpoch { given, current });
        }
        if !matches!(member.kind, Kind::Consumer) {
            member.hear_of(now);
        }
        Ok(allowed)
    }

    fn check_identity(&self, id: &MemberId, instance: Option<&InstanceId>) -> Result<(), GroupError> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                Some(known) if known != id => return Err(GroupError::FencedInstance(instance.clone())),
                Some(_) => {}
                None => return Err(GroupError::UnknownInstance(instance.clone())),
            }
        }
        match self.members.contains_key(id) {
            true => Ok(()),
            false => Err(GroupError::UnknownMember(id.clone())),
        }
    }
}
