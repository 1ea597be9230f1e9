use std::collections::BTreeSet;

use message::{GroupName, Timestamp, TopicName};

use super::answers::Moment;
use super::catalog::Catalog;
use super::classic::{ClassicGroup, ClassicMember, JoinGroup, Leaving, SyncGroup};
use super::consumer::{ConsumerAnswer, ConsumerGroup, ConsumerHeartbeat, MemberEpoch};
use super::{Attendance, ClientFormat, Generation, GroupError, InstanceId, Joined, MemberId, Ticket};
use crate::PartitionId;

/// A group's members, by who shares the work out among them.
#[derive(Debug, Default)]
pub(crate) enum Members {
    /// It never had any.
    #[default]
    Nobody,
    /// They do.
    Classic(Box<ClassicGroup>),
    /// The server does.
    Consumer(Box<ConsumerGroup>),
}

impl Members {
    pub(crate) fn count(&self) -> usize {
        match self {
            Members::Nobody => 0,
            Members::Classic(group) => group.members().len(),
            Members::Consumer(group) => group.members().len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether nothing is left to know about them.
    pub(crate) fn is_vacant(&self) -> bool {
        match self {
            Members::Nobody => true,
            Members::Classic(group) => group.is_vacant(),
            Members::Consumer(group) => group.is_vacant(),
        }
    }

    pub(crate) fn weight(&self) -> u64 {
        match self {
            Members::Nobody => 0,
            Members::Classic(group) => group.weight(),
            Members::Consumer(group) => group.weight(),
        }
    }

    pub(crate) fn generation(&self) -> Generation {
        match self {
            Members::Nobody => Generation::default(),
            Members::Classic(group) => group.generation(),
            Members::Consumer(group) => group.epoch(),
        }
    }

    /// The generation that a member has reached.
    pub(crate) fn epoch_of(&self, id: &MemberId) -> Option<Generation> {
        match self {
            Members::Nobody => None,
            Members::Classic(group) => group.members().contains_key(id).then(|| group.generation()),
            Members::Consumer(group) => group.members().get(id).map(|member| member.epoch),
        }
    }

    /// The topics that members read; none when that cannot be told.
    pub(crate) fn read_topics(&self, format: ClientFormat) -> Option<BTreeSet<TopicName>> {
        match self {
            Members::Nobody => Some(BTreeSet::new()),
            Members::Classic(group) => {
                let readable = group.is_empty() || group.protocol_type() == Some(format.protocol_type);
                let metadata = |member: &ClassicMember| {
                    let chosen = group.protocol().and_then(|protocol| member.metadata(protocol).cloned());
                    chosen.or_else(|| member.protocols.first().map(|first| first.metadata.clone()))
                };
                let says = |member: &ClassicMember| (format.read_subscription)(&metadata(member)?);
                let topics = group.members().values().map(|member| Some(says(member)?.topics));
                let topics = topics.collect::<Option<Vec<_>>>().filter(|_| readable)?;
                Some(topics.into_iter().flatten().collect())
            }
            Members::Consumer(group) => {
                Some(group.members().values().flat_map(|member| member.subscribed().cloned()).collect())
            }
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        match self {
            Members::Nobody => None,
            Members::Classic(group) => group.next_deadline(),
            Members::Consumer(group) => group.next_deadline(),
        }
    }

    pub(crate) fn tick(&mut self, catalog: Catalog<'_>, at: &mut Moment<'_>) {
        match self {
            Members::Nobody => {}
            Members::Classic(group) => group.tick(at),
            Members::Consumer(group) => group.tick(catalog, at),
        }
    }

    /// A topic came, went or grew.
    pub(crate) fn topic_changed(&mut self, topic: &TopicName, catalog: Catalog<'_>) {
        // Classic members watch the topics themselves.
        if let Members::Consumer(group) = self {
            group.topic_changed(topic, catalog);
        }
    }

    /// Goes over to the classic protocol when nobody is left who needs the server to share out.
    pub(crate) fn settle_kind(&mut self, catalog: Catalog<'_>, at: &Moment<'_>) {
        if let Members::Consumer(group) = self
            && group.is_all_classic()
        {
            let group = std::mem::replace(&mut **group, ConsumerGroup::new(Generation::default()));
            *self = Members::Classic(Box::new(group.into_classic(catalog, at)));
        }
    }

    pub(crate) fn join(
        &mut self,
        name: &GroupName,
        ask: JoinGroup,
        ticket: Ticket,
        catalog: Catalog<'_>,
        at: &mut Moment<'_>,
    ) {
        if self.is_vacant() && !matches!(self, Members::Classic(_)) {
            *self = Members::Classic(Box::new(ClassicGroup::new(self.generation())));
        }
        match self {
            Members::Nobody => {}
            Members::Classic(group) => group.join(name, ask, ticket, at),
            Members::Consumer(group) => {
                let answer = group.join_classic(name, ask, catalog, at);
                at.joined(ticket, answer);
            }
        }
    }

    pub(crate) fn sync(&mut self, ask: SyncGroup, ticket: Ticket, catalog: Catalog<'_>, at: &mut Moment<'_>) {
        match self {
            Members::Nobody => at.synced(ticket, Err(GroupError::UnknownMember(ask.member))),
            Members::Classic(group) => group.sync(ask, ticket, at),
            Members::Consumer(group) => {
                let answer = group.sync_classic(&ask, catalog, at);
                at.synced(ticket, answer);
            }
        }
    }

    pub(crate) fn heartbeat(
        &mut self,
        id: &MemberId,
        generation: Generation,
        instance: Option<&InstanceId>,
        at: &Moment<'_>,
    ) -> Result<(), GroupError> {
        match self {
            Members::Nobody => Err(GroupError::UnknownMember(id.clone())),
            Members::Classic(group) => group.heartbeat(id, generation, instance, at.now),
            Members::Consumer(group) => group.heartbeat_classic(id, generation, instance, at),
        }
    }

    pub(crate) fn leave(
        &mut self,
        who: &Leaving,
        catalog: Catalog<'_>,
        at: &mut Moment<'_>,
    ) -> Result<(), GroupError> {
        match (self, &who.member, &who.instance) {
            (Members::Classic(group), ..) => group.leave(who, at),
            (Members::Consumer(group), ..) => group.leave(who, catalog),
            (Members::Nobody, Some(id), _) => Err(GroupError::UnknownMember(id.clone())),
            (Members::Nobody, None, Some(instance)) => Err(GroupError::UnknownInstance(instance.clone())),
            (Members::Nobody, None, None) => Err(GroupError::InvalidRequest("name the member that leaves")),
        }
    }

    pub(crate) fn consumer_heartbeat(
        &mut self,
        name: &GroupName,
        ask: ConsumerHeartbeat,
        catalog: Catalog<'_>,
        at: &mut Moment<'_>,
    ) -> Result<ConsumerAnswer, GroupError> {
        if ask.epoch != MemberEpoch::Join && !matches!(self, Members::Consumer(_)) {
            return Err(GroupError::UnknownMember(ask.member));
        }
        self.shared_by_server(catalog, at)?.heartbeat(name, ask, catalog, at)
    }

    pub(crate) fn attend(
        &mut self,
        name: &GroupName,
        ask: Attendance,
        catalog: Catalog<'_>,
        at: &mut Moment<'_>,
    ) -> Result<Joined, GroupError> {
        if let (Some(id), Members::Nobody | Members::Classic(_)) = (&ask.member, &*self) {
            return Err(GroupError::UnknownMember(id.clone()));
        }
        self.shared_by_server(catalog, at)?.attend(name, ask, catalog, at)
    }

    /// The group as one that the server shares out, made so if it is not and can be.
    fn shared_by_server(
        &mut self,
        catalog: Catalog<'_>,
        at: &mut Moment<'_>,
    ) -> Result<&mut ConsumerGroup, GroupError> {
        let made = match self {
            Members::Consumer(group) => return Ok(group),
            Members::Nobody => ConsumerGroup::new(Generation::default()),
            Members::Classic(group) => ConsumerGroup::of_classic(group, catalog, at)?,
        };
        *self = Members::Consumer(Box::new(made));
        match self {
            Members::Consumer(group) => Ok(group),
            Members::Nobody | Members::Classic(_) => Err(GroupError::Rebalancing),
        }
    }

    /// Which of these partitions a member may commit in the generation that it names.
    pub(crate) fn check_commit(
        &mut self,
        id: &MemberId,
        generation: Generation,
        instance: Option<&InstanceId>,
        partitions: &[PartitionId],
        now: Timestamp,
    ) -> Result<Vec<bool>, GroupError> {
        match self {
            Members::Nobody => Err(GroupError::UnknownMember(id.clone())),
            Members::Classic(group) => {
                group.check_commit(id, generation, instance, now)?;
                Ok(vec![true; partitions.len()])
            }
            Members::Consumer(group) => group.check_commit(id, generation, instance, partitions, now),
        }
    }
}
