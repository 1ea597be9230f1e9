use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use message::Timestamp;

use super::AbortedCount;
use crate::{Offset, PartitionId, TopicId};

/// Where a partition's files lie, relative to the data directory.
///
/// The topic's id is part of the path, so that a topic made again under the same name never meets the files of the
/// one before.
#[derive(Clone, Debug)]
pub(crate) struct PartitionDir {
    topic: Arc<Path>,
    index: u32,
}

impl PartitionDir {
    /// The directory that holds all logs.
    pub(crate) const ROOT: &str = "logs";

    /// What a topic's directory is called.
    pub(crate) fn topic_dir_name(topic: &str, id: TopicId) -> String {
        format!("{topic}.{}", id.0)
    }

    pub(crate) fn new(topic: Arc<Path>, index: u32) -> PartitionDir {
        PartitionDir { topic, index }
    }

    pub(crate) fn topic(&self) -> &Path {
        &self.topic
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.topic.join(self.index.to_string())
    }
}

/// What the journal records about a segment. Bytes of its files beyond what is recorded do not count: a crash left
/// them, and settling writes over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentState {
    /// Offset that the segment is named after.
    pub base: Offset,
    /// The offset after its last record.
    pub end: Offset,
    /// Bytes of batches.
    pub len: u64,
    /// Entries of the offset index.
    pub index_entries: u32,
    /// Entries of the time index.
    pub time_entries: u32,
    /// The largest timestamp of its records, -1 when none has any.
    pub max_timestamp: i64,
    /// Last offset of the first batch that has the largest timestamp.
    pub max_timestamp_offset: Offset,
    /// When it was begun, by the broker's clock.
    pub created: Timestamp,
    /// When it was last written to, by the broker's clock.
    pub written: Timestamp,
    /// What its transaction index holds.
    pub aborted: AbortedCount,
}

impl SegmentState {
    /// Bytes that it takes in a record.
    pub(crate) const RECORD_LEN: u64 = 72;

    pub(crate) fn begin(base: Offset, now: Timestamp) -> SegmentState {
        SegmentState {
            base,
            end: base,
            len: 0,
            index_entries: 0,
            time_entries: 0,
            max_timestamp: -1,
            max_timestamp_offset: base,
            created: now,
            written: now,
            aborted: AbortedCount::default(),
        }
    }

    /// The moment that retention counts from.
    pub(crate) fn newest(&self) -> Timestamp {
        if self.max_timestamp >= 0 { Timestamp(self.max_timestamp) } else { self.written }
    }
}

/// One segment as readers know it. Replaced, not changed, when settling adds to it.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub state: SegmentState,
    /// Whether nothing will be added any more.
    pub sealed: bool,
    /// Held by whoever reads; the files are removed after the last one let go.
    pub files: Arc<SegmentFiles>,
}

/// The files of a segment.
#[derive(Debug)]
pub(crate) struct SegmentFiles {
    pub partition: PartitionId,
    pub dir: PartitionDir,
    pub base: Offset,
    /// Entries that the index files really have, which a rebuild may change after they were recorded.
    pub index_entries: AtomicU32,
    pub time_entries: AtomicU32,
}

impl Segment {
    pub(crate) fn new(partition: PartitionId, dir: &PartitionDir, state: SegmentState) -> Segment {
        let files = SegmentFiles {
            partition,
            dir: dir.clone(),
            base: state.base,
            index_entries: AtomicU32::new(state.index_entries),
            time_entries: AtomicU32::new(state.time_entries),
        };
        Segment { state, sealed: false, files: Arc::new(files) }
    }

    /// The state to write down, with the indexes as they are by now: only those of a sealed segment change without
    /// its state.
    pub(crate) fn recorded(&self) -> SegmentState {
        if !self.sealed {
            return self.state;
        }
        SegmentState {
            index_entries: self.files.index_entries.load(Ordering::Relaxed),
            time_entries: self.files.time_entries.load(Ordering::Relaxed),
            ..self.state
        }
    }

    /// Takes over what settling wrote.
    pub(crate) fn update(&mut self, state: SegmentState) {
        self.state = state;
        self.files.index_entries.store(state.index_entries, Ordering::Relaxed);
        self.files.time_entries.store(state.time_entries, Ordering::Relaxed);
    }
}

impl SegmentFiles {
    pub(crate) const LOG: &str = "log";
    pub(crate) const INDEX: &str = "index";
    pub(crate) const TIME_INDEX: &str = "timeindex";
    pub(crate) const ABORTED_INDEX: &str = "txnindex";

    /// The path of the file with this extension.
    pub(crate) fn path(&self, extension: &str) -> PathBuf {
        segment_path(&self.dir.path(), self.base, extension)
    }

    /// All of them, whether or not there is one.
    pub(crate) fn paths(&self) -> [PathBuf; 4] {
        [Self::LOG, Self::INDEX, Self::TIME_INDEX, Self::ABORTED_INDEX].map(|extension| self.path(extension))
    }
}

/// A segment's file is named after its first offset, 20 digits wide.
pub(crate) fn segment_path(dir: &Path, base: Offset, extension: &str) -> PathBuf {
    dir.join(format!("{:020}.{extension}", base.0))
}

/// The base offset that a file's name tells, when it is a segment's.
pub(crate) fn file_base(name: &str) -> Option<Offset> {
    let (digits, extension) = name.split_once('.')?;
    let known =
        [SegmentFiles::LOG, SegmentFiles::INDEX, SegmentFiles::TIME_INDEX, SegmentFiles::ABORTED_INDEX];
    let known = known.contains(&extension);
    (known && digits.len() == 20).then(|| digits.parse().ok().map(Offset)).flatten()
}
