use std::collections::HashSet;

use bytes::Bytes;

use super::AbortedTransaction;
use crate::batch::{BatchHeader, ControlRecord};
use crate::producer::ProducerId;

/// Which records a reader is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// All visible ones, also those of transactions that are open or were aborted.
    #[default]
    ReadUncommitted,
    /// Up to the last stable offset, and none of an aborted transaction.
    ReadCommitted,
}

/// Takes the batches of aborted transactions, and the markers, out of what was read: what is left is what a reader of
/// committed records is to see. The transactions are those that the same read answered.
pub fn drop_aborted(batches: &mut Vec<Bytes>, aborted: &[AbortedTransaction]) {
    let mut by_start: Vec<&AbortedTransaction> = aborted.iter().collect();
    by_start.sort_unstable_by_key(|transaction| transaction.first);
    let mut ahead = by_start.into_iter().peekable();
    let mut ending: HashSet<ProducerId> = HashSet::new();
    batches.retain(|batch| {
        // What cannot be read is for the reader of the records to report.
        let Ok(header) = BatchHeader::parse(batch) else { return true };
        while let Some(transaction) = ahead.next_if(|ahead| ahead.first <= header.last_offset()) {
            ending.insert(transaction.producer);
        }
        if header.is_control() {
            if ControlRecord::read(batch) == Some(ControlRecord::Abort) {
                ending.remove(&ProducerId(header.producer_id));
            }
            return false;
        }
        !(header.is_transactional() && ending.contains(&ProducerId(header.producer_id)))
    });
}
