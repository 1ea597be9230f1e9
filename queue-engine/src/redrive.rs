use ::message::{Timestamp, TopicName};
use segment_store::Block;

use crate::death::source;
use crate::engine::QueueEngine;
use crate::paging::peek;
use crate::search::Search;
use crate::slots::State;
use crate::transfer::{Edits, Stays};
use crate::virtual_host::qualify;
use crate::{Destination, MessageId, QueueError, QueueId};

/// What a redrive does with the ready messages of a queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Redrive<'a> {
    /// Only these, in ascending order; empty: all.
    pub ids: &'a [MessageId],
    /// Only those that died in this queue last.
    pub died_in: Option<&'a TopicName>,
    /// Only those that fit.
    pub search: Option<&'a Search>,
    /// The last message that is looked at, so that what comes meanwhile stays.
    pub upto: Option<MessageId>,
    /// Where they go; `None`: each into the queue that `x-death` names last, or through the exchange that it was
    /// published to when that queue is gone.
    pub to: Option<Destination<'a>>,
    /// What changes in each.
    pub edits: Option<&'a Edits>,
}

/// What one step of a redrive did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedriveStep {
    /// Messages that went back.
    pub moved: u64,
    /// Messages that were looked at and stay: not selected, without a source that still exists, or refused there.
    pub skipped: u64,
    /// Ready messages in the queue now.
    pub remaining: u64,
    /// Where the next step goes on; `None` when all were looked at.
    pub next: Option<MessageId>,
}

/// Which messages one step of a redrive looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedriveBounds {
    /// Those behind this one; `None` for the first step, then each step's `next`.
    pub after: Option<MessageId>,
    /// How many at most.
    pub max: usize,
}

/// What the caller writes down of a step, in the block that holds what the step moved.
pub struct StepNote<'a> {
    /// Most bytes that it takes as a record. Too many for the block count as [`QueueError::BlockFull`].
    pub bytes: usize,
    /// Writes it.
    pub write: &'a mut dyn FnMut(&mut Block, &RedriveStep),
}

impl QueueEngine {
    /// Sends ready messages back to where they died, or somewhere else. Each moves in one record.
    pub fn redrive(
        &mut self,
        block: &mut Block,
        from: &TopicName,
        bounds: RedriveBounds,
        redrive: &Redrive<'_>,
        now: Timestamp,
    ) -> Result<RedriveStep, QueueError> {
        let note = StepNote { bytes: 0, write: &mut |_, _| {} };
        self.redrive_noted(block, from, bounds, redrive, note, now)
    }

    /// The same, with a note that is in the journal if and only if what it tells of is.
    pub fn redrive_noted(
        &mut self,
        block: &mut Block,
        from: &TopicName,
        bounds: RedriveBounds,
        redrive: &Redrive<'_>,
        note: StepNote<'_>,
        now: Timestamp,
    ) -> Result<RedriveStep, QueueError> {
        self.begin(block);
        if !block.fits(note.bytes) {
            self.core.wanted = note.bytes;
            return Err(QueueError::BlockFull);
        }
        block.reserve(note.bytes);
        let moved = self.move_some(block, from, bounds, redrive, now);
        block.release(note.bytes);
        if let Ok((_, step)) = &moved {
            (note.write)(block, step);
        }
        let (id, mut step) = moved?;
        self.touched.push(id);
        self.wind_up(block, now);
        step.remaining = self.queue(from).map_or(0, |queue| queue.counts.ready);
        Ok(step)
    }

    fn move_some(
        &mut self,
        block: &mut Block,
        from: &TopicName,
        bounds: RedriveBounds,
        redrive: &Redrive<'_>,
        now: Timestamp,
    ) -> Result<(QueueId, RedriveStep), QueueError> {
        let RedriveBounds { after, max } = bounds;
        let id = self.find_queue(from)?;
        let mut step = RedriveStep::default();
        let start = after.map_or(0, |after| after.0.saturating_add(1));
        let queue = self.queue(from)?;
        // Messages that move into this very queue get later ids, and are not looked at again when `upto` is set.
        let upto = redrive.upto.map_or(u64::MAX, |upto| upto.0);
        let ready = queue.slots.iter_from(start).take_while(|(sequence, _)| *sequence <= upto);
        let ready = ready.filter(|(_, slot)| slot.state == State::Ready);
        let mut candidates: Vec<u64> = ready.map(|(sequence, _)| sequence).take(max + 1).collect();
        let has_more = candidates.len() > max;
        candidates.truncate(max);
        if has_more {
            step.next = candidates.last().map(|sequence| MessageId(*sequence));
        }
        let plain = Edits::default();
        let edits = redrive.edits.unwrap_or(&plain);
        let mut last = after;
        for sequence in candidates {
            let done = if self.is_chosen(id, sequence, redrive) {
                self.transfer(block, id, sequence, redrive.to, edits, now)
            } else {
                Err(Stays::Nowhere)
            };
            match done {
                Ok(()) => step.moved += 1,
                Err(Stays::Refused(QueueError::BlockFull | QueueError::LogsFull)) if last != after => {
                    step.next = last;
                    break;
                }
                Err(Stays::Nowhere | Stays::TooLarge | Stays::Refused(QueueError::Damaged { .. })) => {
                    step.skipped += 1
                }
                Err(Stays::Refused(error)) => return Err(error),
            }
            last = Some(MessageId(sequence));
        }
        // Messages that went to logs alone leave this queue with what those get.
        self.core.write_runs(block);
        Ok((id, step))
    }

    fn is_chosen(&self, id: QueueId, sequence: u64, redrive: &Redrive<'_>) -> bool {
        let Redrive { ids, died_in, search, .. } = redrive;
        if !ids.is_empty() && ids.binary_search(&MessageId(sequence)).is_err() {
            return false;
        }
        let search = search.filter(|search| !search.is_any());
        if died_in.is_none() && search.is_none() {
            return true;
        }
        let Some(queue) = self.queues.get(&id) else { return false };
        let Ok(message) = peek(queue, sequence, self.core.reader.as_deref()) else { return false };
        let died_there = |name: &TopicName| {
            source(&message.headers).is_some_and(|(died, ..)| qualify(queue.prefix(), &died) == name.as_str())
        };
        died_in.is_none_or(died_there) && search.is_none_or(|search| search.wants(&message))
    }
}
