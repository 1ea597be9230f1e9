use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use message::{GroupName, Timestamp};

use crate::group::Committed;
use crate::producer::{Producer, ProducerEpoch, ProducerId};
use crate::{LogError, PartitionId};

/// The name under which a transactional producer comes back after a restart, and fences what is left of itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionalId(Arc<str>);

impl TransactionalId {
    /// The longest, in bytes.
    pub const LEN_MAX: usize = 1024;

    /// Takes a name that is neither empty nor too long.
    pub fn new(id: &str) -> Result<TransactionalId, LogError> {
        if id.is_empty() || id.len() > TransactionalId::LEN_MAX {
            return Err(LogError::InvalidTransactionalId);
        }
        Ok(TransactionalId(Arc::from(id)))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for TransactionalId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TransactionalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a transactional id stands. Kafka's other states do not occur: what they wait for is one block here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionState {
    /// Nothing was done under it yet.
    Empty,
    /// A transaction is open.
    Ongoing,
    /// The last one was committed.
    CompleteCommit,
    /// The last one was aborted.
    CompleteAbort,
}

impl TransactionState {
    /// As Kafka's tools print it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TransactionState::Empty => "Empty",
            TransactionState::Ongoing => "Ongoing",
            TransactionState::CompleteCommit => "CompleteCommit",
            TransactionState::CompleteAbort => "CompleteAbort",
        }
    }

    pub(crate) fn to_byte(self) -> u8 {
        match self {
            TransactionState::Empty => 0,
            TransactionState::Ongoing => 1,
            TransactionState::CompleteCommit => 2,
            TransactionState::CompleteAbort => 3,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<TransactionState> {
        Some(match byte {
            0 => TransactionState::Empty,
            1 => TransactionState::Ongoing,
            2 => TransactionState::CompleteCommit,
            3 => TransactionState::CompleteAbort,
            _ => return None,
        })
    }
}

/// What is special about a transactional id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    /// It is used for one transaction and forgotten soon after.
    Brief = 1,
    /// Something in its open transaction is in the memory of this process only.
    Held = 2,
    /// Its open transaction can only be aborted.
    Doomed = 4,
}

/// Offsets that a group is to have once a transaction commits.
pub(crate) type PendingOffsets = BTreeMap<GroupName, BTreeMap<PartitionId, Committed>>;

/// A transactional id as the coordinator keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub id: TransactionalId,
    pub producer: Producer,
    /// Who it was before the last change of epoch or id that its producer may not have heard of.
    pub previous: Option<Producer>,
    pub timeout_ms: i64,
    pub state: TransactionState,
    /// When the open transaction began.
    pub started: Timestamp,
    /// When it changed last.
    pub updated: Timestamp,
    pub flags: u8,
    pub partitions: BTreeSet<PartitionId>,
    pub offsets: PendingOffsets,
    /// Bytes that the pending offsets take in a record.
    pub offsets_len: usize,
}

impl Transaction {
    pub(crate) fn new(id: TransactionalId, producer: Producer, now: Timestamp) -> Transaction {
        Transaction {
            id,
            producer,
            previous: None,
            timeout_ms: 0,
            state: TransactionState::Empty,
            started: now,
            updated: now,
            flags: 0,
            partitions: BTreeSet::new(),
            offsets: BTreeMap::new(),
            offsets_len: 0,
        }
    }

    pub(crate) fn is(&self, flag: Flag) -> bool {
        self.flags & flag as u8 != 0
    }

    pub(crate) fn set(&mut self, flag: Flag) {
        self.flags |= flag as u8;
    }

    pub(crate) fn is_ongoing(&self) -> bool {
        self.state == TransactionState::Ongoing
    }

    /// When the open transaction is aborted if nothing ends it before.
    pub(crate) fn deadline(&self) -> Timestamp {
        Timestamp(self.started.0.saturating_add(self.timeout_ms))
    }

    /// Begins a transaction unless one is open.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        if !self.is_ongoing() {
            self.state = TransactionState::Ongoing;
            self.started = now;
        }
        self.updated = now;
    }

    /// Ends the open transaction; answers the offsets that were pending.
    pub(crate) fn finish(&mut self, state: TransactionState, now: Timestamp) -> PendingOffsets {
        self.state = state;
        self.updated = now;
        self.flags &= Flag::Brief as u8;
        self.partitions.clear();
        self.offsets_len = 0;
        std::mem::take(&mut self.offsets)
    }

    /// Whether `claimed` is who it was before the last bump, which its producer may not have heard of.
    pub(crate) fn was(&self, claimed: Producer) -> bool {
        self.previous == Some(claimed)
    }

    /// Goes on with the next epoch, or as `fresh` when there is none; `remembered` when the producer knows of it.
    pub(crate) fn bump(&mut self, remembered: bool, fresh: impl FnOnce() -> ProducerId) {
        let before = self.producer;
        self.producer = match before.epoch.next() {
            Some(epoch) => Producer { epoch, ..before },
            None => Producer { id: fresh(), epoch: ProducerEpoch(0) },
        };
        self.previous = remembered.then_some(before);
    }
}
