use std::sync::Arc;

use ::message::Timestamp;
use bytes::Bytes;
use segment_store::{Block, Lsn};

use crate::dead_letter::Reason;
use crate::engine::QueueEngine;
use crate::envelope::read_message;
use crate::ledger::SegmentUse;
use crate::record::{RELOCATED_COPY_BOUND, RelocatedCopy, put_relocated};
use crate::slots::{NEVER, State};
use crate::{MessageId, QueueError, QueueId};

/// What one step of moving messages forward did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relocation {
    /// Messages that were written again.
    pub moved: u64,
    /// Bytes that this took.
    pub bytes: u64,
    /// Whether no message lies before the position any more.
    pub complete: bool,
}

struct Victim {
    lsn: Lsn,
    len: u32,
    queue: QueueId,
    sequence: u64,
}

impl QueueEngine {
    /// The journal before this segment start holds nothing that the queues need.
    #[must_use]
    pub fn oldest_needed(&self) -> Option<Lsn> {
        self.core.ledger.segments.oldest()
    }

    /// How much of the segment that `lsn` lies in is still needed.
    #[must_use]
    pub fn segment_use(&self, lsn: Lsn) -> SegmentUse {
        self.core.ledger.segments.usage(lsn)
    }

    /// Bytes of messages held in memory.
    #[must_use]
    pub fn loaded_bytes(&self) -> u64 {
        self.core.ledger.loaded
    }

    /// Writes messages that lie before `lsn` again, oldest first, about `budget_bytes` of them, so that their segment
    /// can be recycled. A message that several queues have is written once. Only for positions before the current
    /// group; call again until it is complete.
    pub fn relocate_before(
        &mut self,
        block: &mut Block,
        lsn: Lsn,
        budget_bytes: u64,
    ) -> Result<Relocation, QueueError> {
        self.begin(block);
        // Attempts that are not written yet would count twice.
        self.core.write_runs(block);
        let lsn = self.core.group_start.map_or(lsn, |start| start.min(lsn));
        let mut done = Relocation::default();
        let victims = self.victims(lsn, budget_bytes);
        let mut rest = victims.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|victim| victim.lsn == first.lsn).count();
            let (group, after) = rest.split_at(same);
            rest = after;
            let len = u64::from(first.len);
            let room = group.len() * RELOCATED_COPY_BOUND + 16 + first.len as usize;
            if (done.moved > 0 && done.bytes + len > budget_bytes) || !block.fits(room) {
                return Ok(done);
            }
            self.relocate(block, group)?;
            done.moved += group.len() as u64;
            done.bytes += len;
        }
        // The victims may have been only those of a window.
        done.complete = self.oldest_lsn(lsn).is_none();
        if done.complete {
            self.queues.values_mut().for_each(|queue| queue.slots.refresh_oldest(lsn));
        }
        Ok(done)
    }

    fn oldest_lsn(&self, before: Lsn) -> Option<Lsn> {
        if self.oldest_needed().is_none_or(|oldest| oldest >= before) {
            return None;
        }
        let all = self.queues.values().flat_map(|queue| queue.slots.iter_before(before));
        all.map(|(_, slot)| slot.lsn).min()
    }

    fn victims(&self, before: Lsn, budget_bytes: u64) -> Vec<Victim> {
        let Some(oldest) = self.oldest_lsn(before) else { return Vec::new() };
        let end = before.min(oldest.plus(budget_bytes.saturating_mul(4).max(1)));
        let mut victims = Vec::new();
        for queue in self.queues.values() {
            victims.extend(queue.slots.iter_before(end).map(|(sequence, slot)| Victim {
                lsn: slot.lsn,
                len: slot.envelope_len,
                queue: queue.id,
                sequence,
            }));
        }
        victims.sort_unstable_by_key(|victim| (victim.lsn, victim.queue, victim.sequence));
        victims
    }

    /// Writes one message again for all queues that have it.
    fn relocate(&mut self, block: &mut Block, group: &[Victim]) -> Result<(), QueueError> {
        let Some(first) = group.first() else { return Ok(()) };
        let damaged =
            |why: String| QueueError::Damaged { queue: first.queue, id: MessageId(first.sequence), why };
        let reader = self.core.reader.clone().ok_or_else(|| damaged("no reader is attached".to_owned()))?;
        let envelope = reader.read(first.lsn, first.len).map_err(|error| damaged(error.to_string()))?;
        let envelope = Bytes::copy_from_slice(&envelope);
        let mut copies = Vec::with_capacity(group.len());
        for victim in group {
            let slot = self.queues.get(&victim.queue).and_then(|queue| queue.slots.get(victim.sequence));
            let Some(slot) = slot else { continue };
            let set = |at: Timestamp| Some(at).filter(|at| *at != NEVER);
            copies.push(RelocatedCopy {
                queue: victim.queue,
                sequence: victim.sequence,
                enqueued_at: slot.enqueued_at,
                expires_at: set(slot.expires_at),
                delayed_until: set(slot.due).filter(|_| slot.state == State::Delayed),
                doomed: Reason::from_number(slot.nonce as u8).filter(|_| slot.state == State::Dying),
                attempts: slot.attempts,
            });
        }
        let mut scratch = std::mem::take(&mut self.core.scratch);
        scratch.clear();
        put_relocated(&mut scratch, &copies);
        let at = self.core.push(block, &[&scratch, &envelope]).plus(scratch.len() as u64);
        self.core.scratch = scratch;
        for victim in group {
            let Some(queue) = self.queues.get_mut(&victim.queue) else { continue };
            queue.relocate(victim.sequence, at, &mut self.core.ledger);
            // The new place cannot be read before the group is written.
            if let Ok(message) = read_message(&envelope, &queue.origin) {
                queue.keep(victim.sequence, &Arc::new(message), &mut self.core.ledger);
            }
            self.core.fresh.push((victim.queue, victim.sequence));
        }
        Ok(())
    }
}
