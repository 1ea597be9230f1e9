//! The classic group protocol: members choose a leader, and the leader shares out the work.
//!
//! The group sees metadata and assignments as opaque bytes, whatever assignor the clients bring. All members meet at a
//! barrier (join), the leader's plan is handed out at a second one (sync); between the barriers they send heartbeats.
//! Described in Kafka's protocol guide and KIP-62, KIP-345, KIP-394, KIP-559, KIP-800 and KIP-814.
mod joining;
mod leaving;
mod rebalancing;
mod request;
mod syncing;
mod timing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use message::Timestamp;

use super::{ClientOrigin, Generation, GroupError, InstanceId, MemberId, Ticket};

pub use request::{ClassicProtocol, JoinAnswer, JoinGroup, JoinedMember, Leaving, SyncAnswer, SyncGroup};

/// What a classic group is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It has no members.
    Empty,
    /// Members are to join again; who has not by `until` is out.
    Preparing { until: Timestamp, initial: Option<InitialDelay> },
    /// Members wait for the leader's plan. Who is in `awaited` at `until` has not asked for it and is out.
    Completing { until: Timestamp, awaited: BTreeSet<MemberId> },
    /// Every member knows what it has.
    Stable,
}

/// The first rebalance of an empty group waits a little, so that members started together meet in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InitialDelay {
    /// By how much the wait may still be prolonged.
    left: Duration,
    /// Whether somebody joined since it was prolonged last.
    joined: bool,
}

/// One member.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClassicMember {
    pub instance: Option<InstanceId>,
    pub origin: ClientOrigin,
    /// What it can do, the best first.
    pub protocols: Vec<ClassicProtocol>,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    pub assignment: Bytes,
    /// When it is taken for dead; not while it waits for an answer.
    pub expires_at: Timestamp,
    pub joining: Option<Ticket>,
    pub syncing: Option<Ticket>,
    /// Members that came earlier are asked first to lead.
    pub seniority: u64,
}

impl ClassicMember {
    /// What it says of itself under a protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        self.protocols.iter().find(|one| *one.name == *protocol).map(|one| &one.metadata)
    }

    fn waits(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    fn weight(&self) -> u64 {
        let protocols = self.protocols.iter().map(|one| one.name.len() + one.metadata.len() + 32);
        (protocols.sum::<usize>() + self.assignment.len() + 256) as u64
    }
}

/// A group whose members all speak the classic protocol.
#[derive(Debug)]
pub(crate) struct ClassicGroup {
    phase: Phase,
    generation: Generation,
    protocol_type: Option<Box<str>>,
    protocol: Option<Box<str>>,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, ClassicMember>,
    instances: BTreeMap<InstanceId, MemberId>,
    /// Ids that were given out and not used yet, and until when they are good.
    promised: BTreeMap<MemberId, Timestamp>,
    admitted: u64,
}

impl ClassicGroup {
    /// A group without members that goes on counting after `generation`.
    pub(crate) fn new(generation: Generation) -> ClassicGroup {
        ClassicGroup {
            phase: Phase::Empty,
            generation,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            promised: BTreeMap::new(),
            admitted: 0,
        }
    }

    /// A group made of members that were in another kind of group until now: they are to join again.
    pub(crate) fn of_members(
        generation: Generation,
        protocol_type: &str,
        members: Vec<(MemberId, ClassicMember)>,
        now: Timestamp,
    ) -> ClassicGroup {
        let mut group = ClassicGroup::new(generation);
        group.protocol_type = Some(protocol_type.into());
        for (id, mut member) in members {
            group.admitted += 1;
            member.seniority = group.admitted;
            if let Some(instance) = &member.instance {
                group.instances.insert(instance.clone(), id.clone());
            }
            group.members.insert(id, member);
        }
        group.protocol = group.choose_protocol();
        group.leader = group.eldest(|_| true);
        let until = now.plus(group.rebalance_timeout());
        group.phase = Phase::Preparing { until, initial: None };
        group
    }

    pub(crate) fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    pub(crate) fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    pub(crate) fn members(&self) -> &BTreeMap<MemberId, ClassicMember> {
        &self.members
    }

    pub(crate) fn members_mut(&mut self) -> &mut BTreeMap<MemberId, ClassicMember> {
        &mut self.members
    }

    pub(crate) fn promised(&self) -> &BTreeMap<MemberId, Timestamp> {
        &self.promised
    }

    /// Whether it has no members; ids that were promised do not count.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether nothing is left to know about it.
    pub(crate) fn is_vacant(&self) -> bool {
        self.members.is_empty() && self.promised.is_empty()
    }

    /// Memory that it takes.
    pub(crate) fn weight(&self) -> u64 {
        self.members.values().map(ClassicMember::weight).sum::<u64>() + 128 * self.promised.len() as u64
    }

    /// Checks who a request claims to come from.
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

    fn check_generation(&self, given: Generation) -> Result<(), GroupError> {
        match given == self.generation {
            true => Ok(()),
            false => Err(GroupError::StaleGeneration { given, current: self.generation }),
        }
    }

    /// Whether a member may commit offsets in the generation that it names.
    pub(crate) fn check_commit(
        &mut self,
        id: &MemberId,
        generation: Generation,
        instance: Option<&InstanceId>,
        now: Timestamp,
    ) -> Result<(), GroupError> {
        self.check_identity(id, instance)?;
        self.check_generation(generation)?;
        if matches!(self.phase, Phase::Completing { .. }) {
            return Err(GroupError::Rebalancing);
        }
        self.hear_of(id, now);
        Ok(())
    }

    /// A sign of life. The error tells the member what it must do.
    pub(crate) fn heartbeat(
        &mut self,
        id: &MemberId,
        generation: Generation,
        instance: Option<&InstanceId>,
        now: Timestamp,
    ) -> Result<(), GroupError> {
        self.check_identity(id, instance)?;
        self.check_generation(generation)?;
        self.hear_of(id, now);
        match self.phase {
            Phase::Preparing { .. } => Err(GroupError::Rebalancing),
            Phase::Empty | Phase::Completing { .. } | Phase::Stable => Ok(()),
        }
    }

    fn hear_of(&mut self, id: &MemberId, now: Timestamp) {
        if let Some(member) = self.members.get_mut(id) {
            member.expires_at = now.plus(member.session_timeout);
        }
    }

    /// The longest time that any member may take to join again.
    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    fn eldest(&self, fits: impl Fn(&ClassicMember) -> bool) -> Option<MemberId> {
        let fitting = self.members.iter().filter(|(_, member)| fits(member));
        fitting.min_by_key(|(_, member)| member.seniority).map(|(id, _)| id.clone())
    }
}
