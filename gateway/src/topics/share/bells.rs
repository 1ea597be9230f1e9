use std::sync::Arc;

use dashmap::DashMap;
use message::GroupName;
use tokio::sync::Notify;

/// Tells those who wait for records of a share group that some may have come back.
#[derive(Debug, Default)]
pub(crate) struct ShareBells(DashMap<GroupName, Arc<Notify>>);

impl ShareBells {
    /// The group's bell.
    pub(crate) fn of(&self, group: &GroupName) -> Arc<Notify> {
        Arc::clone(&self.0.entry(group.clone()).or_default())
    }

    /// Rings it, if anybody listens.
    pub(crate) fn ring(&self, group: &GroupName) {
        if let Some(bell) = self.0.get(group) {
            bell.notify_waiters();
        }
    }

    /// Forgets it, once the last who listens is gone.
    pub(crate) fn forget_unheard(&self, group: &GroupName) {
        self.0.remove_if(group, |_, bell| Arc::strong_count(bell) == 1);
    }
}
