use std::sync::Arc;

use ::message::Timestamp;
use bytes::Bytes;
use segment_store::{Block, Lsn};

use crate::dead_letter::Reason;
use crate::engine::QueueEngine;
use crate::envelope::read_message;
use crate::failure::FailedAttempt;
use crate::ledger::SegmentUse;
use crate::message_record::{RELOCATED_COPY_BOUND, RelocatedCopy, put_relocated};
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

/// Bytes of journal whose messages are looked for at once.
const STRETCH: u64 = 4 << 20;

/// A message that has to move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Victim {
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
        loop {
            if self.core.victims.is_empty() && !self.find_victims(lsn) {
                self.queues.values_mut().for_each(|queue| queue.slots.refresh_oldest(lsn));
                done.complete = true;
                return Ok(done);
            }
            let Some(first) = self.core.victims.front().copied() else { return Ok(done) };
            let same = self.core.victims.iter().take_while(|victim| victim.lsn == first.lsn).count();
            let len = u64::from(first.len);
            let told = self.core.victims.iter().take(same).map(|victim| {
                self.queues.get(&victim.queue).map_or(0, |queue| queue.history(victim.sequence).len())
            });
            let told = told.sum::<usize>() * FailedAttempt::BOUND;
            let room = same * RELOCATED_COPY_BOUND + told + 16 + first.len as usize;
            if (done.moved > 0 && done.bytes + len > budget_bytes) || !block.fits(room) {
                return Ok(done);
            }
            let group: Vec<Victim> = self.core.victims.drain(..same).collect();
            let still = |victim: &Victim| {
                let queue = self.queues.get(&victim.queue);
                queue.and_then(|queue| queue.slots.get(victim.sequence)).is_some_and(|s| s.lsn == victim.lsn)
            };
            let group: Vec<Victim> = group.into_iter().filter(still).collect();
            if !group.is_empty() {
                self.relocate(block, &group)?;
                done.moved += group.len() as u64;
                done.bytes += len;
            }
        }
    }

    /// Collects the oldest messages before a position: a stretch at a time, because finding them looks at all queues.
    /// They stay the oldest while they are worked off: whatever comes or moves lies at the journal's end.
    fn find_victims(&mut self, before: Lsn) -> bool {
        if self.oldest_needed().is_none_or(|oldest| oldest >= before) {
            return false;
        }
        let all = self.queues.values().flat_map(|queue| queue.slots.iter_before(before));
        let Some(oldest) = all.map(|(_, slot)| slot.lsn).min() else { return false };
        let end = before.min(oldest.plus(STRETCH));
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
        self.core.victims = victims.into();
        true
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
                forgiven: slot.forgiven,
                priority: slot.priority,
                history: self
                    .queues
                    .get(&victim.queue)
                    .map_or(&[][..], |q| q.history(victim.sequence))
                    .to_vec(),
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
