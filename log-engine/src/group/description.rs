use bytes::Bytes;
use message::{GroupName, Timestamp, TopicName};

use super::catalog::Catalog;
use super::classic::{ClassicMember, Phase};
use super::consumer::{ConsumerGroup, Kind, Member};
use super::{ClientFormat, ClientOrigin, Generation, InstanceId, MemberId, Members, PartitionLag};
use crate::TopicPartition;

/// Who shares a group's work out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// Its members do, or it never had any.
    Classic,
    /// The server does (KIP-848).
    Consumer,
}

/// What a group is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// It has no members.
    Empty,
    /// Its members are to join again.
    PreparingRebalance,
    /// Its members wait for the leader's plan.
    CompletingRebalance,
    /// Some members have not reached their target.
    Reconciling,
    /// Every member has what it is to have.
    Stable,
}

impl GroupState {
    /// The name that Kafka's tools know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::PreparingRebalance => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Reconciling => "Reconciling",
            GroupState::Stable => "Stable",
        }
    }
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    /// Its name.
    pub name: GroupName,
    /// Who shares its work out.
    pub kind: GroupKind,
    /// What it is doing.
    pub state: GroupState,
    /// What kind of members it has, or had last; empty when it never had any.
    pub protocol_type: Box<str>,
    /// How many members it has.
    pub members: usize,
}

/// A group with its members.
#[derive(Clone, Debug)]
pub struct GroupDescription {
    /// What a list says of it.
    pub listing: GroupListing,
    /// Counts its rebalances.
    pub generation: Generation,
    /// What classic members agreed on, or the name of the server-side assignor.
    pub protocol: Box<str>,
    /// Its live members.
    pub members: Vec<MemberDescription>,
    /// Every partition that it has committed, or that is assigned; only when asked for.
    pub partitions: Vec<PartitionLag>,
}

/// How a member takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// By the classic protocol.
    Classic,
    /// By KIP-848 heartbeats.
    Consumer,
    /// At a door that speaks for it.
    Attendant,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its id.
    pub id: MemberId,
    /// How it takes part.
    pub kind: MemberKind,
    /// Its static name, if it has one.
    pub instance: Option<InstanceId>,
    /// Where it is, if it says so.
    pub rack: Option<Box<str>>,
    /// Where it comes from.
    pub origin: ClientOrigin,
    /// The generation that it has reached.
    pub epoch: Generation,
    /// The topics that it reads, as far as that can be told.
    pub topics: Vec<TopicName>,
    /// Its pattern for topics, if it has one.
    pub pattern: Option<Box<str>>,
    /// What it has, as far as that can be told.
    pub assignment: Vec<TopicPartition>,
    /// What it is to have; the same as it has unless the server shares the work out.
    pub target: Vec<TopicPartition>,
    /// What a classic member says of itself under the protocol agreed on, as it wrote it.
    pub metadata: Bytes,
    /// What a classic member was assigned, as the leader wrote it.
    pub assignment_bytes: Bytes,
    /// When it is taken for dead unless it is heard of.
    pub expires_at: Timestamp,
}

impl Members {
    pub(crate) fn listing(&self, name: &GroupName, format: ClientFormat) -> GroupListing {
        let (kind, state, protocol_type) = match self {
            Members::Nobody => (GroupKind::Classic, GroupState::Empty, ""),
            Members::Classic(group) => {
                let state = match group.phase() {
                    Phase::Empty => GroupState::Empty,
                    Phase::Preparing { .. } => GroupState::PreparingRebalance,
                    Phase::Completing { .. } => GroupState::CompletingRebalance,
                    Phase::Stable => GroupState::Stable,
                };
                (GroupKind::Classic, state, group.protocol_type().unwrap_or_default())
            }
            Members::Consumer(group) => {
                let state = match (group.is_empty(), group.is_settled()) {
                    (true, _) => GroupState::Empty,
                    (false, true) => GroupState::Stable,
                    (false, false) => GroupState::Reconciling,
                };
                (GroupKind::Consumer, state, format.protocol_type)
            }
        };
        let protocol_type = protocol_type.into();
        GroupListing { name: name.clone(), kind, state, protocol_type, members: self.count() }
    }

    /// Generation, protocol and members.
    pub(crate) fn describe(
        &self,
        catalog: Catalog<'_>,
        format: ClientFormat,
    ) -> (Generation, Box<str>, Vec<MemberDescription>) {
        match self {
            Members::Nobody => (Generation::default(), Box::default(), Vec::new()),
            Members::Classic(group) => {
                let protocol = group.protocol().unwrap_or_default();
                let describe = |(id, member): (&MemberId, &ClassicMember)| {
                    classic(id, member, group.generation(), protocol, format)
                };
                (group.generation(), protocol.into(), group.members().iter().map(describe).collect())
            }
            Members::Consumer(group) => {
                (group.epoch(), group.assignor().name().into(), server(group, catalog, format))
            }
        }
    }
}

fn classic(
    id: &MemberId,
    member: &ClassicMember,
    epoch: Generation,
    protocol: &str,
    format: ClientFormat,
) -> MemberDescription {
    let metadata = member.metadata(protocol).cloned().unwrap_or_default();
    let topics = (format.read_subscription)(&metadata).map(|says| says.topics).unwrap_or_default();
    let assignment = match member.assignment.is_empty() {
        true => Vec::new(),
        false => (format.read_assignment)(&member.assignment).unwrap_or_default(),
    };
    MemberDescription {
        id: id.clone(),
        kind: MemberKind::Classic,
        instance: member.instance.clone(),
        rack: None,
        origin: member.origin.clone(),
        epoch,
        topics,
        pattern: None,
        target: assignment.clone(),
        assignment,
        metadata,
        assignment_bytes: member.assignment.clone(),
        expires_at: member.expires_at,
    }
}

fn server(group: &ConsumerGroup, catalog: Catalog<'_>, format: ClientFormat) -> Vec<MemberDescription> {
    let describe = |(id, member): (&MemberId, &Member)| {
        let assignment = catalog.names(member.assigned.keys());
        let (kind, metadata, assignment_bytes) = match &member.kind {
            Kind::Consumer => (MemberKind::Consumer, Bytes::new(), Bytes::new()),
            Kind::Attendant => (MemberKind::Attendant, Bytes::new(), Bytes::new()),
            Kind::Classic(part) => {
                let metadata = part.protocols.first().map(|first| first.metadata.clone());
                let written = (format.write_assignment)(part.version, &assignment);
                (MemberKind::Classic, metadata.unwrap_or_default(), written)
            }
        };
        MemberDescription {
            id: id.clone(),
            kind,
            instance: member.instance.clone(),
            rack: member.rack.clone(),
            origin: member.origin.clone(),
            epoch: member.epoch,
            topics: member.topics.iter().cloned().collect(),
            pattern: member.pattern.as_ref().map(|pattern| pattern.as_str().into()),
            assignment,
            target: catalog.names(&member.target),
            metadata,
            assignment_bytes,
            expires_at: member.expires_at,
        }
    };
    group.members().iter().map(describe).collect()
}
