//! Exclusive queues: they belong to a connection, are closed to all others, and die with it.
use ::message::{Timestamp, TopicName};
use segment_store::Block;

use crate::engine::QueueEngine;
use crate::{OwnerId, QueueError, QueueId};

impl QueueEngine {
    /// Refuses with [`QueueError::Locked`] whoever is not the owner of a queue that has one. Anybody may publish to such
    /// a queue; everything else is for its owner.
    pub fn check_access(&self, queue: &TopicName, who: Option<OwnerId>) -> Result<(), QueueError> {
        let queue = self.queue(queue)?;
        match queue.owner {
            Some(owner) if who != Some(owner) => Err(QueueError::Locked(queue.name.clone())),
            _ => Ok(()),
        }
    }

    /// Deletes all queues of an owner who is gone. Those that the block has no room for follow with the next ticks; they
    /// are named in the outbox.
    pub fn end_owner(&mut self, block: &mut Block, owner: OwnerId, now: Timestamp) {
        self.begin(block);
        for id in self.owned.get(&owner).cloned().unwrap_or_default() {
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.is_orphan = true;
                self.touched.push(id);
            }
        }
        self.wind_up(block, now);
    }

    /// Gives a queue that was just made to its owner.
    pub(crate) fn give_to(&mut self, id: QueueId, owner: OwnerId) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.owner = Some(owner);
            self.owned.entry(owner).or_default().push(id);
        }
    }

    /// Forgets that a queue that is gone had an owner.
    pub(crate) fn disown(&mut self, id: QueueId, owner: Option<OwnerId>) {
        let Some(owner) = owner else { return };
        if let Some(queues) = self.owned.get_mut(&owner) {
            queues.retain(|have| *have != id);
            if queues.is_empty() {
                self.owned.remove(&owner);
            }
        }
    }
}
