//! The transaction index of a segment: the transactions that were aborted by a marker in it, in the order of the
//! markers, as Kafka's `.txnindex` has them.
use std::collections::{BTreeMap, HashMap};
use std::io;

use segment_store::DiskFile;

use super::SegmentState;
use super::salvage::{Found, Salvage, read_full};
use crate::Offset;
use crate::batch::{BatchHeader, ControlRecord, crc32c};
use crate::producer::ProducerId;
use crate::transaction::AbortedTransaction;

/// How many entries the index of a segment has, and a checksum over them: the journal knows both, the file neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AbortedCount {
    pub entries: u32,
    pub crc: u32,
}

impl AbortedCount {
    pub(crate) fn add(&mut self, transaction: &AbortedTransaction) {
        let mut covered = [0; 4 + AbortedTransaction::ENTRY_LEN];
        covered[..4].copy_from_slice(&self.crc.to_be_bytes());
        covered[4..].copy_from_slice(&transaction.encode());
        self.crc = crc32c(&covered);
        self.entries += 1;
    }

    /// Counts anew.
    pub(crate) fn of(transactions: &[AbortedTransaction]) -> AbortedCount {
        let mut count = AbortedCount::default();
        transactions.iter().for_each(|transaction| count.add(transaction));
        count
    }

    pub(crate) fn len(self) -> u64 {
        u64::from(self.entries) * AbortedTransaction::ENTRY_LEN as u64
    }
}

/// Reads the recorded entries; none when they are not all there, or not as they were written.
pub(super) fn load(file: &dyn DiskFile, count: AbortedCount) -> io::Result<Option<Vec<AbortedTransaction>>> {
    // Never more than the file has, whatever the count says.
    let len = count.len().min(file.size()?) as usize;
    let mut bytes = vec![0; len];
    let read = read_full(file, &mut bytes, 0)?;
    bytes.truncate(read);
    let (entries, _) = bytes.as_chunks::<{ AbortedTransaction::ENTRY_LEN }>();
    let entries: Option<Vec<_>> = entries.iter().map(AbortedTransaction::decode).collect();
    Ok(entries.filter(|entries| AbortedCount::of(entries) == count))
}

/// The entries as bytes.
pub(crate) fn encode(transactions: &[AbortedTransaction]) -> Vec<u8> {
    transactions.iter().flat_map(AbortedTransaction::encode).collect()
}

/// Follows the transactions of a partition through its segments, to make an index anew.
#[derive(Debug, Default)]
pub(crate) struct AbortedScan {
    began: HashMap<ProducerId, Offset>,
    open: BTreeMap<Offset, ProducerId>,
}

impl AbortedScan {
    /// Goes through one segment; answers the transactions that a marker in it aborted. What is damaged is passed over.
    pub(super) fn segment(
        &mut self,
        file: &dyn DiskFile,
        state: &SegmentState,
    ) -> io::Result<Vec<AbortedTransaction>> {
        let mut found = Vec::new();
        let mut salvage = Salvage::new(file, state);
        let (mut position, mut expected) = (0, state.base);
        loop {
            match salvage.step(position, expected)? {
                Found::Batch { position: at, header } => {
                    if header.is_control() {
                        let mut batch = vec![0; header.total_len];
                        read_full(file, &mut batch, at)?;
                        found.extend(self.marker(&header, ControlRecord::read(&batch)));
                    } else if header.is_transactional() {
                        self.records(&header);
                    }
                    (position, expected) = (at + header.total_len as u64, header.next_offset());
                }
                Found::Lost { next, position: at, .. } => (position, expected) = (at, next),
                Found::End => return Ok(found),
            }
        }
    }

    fn records(&mut self, header: &BatchHeader) {
        let producer = ProducerId(header.producer_id);
        self.began.entry(producer).or_insert_with(|| {
            self.open.insert(header.base_offset, producer);
            header.base_offset
        });
    }

    fn marker(&mut self, header: &BatchHeader, says: Option<ControlRecord>) -> Option<AbortedTransaction> {
        let producer = ProducerId(header.producer_id);
        let first = self.began.remove(&producer)?;
        self.open.remove(&first);
        let stable = self.open.keys().next().copied().unwrap_or(header.next_offset());
        (says == Some(ControlRecord::Abort)).then_some(AbortedTransaction {
            producer,
            first,
            last: header.base_offset,
            stable,
        })
    }
}
