use std::collections::BTreeSet;

use message::GroupName;

use super::{ClassicGroup, ClassicMember, ClassicProtocol, JoinAnswer, JoinGroup, JoinedMember, Phase};
use crate::group::answers::Moment;
use crate::group::{GroupError, InstanceId, MemberId, Ticket};

impl ClassicGroup {
    /// Lets a member join. The answer comes under the ticket, now or when the rebalance is over.
    pub(crate) fn join(&mut self, name: &GroupName, ask: JoinGroup, ticket: Ticket, at: &mut Moment<'_>) {
        match self.try_join(name, ask, ticket, at) {
            Ok(None) => {}
            Ok(Some(answer)) => at.joined(ticket, Ok(answer)),
            Err(error) => at.joined(ticket, Err(error)),
        }
    }

    fn try_join(
        &mut self,
        name: &GroupName,
        ask: JoinGroup,
        ticket: Ticket,
        at: &mut Moment<'_>,
    ) -> Result<Option<JoinAnswer>, GroupError> {
        self.check_protocols(&ask)?;
        match ask.member.clone() {
            None => self.join_unknown(name, ask, ticket, at),
            Some(id) => self.join_known(&id, ask, ticket, at),
        }
    }

    /// Whether the member can work with those that are there.
    fn check_protocols(&self, ask: &JoinGroup) -> Result<(), GroupError> {
        if ask.protocol_type.is_empty() || ask.protocols.is_empty() {
            return Err(GroupError::InconsistentProtocol("it offers no protocol at all"));
        }
        if self.members.is_empty() {
            return Ok(());
        }
        if self.protocol_type.as_deref() != Some(&*ask.protocol_type) {
            return Err(GroupError::InconsistentProtocol("its protocol type is not the group's"));
        }
        // A member that joins again is measured against the others.
        let others = || self.members.iter().filter(|(id, _)| Some(*id) != ask.member.as_ref());
        let shared = |one: &ClassicProtocol| others().all(|(_, other)| other.metadata(&one.name).is_some());
        match ask.protocols.iter().any(shared) {
            true => Ok(()),
            false => Err(GroupError::InconsistentProtocol("no protocol of it is known to all members")),
        }
    }

    fn join_unknown(
        &mut self,
        name: &GroupName,
        ask: JoinGroup,
        ticket: Ticket,
        at: &mut Moment<'_>,
    ) -> Result<Option<JoinAnswer>, GroupError> {
        let id = ask.new_member.clone();
        if let Some(instance) = &ask.instance
            && let Some(old) = self.instances.get(instance).cloned()
        {
            return Ok(self.replace_static(&old, ask, ticket, at));
        }
        if self.members.len() + self.promised.len() >= at.config.members_max {
            return Err(GroupError::Full { group: name.clone(), limit: at.config.members_max });
        }
        if ask.needs_known_id && ask.instance.is_none() {
            self.promised.insert(id.clone(), at.now.plus(ask.session_timeout));
            return Err(GroupError::MemberIdRequired(id));
        }
        self.admit(id, ask, ticket, at);
        Ok(None)
    }

    fn join_known(
        &mut self,
        id: &MemberId,
        ask: JoinGroup,
        ticket: Ticket,
        at: &mut Moment<'_>,
    ) -> Result<Option<JoinAnswer>, GroupError> {
        if ask.instance.is_none() && self.promised.remove(id).is_some() {
            self.admit(id.clone(), ask, ticket, at);
            return Ok(None);
        }
        self.check_identity(id, ask.instance.as_ref())?;
        let Some(member) = self.members.get(id) else {
            return Err(GroupError::UnknownMember(id.clone()));
        };
        let same = member.protocols == ask.protocols;
        let leads = self.leader.as_ref() == Some(id);
        match self.phase {
            Phase::Empty => Err(GroupError::UnknownMember(id.clone())),
            // It did not hear the answer, and repeats itself.
            Phase::Completing { .. } if same => {
                self.hear_of(id, at.now);
                Ok(self.answer_to(id))
            }
            // A follower that only comes back is told how things stand; a leader wants a new plan.
            Phase::Stable if same && !leads => {
                self.hear_of(id, at.now);
                Ok(self.answer_to(id))
            }
            Phase::Preparing { .. } => {
                self.renew(id, ask, ticket, at);
                self.complete_if_all_joined(at);
                Ok(None)
            }
            Phase::Completing { .. } | Phase::Stable => {
                self.renew(id, ask, ticket, at);
                self.prepare(at);
                Ok(None)
            }
        }
    }

    /// Takes a new member and begins, or goes on with, a rebalance.
    fn admit(&mut self, id: MemberId, ask: JoinGroup, ticket: Ticket, at: &mut Moment<'_>) {
        if self.members.is_empty() {
            self.protocol_type = Some(ask.protocol_type.clone());
        }
        self.admitted += 1;
        if let Some(instance) = &ask.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        let member = ClassicMember {
            instance: ask.instance,
            origin: ask.origin,
            protocols: ask.protocols,
            session_timeout: ask.session_timeout,
            rebalance_timeout: ask.rebalance_timeout,
            assignment: bytes::Bytes::new(),
            expires_at: at.now.plus(ask.session_timeout),
            joining: Some(ticket),
            syncing: None,
            seniority: self.admitted,
        };
        self.members.insert(id, member);
        match &mut self.phase {
            Phase::Preparing { initial: Some(initial), .. } => initial.joined = true,
            Phase::Preparing { initial: None, .. } => self.complete_if_all_joined(at),
            Phase::Empty | Phase::Completing { .. } | Phase::Stable => self.prepare(at),
        }
    }

    /// Notes what a member says of itself by now, and that it waits.
    fn renew(&mut self, id: &MemberId, ask: JoinGroup, ticket: Ticket, at: &mut Moment<'_>) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.origin = ask.origin;
        member.protocols = ask.protocols;
        member.session_timeout = ask.session_timeout;
        member.rebalance_timeout = ask.rebalance_timeout;
        member.expires_at = at.now.plus(ask.session_timeout);
        // Whoever asked before asks no more, or asks on another connection by now.
        if let Some(older) = member.joining.replace(ticket) {
            at.joined(older, Err(GroupError::Rebalancing));
        }
        if let Some(older) = member.syncing.take() {
            at.synced(older, Err(GroupError::Rebalancing));
        }
    }

    /// A static member came back under another id: the old one is fenced, and nothing moves if that can be avoided.
    fn replace_static(
        &mut self,
        old: &MemberId,
        ask: JoinGroup,
        ticket: Ticket,
        at: &mut Moment<'_>,
    ) -> Option<JoinAnswer> {
        let id = ask.new_member.clone();
        let mut member = self.members.remove(old)?;
        if let Some(instance) = member.instance.clone() {
            self.fence(instance.clone(), &mut member, at);
            self.instances.insert(instance, id.clone());
        }
        let led = self.leader.as_ref() == Some(old);
        if led {
            self.leader = Some(id.clone());
        }
        if let Phase::Completing { awaited, .. } = &mut self.phase
            && awaited.remove(old)
        {
            awaited.insert(id.clone());
        }
        self.members.insert(id.clone(), member);
        let may_skip = ask.may_skip_assignment;
        self.renew(&id, ask, ticket, at);
        let stands = self.phase == Phase::Stable && self.choose_protocol() == self.protocol;
        if stands {
            if let Some(member) = self.members.get_mut(&id) {
                member.joining = None;
            }
            let mut answer = self.answer_to(&id)?;
            if led && may_skip {
                answer.skip_assignment = true;
            } else if led {
                // As a follower it fetches the plan that stands instead of making another.
                answer.leader = Some(old.clone());
                answer.members.clear();
            }
            return Some(answer);
        }
        match self.phase {
            Phase::Preparing { .. } => self.complete_if_all_joined(at),
            Phase::Empty | Phase::Completing { .. } | Phase::Stable => self.prepare(at),
        }
        None
    }

    fn fence(&self, instance: InstanceId, member: &mut ClassicMember, at: &mut Moment<'_>) {
        if let Some(ticket) = member.joining.take() {
            at.joined(ticket, Err(GroupError::FencedInstance(instance.clone())));
        }
        if let Some(ticket) = member.syncing.take() {
            at.synced(ticket, Err(GroupError::FencedInstance(instance)));
        }
    }

    /// How things stand, for one member.
    pub(super) fn answer_to(&self, id: &MemberId) -> Option<JoinAnswer> {
        let protocol = self.protocol.clone()?;
        let members = match self.leader.as_ref() == Some(id) {
            true => self.joined_members(&protocol),
            false => Vec::new(),
        };
        Some(JoinAnswer {
            member: id.clone(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol,
            leader: self.leader.clone(),
            members,
            skip_assignment: false,
        })
    }

    fn joined_members(&self, protocol: &str) -> Vec<JoinedMember> {
        let joined = |(id, member): (&MemberId, &ClassicMember)| JoinedMember {
            id: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol).cloned().unwrap_or_default(),
        };
        self.members.iter().map(joined).collect()
    }

    /// The protocol that all members know and most like best.
    pub(super) fn choose_protocol(&self) -> Option<Box<str>> {
        let eldest = self.members.get(&self.eldest(|_| true)?)?;
        let shared = |name: &str| self.members.values().all(|member| member.metadata(name).is_some());
        let candidates: Vec<&str> =
            eldest.protocols.iter().map(|one| &*one.name).filter(|name| shared(name)).collect();
        let allowed: BTreeSet<&str> = candidates.iter().copied().collect();
        let vote = |member: &ClassicMember| {
            member.protocols.iter().map(|one| one.name.clone()).find(|name| allowed.contains(&**name))
        };
        let votes: Vec<_> = self.members.values().filter_map(vote).collect();
        let count = |name: &str| votes.iter().filter(|vote| ***vote == *name).count();
        // Among equals the one that the eldest member likes best.
        candidates.iter().rev().max_by_key(|name| count(name)).map(|name| Box::from(*name))
    }
}
