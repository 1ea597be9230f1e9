use super::{ClassicGroup, InitialDelay, Phase};
use crate::group::answers::Moment;
use crate::group::{GroupError, MemberId};

impl ClassicGroup {
    /// Has every member join again.
    pub(super) fn prepare(&mut self, at: &mut Moment<'_>) {
        let first = self.phase == Phase::Empty;
        if matches!(self.phase, Phase::Completing { .. }) {
            for member in self.members.values_mut() {
                member.assignment = bytes::Bytes::new();
                if let Some(ticket) = member.syncing.take() {
                    // Its session stood still while it waited.
                    member.expires_at = at.now.plus(member.session_timeout);
                    at.synced(ticket, Err(GroupError::Rebalancing));
                }
            }
        }
        let timeout = self.rebalance_timeout();
        let delay = at.config.initial_rebalance_delay.min(timeout);
        let initial = (first && !delay.is_zero())
            .then(|| InitialDelay { left: timeout.saturating_sub(delay), joined: false });
        let until = at.now.plus(if initial.is_some() { delay } else { timeout });
        self.phase = Phase::Preparing { until, initial };
        self.complete_if_all_joined(at);
    }

    /// Ends the first barrier when nobody is missing.
    pub(super) fn complete_if_all_joined(&mut self, at: &mut Moment<'_>) {
        let all = self.promised.is_empty() && self.members.values().all(|member| member.joining.is_some());
        let waits_for_more = matches!(self.phase, Phase::Preparing { initial: Some(_), .. });
        let nobody = self.members.is_empty();
        if matches!(self.phase, Phase::Preparing { .. }) && (all && !waits_for_more || nobody) {
            self.complete_join(at);
        }
    }

    /// The time for joining is over, or may be prolonged.
    pub(super) fn join_time_is_up(&mut self, at: &mut Moment<'_>) {
        if let Phase::Preparing { until, initial: Some(initial) } = &mut self.phase
            && std::mem::take(&mut initial.joined)
            && !initial.left.is_zero()
        {
            let more = at.config.initial_rebalance_delay.min(initial.left);
            initial.left -= more;
            *until = at.now.plus(more);
            return;
        }
        self.complete_join(at);
    }

    /// Begins a generation of those who joined. Static members are waited for until their sessions end.
    fn complete_join(&mut self, at: &mut Moment<'_>) {
        let absent = |member: &super::ClassicMember| member.joining.is_none() && member.instance.is_none();
        let gone: Vec<MemberId> =
            self.members.iter().filter(|(_, member)| absent(member)).map(|(id, _)| id.clone()).collect();
        for id in gone {
            self.forget(&id, at);
        }
        if self.members.is_empty() {
            self.generation = self.generation.next();
            (self.phase, self.protocol, self.leader) = (Phase::Empty, None, None);
            return;
        }
        let until = at.now.plus(self.rebalance_timeout());
        let leader_joined =
            self.leader.as_ref().and_then(|id| self.members.get(id)).is_some_and(|one| one.joining.is_some());
        if !leader_joined {
            let Some(next) = self.eldest(|member| member.joining.is_some()) else {
                self.phase = Phase::Preparing { until, initial: None };
                return;
            };
            self.leader = Some(next);
        }
        self.generation = self.generation.next();
        self.protocol = self.choose_protocol();
        self.phase = Phase::Completing { until, awaited: self.members.keys().cloned().collect() };
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.answer_to(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.expires_at = at.now.plus(member.session_timeout);
            if let (Some(ticket), Some(answer)) = (member.joining.take(), answer) {
                at.joined(ticket, Ok(answer));
            }
        }
    }
}
