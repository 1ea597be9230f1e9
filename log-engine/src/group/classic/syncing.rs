use super::{ClassicGroup, Phase, SyncAnswer, SyncGroup};
use crate::group::answers::Moment;
use crate::group::{GroupError, MemberId, Ticket};

impl ClassicGroup {
    /// Asks for the plan, or brings it. The answer comes under the ticket, now or when the leader has brought it.
    pub(crate) fn sync(&mut self, ask: SyncGroup, ticket: Ticket, at: &mut Moment<'_>) {
        match self.try_sync(ask, ticket, at) {
            Ok(None) => {}
            Ok(Some(answer)) => at.synced(ticket, Ok(answer)),
            Err(error) => at.synced(ticket, Err(error)),
        }
    }

    fn try_sync(
        &mut self,
        ask: SyncGroup,
        ticket: Ticket,
        at: &mut Moment<'_>,
    ) -> Result<Option<SyncAnswer>, GroupError> {
        let id = ask.member;
        self.check_identity(&id, ask.instance.as_ref())?;
        self.check_generation(ask.generation)?;
        let differs = |given: &Option<Box<str>>, ours: &Option<Box<str>>| given.is_some() && given != ours;
        if differs(&ask.protocol_type, &self.protocol_type) || differs(&ask.protocol, &self.protocol) {
            return Err(GroupError::InconsistentProtocol("it takes another protocol as agreed on"));
        }
        self.hear_of(&id, at.now);
        match &mut self.phase {
            Phase::Empty => Err(GroupError::UnknownMember(id)),
            Phase::Preparing { .. } => Err(GroupError::Rebalancing),
            Phase::Stable => Ok(self.plan_for(&id)),
            Phase::Completing { awaited, .. } => {
                awaited.remove(&id);
                let leads = self.leader.as_ref() == Some(&id);
                if let Some(member) = self.members.get_mut(&id)
                    && let Some(older) = member.syncing.replace(ticket)
                {
                    at.synced(older, Err(GroupError::Rebalancing));
                }
                if leads {
                    self.take_plan(ask.assignments, at);
                }
                Ok(None)
            }
        }
    }

    /// The leader brought its plan: everybody who waits for it gets a part, if only an empty one.
    fn take_plan(&mut self, assignments: Vec<(MemberId, bytes::Bytes)>, at: &mut Moment<'_>) {
        for member in self.members.values_mut() {
            member.assignment = bytes::Bytes::new();
        }
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.phase = Phase::Stable;
        let waiting: Vec<MemberId> = self
            .members
            .iter()
            .filter(|(_, member)| member.syncing.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for id in waiting {
            let answer = self.plan_for(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.expires_at = at.now.plus(member.session_timeout);
            if let (Some(ticket), Some(answer)) = (member.syncing.take(), answer) {
                at.synced(ticket, Ok(answer));
            }
        }
    }

    fn plan_for(&self, id: &MemberId) -> Option<SyncAnswer> {
        Some(SyncAnswer {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: self.protocol.clone().unwrap_or_default(),
            assignment: self.members.get(id)?.assignment.clone(),
        })
    }
}
