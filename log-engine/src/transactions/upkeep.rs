//! What time and crashes do to transactions.
use message::Timestamp;
use segment_store::Block;

use super::ending::end_len;
use crate::producer::{Producer, ProducerId};
use crate::transaction::{Flag, TransactionOutcome};
use crate::{LogEngine, PartitionId};

/// Bytes of markers that one tick may write; what is left waits for the next.
const TICK_LEN: usize = 400 << 10;
/// Transactional ids that one tick may forget.
const FORGOTTEN_MAX: usize = 1024;
impl LogEngine {
    /// Aborts what timed out or was left over by a crash, and forgets ids that nobody uses. Answers when to call again.
    pub(crate) fn tick_transactions(&mut self, block: &mut Block, now: Timestamp) -> Option<Timestamp> {
        for (partition, producer) in std::mem::take(&mut self.hanging) {
            self.abort_hanging(block, partition, producer, now);
        }
        let mut room = TICK_LEN;
        while let Some(producer) = self.first_overdue(now) {
            let len = self.transactions.get(producer).map_or(0, end_len);
            if len > room && room < TICK_LEN {
                return Some(now);
            }
            room = room.saturating_sub(len);
            // Its producer finds out when it asks, and may go on with the next epoch (KIP-588).
            self.close(block, producer, TransactionOutcome::Abort, Some(true), now);
        }
        let mut forgotten = 0;
        let ages = [(true, self.config.outcome_retention), (false, self.config.transactional_id_expiration)];
        for (brief, age) in ages {
            while forgotten < FORGOTTEN_MAX
                && let Some((since, producer)) = self.transactions.first_resting(brief)
                && since.plus(age) <= now
            {
                self.forget_transaction(block, producer);
                forgotten += 1;
            }
        }
        let rests = ages
            .into_iter()
            .filter_map(|(brief, age)| Some(self.transactions.first_resting(brief)?.0.plus(age)));
        rests.chain(self.transactions.first_deadline().map(|(deadline, _)| deadline)).min()
    }

    /// The transaction to abort next: one that the last crash took something of, or one whose time is up.
    fn first_overdue(&mut self, now: Timestamp) -> Option<ProducerId> {
        while let Some(lost) = self.lost.last() {
            if self.transactions.get(*lost).is_some_and(|transaction| transaction.is(Flag::Doomed)) {
                return Some(*lost);
            }
            self.lost.pop();
        }
        let (deadline, producer) = self.transactions.first_deadline()?;
        (deadline <= now).then_some(producer)
    }

    /// Ends what damage to the journal left open in a partition: the coordinator knows nothing of it.
    fn abort_hanging(
        &mut self,
        block: &mut Block,
        partition: PartitionId,
        producer: ProducerId,
        now: Timestamp,
    ) {
        let slot = self.partitions.get(&partition);
        let Some(state) = slot.and_then(|slot| slot.producers.state(producer)) else { return };
        if state.transaction.is_some() {
            let producer = Producer { id: producer, epoch: state.epoch };
            self.append_marker(block, partition, producer, TransactionOutcome::Abort, now);
        }
    }

    /// After replay: dates what has no date, and finds what a crash left that nobody will end.
    pub(crate) fn recover_transactions(&mut self, now: Timestamp) {
        let mut hanging = Vec::new();
        self.producer_count = 0;
        for (id, slot) in &mut self.partitions {
            slot.producers.date(crate::producers::UNDATED, now);
            self.producer_count += slot.producers.len();
            for (_, producer) in slot.producers.open() {
                let known = self.transactions.get(producer);
                if !known.is_some_and(|known| known.is_ongoing() && known.partitions.contains(id)) {
                    hanging.push((*id, producer));
                }
            }
        }
        self.hanging = hanging;
        let open: Vec<_> = self.transactions.open().collect();
        for producer in open {
            self.transactions.change(producer, |transaction, _| {
                if transaction.is(Flag::Held) {
                    transaction.set(Flag::Doomed);
                }
            });
            if self.transactions.get(producer).is_some_and(|transaction| transaction.is(Flag::Held)) {
                self.lost.push(producer);
            }
        }
    }
}
