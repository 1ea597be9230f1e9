use message::{Timestamp, TopicName};

use super::ConsumerGroup;
use crate::group::answers::Moment;
use crate::group::catalog::Catalog;
use crate::group::classic::Leaving;
use crate::group::{GroupError, InstanceId, MemberId};

impl ConsumerGroup {
    /// A member goes for good, by a heartbeat of its own. The caller makes the new target.
    pub(super) fn leave_by_heartbeat(
        &mut self,
        id: &MemberId,
        instance: Option<&InstanceId>,
    ) -> Result<(), GroupError> {
        self.check_identity(id, instance)?;
        self.forget(id);
        Ok(())
    }

    /// A static member goes and will be back: what it has waits for it until its session ends.
    pub(super) fn leave_for_now(
        &mut self,
        id: &MemberId,
        instance: Option<&InstanceId>,
    ) -> Result<(), GroupError> {
        self.check_identity(id, instance)?;
        match self.members.get_mut(id).filter(|member| member.instance.is_some()) {
            Some(member) => {
                member.away = true;
                Ok(())
            }
            None => Err(GroupError::InvalidRequest("only a static member can leave for a while")),
        }
    }

    /// A member of any kind goes at somebody's request.
    pub(crate) fn leave(&mut self, who: &Leaving, catalog: Catalog<'_>) -> Result<(), GroupError> {
        let id = match (&who.instance, &who.member) {
            (Some(instance), given) => {
                let known = self.instances.get(instance);
                let known = known.ok_or_else(|| GroupError::UnknownInstance(instance.clone()))?;
                match given {
                    Some(given) if given != known => {
                        return Err(GroupError::FencedInstance(instance.clone()));
                    }
                    _ => known.clone(),
                }
            }
            (None, Some(id)) => id.clone(),
            (None, None) => return Err(GroupError::InvalidRequest("name the member that leaves")),
        };
        if self.promised.remove(&id).is_some() {
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(GroupError::UnknownMember(id));
        }
        self.forget(&id);
        self.retarget(catalog);
        Ok(())
    }

    /// Takes a member out; what it had is free.
    fn forget(&mut self, id: &MemberId) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        for partition in member.assigned.keys().chain(member.revoking.keys()) {
            self.holders.remove(partition);
        }
    }

    /// Puts out who was silent or did not give up what it was to give up in time.
    pub(crate) fn tick(&mut self, catalog: Catalog<'_>, at: &Moment<'_>) {
        self.promised.retain(|_, until| *until > at.now);
        let late = self.members.iter().filter(|(_, member)| member.deadline() <= at.now);
        let late: Vec<MemberId> = late.map(|(id, _)| id.clone()).collect();
        for id in &late {
            self.forget(id);
        }
        if !late.is_empty() {
            self.retarget(catalog);
        }
    }

    /// When `tick` has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let members = self.members.values().map(super::Member::deadline);
        members.chain(self.promised.values().copied()).min()
    }

    /// A topic came, went or grew: what is gone is nobody's, and readers get another target.
    pub(crate) fn topic_changed(&mut self, topic: &TopicName, catalog: Catalog<'_>) {
        let gone: Vec<_> = self.holders.keys().copied().filter(|id| catalog.name(*id).is_none()).collect();
        for partition in &gone {
            if let Some(member) =
                self.holders.remove(partition).and_then(|holder| self.members.get_mut(&holder))
            {
                member.assigned.remove(partition);
                member.revoking.remove(partition);
            }
        }
        if !gone.is_empty() || self.reads(topic) {
            self.retarget(catalog);
        }
    }
}
