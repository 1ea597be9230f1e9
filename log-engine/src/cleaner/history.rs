use std::collections::{HashMap, HashSet};

use crate::Offset;
use crate::batch::BatchHeader;
use crate::producer::{ProducerId, ProducerTable};
use crate::transaction::AbortedTransaction;

/// What the cleaner must know of a partition's producers: which batches carry the last word of one that is still
/// remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct LastWords(HashMap<ProducerId, LastWord>);

#[derive(Clone, Copy, Debug)]
struct LastWord {
    epoch: i16,
    /// The last offset of the last batch of records of that epoch, if there was any.
    last: Option<Offset>,
}

impl LastWords {
    pub(super) fn of(producers: &ProducerTable) -> LastWords {
        let words = producers.states().map(|(id, state)| {
            let last = state.batches().last().map(|batch| batch.last_offset());
            (id, LastWord { epoch: state.epoch.0, last })
        });
        LastWords(words.collect())
    }

    /// Whether a batch must stay, if need be empty, because it carries its producer's last sequence number or epoch.
    pub(super) fn contains(&self, header: &BatchHeader) -> bool {
        self.0.get(&ProducerId(header.producer_id)).is_some_and(|word| match word.last {
            Some(last) => header.last_offset() == last,
            None => header.is_control() && header.producer_epoch == word.epoch,
        })
    }
}

/// Which transactions were aborted.
#[derive(Clone, Debug, Default)]
pub(super) struct Aborted(HashMap<ProducerId, Vec<AbortedTransaction>>);

impl Aborted {
    /// Takes them in the order in which they ended.
    pub(super) fn new(transactions: &[AbortedTransaction]) -> Aborted {
        let mut by_producer: HashMap<_, Vec<_>> = HashMap::new();
        for transaction in transactions {
            by_producer.entry(transaction.producer).or_default().push(*transaction);
        }
        Aborted(by_producer)
    }

    /// Whether a batch belongs to a transaction that was aborted.
    pub(super) fn contains(&self, header: &BatchHeader) -> bool {
        if !header.is_transactional() || header.is_control() {
            return false;
        }
        let Some(ended) = self.0.get(&ProducerId(header.producer_id)) else { return false };
        // One producer's transactions follow each other.
        let at = ended.partition_point(|transaction| transaction.last < header.base_offset);
        ended.get(at).is_some_and(|transaction| transaction.first <= header.base_offset)
    }
}

/// Which transactions still have records in front of their marker, while a log is walked through in order.
#[derive(Debug, Default)]
pub(super) struct OpenTransactions(HashSet<i64>);

impl OpenTransactions {
    /// Takes note of a batch that stays with records in it.
    pub(super) fn keep(&mut self, header: &BatchHeader) {
        if header.is_transactional() && !header.is_control() {
            self.0.insert(header.producer_id);
        }
    }

    /// Takes note of a marker; answers whether it marks nothing any more.
    pub(super) fn end(&mut self, header: &BatchHeader) -> bool {
        !self.0.remove(&header.producer_id)
    }
}
