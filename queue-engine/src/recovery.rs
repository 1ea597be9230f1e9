use std::collections::BTreeMap;

use ::message::Timestamp;
use segment_store::{Replayed, Source};

use crate::dead_letter::{Dying, Reason};
use crate::engine::QueueEngine;
use crate::enqueue::Arrival;
use crate::envelope::{read_head, read_message_id};
use crate::exchange::Dice;
use crate::fields::Malformed;
use crate::holder::Holder;
use crate::message_record::{Published, Relocated};
use crate::record::Record;
use crate::runs::Runs;
use crate::slots::{NEVER, Slot, State};
use crate::virtual_host::host_of;
use crate::{MessageId, QueueError, QueueId};

/// Message ids that one record of a checkpoint holds at most.
const SEEN_IN_A_RECORD: usize = 1000;

impl QueueEngine {
    /// Takes one record back, in the order in which the journal hands them out.
    ///
    /// A record about a queue or message that is not known is about one that went later; it changes nothing.
    pub fn replay(&mut self, replayed: Replayed<'_>) -> Result<(), QueueError> {
        let corrupt = |_| QueueError::CorruptRecord(replayed.lsn.0);
        // Stirred until `finish_recovery` makes the first nonce of it.
        self.core.nonce ^= replayed.lsn.0 as u32;
        let record = Record::read(replayed.payload).map_err(corrupt)?;
        if record.is_definition() {
            if replayed.source == Source::Checkpoint || replayed.lsn >= replayed.checkpoint_lsn {
                self.apply_definition(record);
            }
            return Ok(());
        }
        self.apply_to_messages(record, replayed).map_err(corrupt)
    }

    fn apply_to_messages(&mut self, record: Record<'_>, replayed: Replayed<'_>) -> Result<(), Malformed> {
        match record {
            // What was published before the checkpoint, the checkpoint remembers.
            Record::Published(published) => {
                self.apply_published(published, replayed, replayed.lsn >= replayed.checkpoint_lsn)
            }
            Record::Moved { from, sequence, published } => {
                self.apply_removed(from, sequence);
                self.apply_published(published, replayed, false)
            }
            Record::Removed(runs) => {
                for run in runs.iter() {
                    // Only recovery meets runs whose messages it never saw.
                    if let Some(queue) = self.queues.get_mut(&run.queue) {
                        queue.next_sequence = queue.next_sequence.max(run.sequences().end);
                    }
                    run.sequences().for_each(|sequence| self.apply_removed(run.queue, sequence));
                }
                Ok(())
            }
            Record::Delivered(runs) => {
                self.apply_each(&runs, |slot| slot.attempts = slot.attempts.saturating_add(1));
                Ok(())
            }
            Record::Forgiven(runs) => {
                self.apply_each(&runs, |slot| slot.forgiven = slot.forgiven.saturating_add(1));
                Ok(())
            }
            Record::Delayed { until, runs } => self.apply_state(&runs, State::Delayed, until, 0),
            Record::Doomed { reason, runs } => {
                self.apply_state(&runs, State::Dying, NEVER, u32::from(reason.number()))
            }
            Record::Relocated(relocated) => self.apply_relocated(relocated, replayed),
            Record::Failed { failed, runs } => {
                for run in runs.iter() {
                    let Some(queue) = self.queues.get_mut(&run.queue) else { continue };
                    for sequence in run.sequences() {
                        let (to, due) =
                            failed.retry_at.map_or((State::Ready, NEVER), |at| (State::Delayed, at));
                        if queue.change(sequence, to, due, &mut self.core.ledger).is_some() {
                            queue.tell(sequence, failed);
                        }
                    }
                }
                Ok(())
            }
            Record::Ranked { priority, runs } => {
                self.apply_each(&runs, |slot| slot.priority = priority);
                Ok(())
            }
            Record::Released(runs) => self.apply_state(&runs, State::Ready, NEVER, 0),
            Record::QueueDeclared { .. }
            | Record::QueueChanged { .. }
            | Record::QueueDeleted { .. }
            | Record::ExchangeDeclared { .. }
            | Record::ExchangeDeleted { .. }
            | Record::Bound(_)
            | Record::Unbound(_)
            | Record::NextQueue { .. }
            | Record::Seen { .. }
            | Record::Reached { .. }
            | Record::VirtualHostCreated { .. }
            | Record::VirtualHostDeleted { .. }
            | Record::PolicySet { .. }
            | Record::PolicyDeleted { .. } => unreachable!("is_definition() was asked"),
        }
    }

    fn apply_published(
        &mut self,
        published: Published<'_>,
        replayed: Replayed<'_>,
        is_news: bool,
    ) -> Result<(), Malformed> {
        let Published { at, targets, count, mut envelopes } = published;
        let start = replayed.payload.len() - envelopes.left();
        let all = envelopes.left();
        for place in 0..count {
            let len = envelopes.take(4)?.try_into().map_err(|_| Malformed)?;
            let envelope_len = u32::from_le_bytes(len);
            let lsn = replayed.lsn.plus((start + all - envelopes.left()) as u64);
            let envelope = envelopes.take(envelope_len as usize)?;
            let head = read_head(envelope)?;
            for target in &targets {
                let Some(queue) = self.queues.get_mut(&target.queue) else { continue };
                let sequence = target.first.checked_add(place).ok_or(Malformed)?;
                if let Some(window) = queue.options.dedup.filter(|_| is_news)
                    && let Some(id) = read_message_id(envelope)?
                {
                    queue.seen.remember(&id, MessageId(sequence), window, at);
                }
                if queue.slots.get(sequence).is_some() {
                    continue;
                }
                let arrival = Arrival {
                    lsn,
                    envelope_len,
                    body_len: head.body_len,
                    priority: queue.options.kind.priority(head.priority),
                    at,
                    delay_ms: head.delay_ms,
                    ttl_ms: head.ttl_ms,
                    queue_ttl_ms: target.ttl_ms,
                };
                queue.insert(sequence, arrival.slot(None), head.key, &mut self.core.ledger);
            }
        }
        Ok(())
    }

    fn apply_relocated(&mut self, relocated: Relocated<'_>, replayed: Replayed<'_>) -> Result<(), Malformed> {
        let head = read_head(relocated.envelope)?;
        let envelope_len = u32::try_from(relocated.envelope.len()).map_err(|_| Malformed)?;
        for copy in relocated.copies {
            let Some(queue) = self.queues.get_mut(&copy.queue) else { continue };
            let (state, due) = match (copy.doomed, copy.delayed_until) {
                (Some(_), _) => (State::Dying, NEVER),
                (None, Some(until)) => (State::Delayed, until),
                (None, None) => (State::Ready, NEVER),
            };
            let slot = Slot {
                lsn: replayed.lsn.plus(relocated.offset as u64),
                message: None,
                enqueued_at: copy.enqueued_at,
                expires_at: copy.expires_at.unwrap_or(NEVER),
                due,
                holder: Holder::NOBODY,
                forgiven: copy.forgiven,
                envelope_len,
                body_len: head.body_len,
                nonce: copy.doomed.map_or(0, |reason| u32::from(reason.number())),
                attempts: copy.attempts,
                state,
                priority: copy.priority,
            };
            queue.remove(copy.sequence, &mut self.core.ledger);
            queue.insert(copy.sequence, slot, head.key, &mut self.core.ledger);
            copy.history.into_iter().for_each(|failed| queue.tell(copy.sequence, failed));
        }
        Ok(())
    }

    fn apply_removed(&mut self, id: QueueId, sequence: u64) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.remove(sequence, &mut self.core.ledger);
        }
    }

    fn apply_each(&mut self, runs: &Runs, change: impl Fn(&mut Slot)) {
        for run in runs.iter() {
            let Some(queue) = self.queues.get_mut(&run.queue) else { continue };
            for sequence in run.sequences() {
                queue.slots.get_mut(sequence).into_iter().for_each(&change);
            }
        }
    }

    fn apply_state(&mut self, runs: &Runs, to: State, due: Timestamp, nonce: u32) -> Result<(), Malformed> {
        for run in runs.iter() {
            let Some(queue) = self.queues.get_mut(&run.queue) else { continue };
            for sequence in run.sequences() {
                if let Some(slot) = queue.change(sequence, to, due, &mut self.core.ledger) {
                    slot.nonce = nonce;
                }
            }
        }
        Ok(())
    }

    /// Ends recovery: what was leased is ready again, transient queues and exchanges are gone.
    pub fn finish_recovery(&mut self, now: Timestamp) {
        let transient: Vec<QueueId> =
            self.queues.values().filter(|queue| !queue.options.durable).map(|queue| queue.id).collect();
        transient.into_iter().for_each(|id| self.forget_queue(id));
        self.topology.forget_transient();
        self.drop_orphans();
        self.enforce_all_policies();
        let mut ids: Vec<QueueId> = self.queues.keys().copied().collect();
        ids.sort_unstable();
        for id in &ids {
            let Some(queue) = self.queues.get_mut(id) else { continue };
            queue.rebuild_order();
            queue.used_at = now;
            if queue.is_too_long() {
                self.touched.push(queue.id);
            }
            let dying = queue.slots.iter_from(0).filter(|(_, slot)| slot.state == State::Dying);
            for (sequence, slot) in dying {
                let reason = Reason::from_number(slot.nonce as u8).unwrap_or(Reason::Rejected);
                self.core.dying.push_back(Dying { queue: queue.id, sequence, reason });
            }
        }
        self.core.dying_recorded = self.core.dying.len();
        self.forget_arrived();
        ids.into_iter().for_each(|id| self.set_alarm(id));
        // Tokens of the last run must not fit leases of this one: neither time nor the journal stood still.
        let seed = (now.0 as u64) ^ (u64::from(self.core.nonce) << 32);
        self.core.nonce = (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32;
        self.topology.dice = Dice(seed);
        self.outbox = crate::Outbox::default();
    }

    /// Hands out what a checkpoint must keep, record by record: definitions and the sequences that are used up.
    pub fn checkpoint(&self, keep: &mut dyn FnMut(&[u8])) {
        let mut bytes = Vec::new();
        let mut put = |record: Record<'_>| {
            bytes.clear();
            record.put(&mut bytes);
            keep(&bytes);
        };
        put(Record::NextQueue { id: QueueId(self.next_queue) });
        // Before all that is in them.
        self.hosts.names().for_each(|name| put(Record::VirtualHostCreated { name: name.to_owned() }));
        for (kind, prefix, name, policy) in self.policies.iter() {
            let (host, name, policy) = (host_of(prefix).to_owned(), name.to_owned(), policy.clone());
            put(Record::PolicySet { kind, host, name, policy });
        }
        for queue in self.queues.values().filter(|queue| queue.store_of.is_none()) {
            put(Record::QueueDeclared {
                id: queue.id,
                name: queue.name.clone(),
                next_sequence: queue.next_sequence,
                options: queue.declared().clone(),
            });
            let mut seen = queue.seen.iter().cloned().peekable();
            while seen.peek().is_some() {
                put(Record::Seen { queue: queue.id, seen: seen.by_ref().take(SEEN_IN_A_RECORD).collect() });
            }
        }
        let under_way: BTreeMap<_, _> = self.core.under_way.iter().collect();
        for (&(queue, sequence), reached) in under_way {
            put(Record::Reached { queue, sequence, reached: reached.clone() });
        }
        for exchange in self.topology.iter().filter(|exchange| !exchange.predeclared) {
            let (name, options) = (exchange.name.clone(), exchange.options.clone());
            let store = exchange.store.and_then(|id| Some((id, self.queues.get(&id)?.next_sequence)));
            put(Record::ExchangeDeclared { name, kind: exchange.kind, options, store });
        }
        self.binding_records().for_each(|binding| put(Record::Bound(binding)));
    }
}
