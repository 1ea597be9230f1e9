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

    /// What a topic's directory is called: its id tells it from all others, its name, as far as files can have it, is for
    /// people.
    pub(crate) fn topic_dir_name(topic: &str, id: TopicId) -> String {
        if !topic.contains('/') {
            return format!("{topic}.{}", id.0);
        }
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
        let name: String =
            topic.chars().map(|letter| if plain(letter) { letter } else { '+' }).take(200).collect();
        format!("{name}.{}", id.0)
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
    /// 0 as it was settled; compaction writes a segment anew under a higher one.
    pub generation: u32,
}

/// What tells a segment's files from those of all others of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentName {
    pub base: Offset,
    pub generation: u32,
}

impl SegmentState {
    /// Bytes that it takes in a record.
    pub(crate) const RECORD_LEN: u64 = 76;

    pub(crate) fn name(&self) -> SegmentName {
        SegmentName { base: self.base, generation: self.generation }
    }

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
            generation: 0,
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
    pub name: SegmentName,
    /// Entries that the index files really have, which a rebuild may change after they were recorded.
    pub index_entries: AtomicU32,
    pub time_entries: AtomicU32,
}

impl Segment {
    pub(crate) fn new(partition: PartitionId, dir: &PartitionDir, state: SegmentState) -> Segment {
        let files = SegmentFiles {
            partition,
            dir: dir.clone(),
            name: state.name(),
            index_entries: AtomicU32::new(state.index_entries),
            time_entries: AtomicU32::new(state.time_entries),
        };
        // What compaction wrote is complete.
        Segment { state, sealed: state.generation > 0, files: Arc::new(files) }
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

    const EXTENSIONS: [&str; 4] = [Self::LOG, Self::INDEX, Self::TIME_INDEX, Self::ABORTED_INDEX];

    /// The path of the file with this extension.
    pub(crate) fn path(&self, extension: &str) -> PathBuf {
        self.name.path(&self.dir.path(), extension)
    }

    /// All of them, whether or not there is one.
    pub(crate) fn paths(&self) -> [PathBuf; 4] {
        self.name.paths(&self.dir.path())
    }
}

impl SegmentName {
    /// The path of the file with this extension: it is named after its first offset, 20 digits wide, and its generation
    /// unless that is 0.
    pub(crate) fn path(self, dir: &Path, extension: &str) -> PathBuf {
        match self.generation {
            0 => dir.join(format!("{:020}.{extension}", self.base.0)),
            generation => dir.join(format!("{:020}-{generation}.{extension}", self.base.0)),
        }
    }

    /// All files, whether or not there is one.
    pub(crate) fn paths(self, dir: &Path) -> [PathBuf; 4] {
        SegmentFiles::EXTENSIONS.map(|extension| self.path(dir, extension))
    }

    /// What a file's name tells, when it is a segment's.
    pub(crate) fn parse(file: &str) -> Option<SegmentName> {
        let (stem, extension) = file.split_once('.')?;
        let (digits, generation) = match stem.split_once('-') {
            None => (stem, 0),
            Some((digits, generation)) => (digits, generation.parse().ok()?),
        };
        let known = SegmentFiles::EXTENSIONS.contains(&extension);
        let base = digits.parse().ok().map(Offset)?;
        (known && digits.len() == 20).then_some(SegmentName { base, generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_not_segments() {
        for generation in [0, 1, 77] {
            let name = SegmentName { base: Offset(1234), generation };
            for path in name.paths(Path::new("logs/t/0")) {
                let file = path.file_name().and_then(|file| file.to_str()).unwrap();
                assert_eq!(SegmentName::parse(file), Some(name), "{file}");
            }
        }
        for other in ["00000000000000000042.fresh", "42.log", "lock", "00000000000000000042-x.log", "x.y"] {
            assert_eq!(SegmentName::parse(other), None, "{other}");
        }
    }
}
