use std::collections::BTreeSet;
use std::time::Duration;

use message::{GroupName, TopicName};

use super::{AssignorKind, ConsumerGroup, Member, TopicPattern};
use crate::group::answers::Moment;
use crate::group::catalog::Catalog;
use crate::group::{ClientOrigin, Generation, GroupError, InstanceId, MemberId};
use crate::{PartitionId, TopicPartition};

/// What a KIP-848 member says of where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberEpoch {
    /// It joins, or joins again (0).
    Join,
    /// It has reached this epoch.
    At(Generation),
    /// It leaves for good (-1).
    Leave,
    /// It is static and will be back (-2).
    LeaveForNow,
}

/// A KIP-848 heartbeat. What is absent has not changed.
#[derive(Clone, Debug)]
pub struct ConsumerHeartbeat {
    /// The member; it made its id itself.
    pub member: MemberId,
    /// Where it stands.
    pub epoch: MemberEpoch,
    /// Its static name, if it has one.
    pub instance: Option<InstanceId>,
    /// Where it is.
    pub rack: Option<Box<str>>,
    /// Where it comes from.
    pub origin: ClientOrigin,
    /// How long it may take to give partitions up.
    pub rebalance_timeout: Option<Duration>,
    /// The topics that it reads. Not all need exist.
    pub topics: Option<Vec<TopicName>>,
    /// A pattern for the topics that it reads; empty for none.
    pub pattern: Option<Box<str>>,
    /// The server-side assignor that it prefers.
    pub assignor: Option<Box<str>>,
    /// What it has.
    pub owned: Option<Vec<TopicPartition>>,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerAnswer {
    /// The member.
    pub member: MemberId,
    /// Where it stands from now on; as it said when it leaves.
    pub epoch: MemberEpoch,
    /// When it is to be heard of again.
    pub heartbeat_interval: Duration,
    /// What it is to have; absent when that has not changed.
    pub assignment: Option<Vec<TopicPartition>>,
}

impl ConsumerGroup {
    /// A heartbeat of a KIP-848 member: it joins, stays, or leaves.
    pub(crate) fn heartbeat(
        &mut self,
        name: &GroupName,
        ask: ConsumerHeartbeat,
        catalog: Catalog<'_>,
        at: &mut Moment<'_>,
    ) -> Result<ConsumerAnswer, GroupError> {
        let answer = |id: &MemberId, epoch, assignment| ConsumerAnswer {
            member: id.clone(),
            epoch,
            heartbeat_interval: at.pace.heartbeat,
            assignment,
        };
        let id = ask.member.clone();
        match ask.epoch {
            MemberEpoch::Leave => {
                self.leave_by_heartbeat(&id, ask.instance.as_ref())?;
                self.retarget(catalog);
                return Ok(answer(&id, MemberEpoch::Leave, None));
            }
            MemberEpoch::LeaveForNow => {
                self.leave_for_now(&id, ask.instance.as_ref())?;
                return Ok(answer(&id, MemberEpoch::LeaveForNow, None));
            }
            MemberEpoch::Join => check_join(&ask)?,
            MemberEpoch::At(_) => {}
        }
        let owned = ask.owned.as_ref().map(|owned| ids(owned, catalog));
        let full = ask.epoch == MemberEpoch::Join
            || (ask.owned.is_some()
                && ask.rebalance_timeout.is_some()
                && (ask.topics.is_some() || ask.pattern.is_some()));
        let wishes = Wishes::read(&ask)?;
        let fresh = self.admit_consumer(name, &ask, owned.as_ref(), at)?;
        let changed = self.update_consumer(ask, wishes, at);
        if fresh || changed {
            self.retarget(catalog);
        }
        let moved = self.reconcile(&id, owned.as_ref(), at.now);
        let Some(member) = self.members.get_mut(&id) else {
            return Err(GroupError::UnknownMember(id));
        };
        member.hear_of(at.now);
        let assignment = (full || moved).then(|| catalog.names(member.assigned.keys()));
        Ok(answer(&id, MemberEpoch::At(member.epoch), assignment))
    }

    /// Takes over what a member says of itself; whether that calls for another target.
    fn update_consumer(&mut self, ask: ConsumerHeartbeat, wishes: Wishes, at: &Moment<'_>) -> bool {
        let Wishes { pattern, assignor } = wishes;
        let Some(member) = self.members.get_mut(&ask.member) else { return false };
        let mut changed = false;
        if let Some(topics) = ask.topics {
            let topics: BTreeSet<TopicName> = topics.into_iter().collect();
            changed |= std::mem::replace(&mut member.topics, topics.clone()) != topics;
        }
        if let Some(pattern) = pattern {
            changed |= member.pattern != pattern;
            member.pattern = pattern;
        }
        if let Some(assignor) = assignor {
            changed |= member.assignor != Some(assignor);
            member.assignor = Some(assignor);
        }
        if let Some(timeout) = ask.rebalance_timeout {
            member.rebalance_timeout = timeout;
        }
        if ask.rack.is_some() {
            member.rack = ask.rack;
        }
        member.origin = ask.origin;
        member.session_timeout = at.pace.session;
        changed
    }

    /// Checks the epoch that a member names. A member whose last answer got lost names the one before.
    pub(super) fn check_epoch(
        member: &Member,
        given: Generation,
        owned: Option<&BTreeSet<PartitionId>>,
    ) -> Result<(), GroupError> {
        let current = member.epoch;
        if given == current {
            return Ok(());
        }
        let repeats = given < current
            && given == member.previous_epoch
            && owned.is_some_and(|owned| owned.iter().all(|one| member.assigned.contains_key(one)));
        match repeats {
            true => Ok(()),
            false => Err(GroupError::FencedEpoch { given, current }),
        }
    }
}

/// What must be understood before anything changes.
struct Wishes {
    /// Another pattern, or none any more.
    pattern: Option<Option<TopicPattern>>,
    assignor: Option<AssignorKind>,
}

impl Wishes {
    fn read(ask: &ConsumerHeartbeat) -> Result<Wishes, GroupError> {
        let pattern = match ask.pattern.as_deref() {
            None => None,
            Some("") => Some(None),
            Some(source) => Some(Some(TopicPattern::new(source)?)),
        };
        let assignor = ask.assignor.as_deref().map(AssignorKind::of_name).transpose()?;
        Ok(Wishes { pattern, assignor })
    }
}

fn check_join(ask: &ConsumerHeartbeat) -> Result<(), GroupError> {
    if ask.rebalance_timeout.is_none_or(|timeout| timeout.is_zero()) {
        return Err(GroupError::InvalidRequest("a member that joins names its rebalance timeout"));
    }
    if ask.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
        return Err(GroupError::InvalidRequest("a member that joins has no partitions"));
    }
    if ask.topics.is_none() && ask.pattern.is_none() {
        return Err(GroupError::InvalidRequest("a member that joins names topics or a pattern for them"));
    }
    Ok(())
}

pub(super) fn ids(names: &[TopicPartition], catalog: Catalog<'_>) -> BTreeSet<PartitionId> {
    names.iter().filter_map(|name| catalog.find(name)).collect()
}
