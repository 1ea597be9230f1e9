use crate::Lsn;

/// Whose record it is. The store carries records and does not read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordKind(pub u8);

impl RecordKind {
    /// Records of the log engine.
    pub const LOG: RecordKind = RecordKind(1);
    /// Records of the queue engine.
    pub const QUEUE: RecordKind = RecordKind(2);
    /// Records of the gateway itself (idempotency keys).
    pub const GATEWAY: RecordKind = RecordKind(3);
    /// Records of the gateway's jobs.
    pub const JOB: RecordKind = RecordKind(4);
    /// Records of idempotent producers that write to queues.
    pub const PRODUCER: RecordKind = RecordKind(5);
    /// Users, permissions and quotas.
    pub const IDENTITY: RecordKind = RecordKind(6);
    /// Definitions of shovels.
    pub const SHOVEL: RecordKind = RecordKind(7);
}

/// Where a replayed record was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the newest valid checkpoint, which covers the journal below its position.
    Checkpoint,
    /// In a retained journal segment, which may lie below the checkpoint's position.
    Journal,
}

/// One record handed back while a journal is opened, oldest first, the checkpoint's before the journal's.
#[derive(Clone, Copy, Debug)]
pub struct Replayed<'a> {
    /// Where it was found.
    pub source: Source,
    /// Position of the payload's first byte (meaningless for a checkpoint's record).
    pub lsn: Lsn,
    /// What the checkpoint covers: a definition found in the journal below this is already in the checkpoint.
    pub checkpoint_lsn: Lsn,
    /// Whose it is.
    pub kind: RecordKind,
    /// The bytes that were pushed.
    pub payload: &'a [u8],
}
