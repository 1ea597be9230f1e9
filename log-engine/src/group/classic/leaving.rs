use super::{ClassicGroup, Leaving, Phase};
use crate::group::answers::Moment;
use crate::group::{GroupError, MemberId};

impl ClassicGroup {
    /// Lets a member go; the others join again without it.
    pub(crate) fn leave(&mut self, who: &Leaving, at: &mut Moment<'_>) -> Result<(), GroupError> {
        let id = self.identify(who)?;
        if self.promised.remove(&id).is_some() {
            self.complete_if_all_joined(at);
            return Ok(());
        }
        self.forget(&id, at);
        self.go_on_without(at);
        Ok(())
    }

    fn identify(&self, who: &Leaving) -> Result<MemberId, GroupError> {
        match (&who.instance, &who.member) {
            (Some(instance), given) => {
                let known = self.instances.get(instance);
                let known = known.ok_or_else(|| GroupError::UnknownInstance(instance.clone()))?;
                match given {
                    Some(given) if given != known => Err(GroupError::FencedInstance(instance.clone())),
                    _ => Ok(known.clone()),
                }
            }
            (None, Some(id)) if self.members.contains_key(id) || self.promised.contains_key(id) => {
                Ok(id.clone())
            }
            (None, Some(id)) => Err(GroupError::UnknownMember(id.clone())),
            (None, None) => Err(GroupError::InvalidRequest("name the member that leaves")),
        }
    }

    /// Takes a member out. What it waits for is refused.
    pub(super) fn forget(&mut self, id: &MemberId, at: &mut Moment<'_>) {
        let Some(mut member) = self.members.remove(id) else { return };
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        if self.leader.as_ref() == Some(id) {
            self.leader = None;
        }
        if let Phase::Completing { awaited, .. } = &mut self.phase {
            awaited.remove(id);
        }
        let unknown = || GroupError::UnknownMember(id.clone());
        if let Some(ticket) = member.joining.take() {
            at.joined(ticket, Err(unknown()));
        }
        if let Some(ticket) = member.syncing.take() {
            at.synced(ticket, Err(unknown()));
        }
    }

    /// Refuses whatever members wait for, because they are to come again.
    pub(crate) fn send_all_back(&mut self, at: &mut Moment<'_>) {
        for member in self.members.values_mut() {
            if let Some(ticket) = member.joining.take() {
                at.joined(ticket, Err(GroupError::Rebalancing));
            }
            if let Some(ticket) = member.syncing.take() {
                at.synced(ticket, Err(GroupError::Rebalancing));
            }
        }
    }

    /// Rebalances after somebody was forgotten.
    pub(super) fn go_on_without(&mut self, at: &mut Moment<'_>) {
        match self.phase {
            Phase::Empty => {}
            Phase::Preparing { .. } => self.complete_if_all_joined(at),
            Phase::Completing { .. } | Phase::Stable => self.prepare(at),
        }
    }
}
