use message::Timestamp;

use super::{ClassicGroup, Phase};
use crate::group::MemberId;
use crate::group::answers::Moment;

impl ClassicGroup {
    /// Does what is due by time: silent members and unused ids go, barriers end.
    pub(crate) fn tick(&mut self, at: &mut Moment<'_>) {
        let now = at.now;
        let promised = self.promised.len();
        self.promised.retain(|_, until| *until > now);
        let silent = |member: &super::ClassicMember| !member.waits() && member.expires_at <= now;
        let mut gone: Vec<MemberId> =
            self.members.iter().filter(|(_, member)| silent(member)).map(|(id, _)| id.clone()).collect();
        if let Phase::Completing { until, awaited } = &self.phase
            && *until <= now
        {
            gone.extend(awaited.iter().cloned());
        }
        for id in &gone {
            self.forget(id, at);
        }
        if !gone.is_empty() {
            self.go_on_without(at);
        } else if self.promised.len() < promised {
            self.complete_if_all_joined(at);
        }
        if matches!(self.phase, Phase::Preparing { until, .. } if until <= now) {
            self.join_time_is_up(at);
        }
    }

    /// When `tick` has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let barrier = match &self.phase {
            Phase::Preparing { until, .. } | Phase::Completing { until, .. } => Some(*until),
            Phase::Empty | Phase::Stable => None,
        };
        let sessions = self.members.values().filter(|member| !member.waits()).map(|member| member.expires_at);
        sessions.chain(self.promised.values().copied()).chain(barrier).min()
    }
}
