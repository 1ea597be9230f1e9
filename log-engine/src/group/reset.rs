use message::Timestamp;

use crate::{LogError, Offset, PartitionView, TopicPartition};

/// Where a group should go on reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetTo {
    /// At the first record held.
    Earliest,
    /// At the end: only what is new.
    Latest,
    /// At the first record that is at least this new; at the end when all are older.
    Time(Timestamp),
    /// At this offset, or the nearest one held.
    Offset(Offset),
    /// So many records further on, or back when negative, from what is committed (or, without that, the start).
    Shift(i64),
}

/// What a reset changes in one partition, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetReset {
    /// Where.
    pub partition: TopicPartition,
    /// What was committed before.
    pub from: Option<Offset>,
    /// What is committed now.
    pub to: Offset,
}

/// The offset that a reset means in one partition, always one that is held. A time is looked up on disk.
pub fn resolve(view: &PartitionView, committed: Option<Offset>, to: ResetTo) -> Result<Offset, LogError> {
    let (start, end) = (view.earliest(), view.latest());
    let target = match to {
        ResetTo::Earliest => start,
        ResetTo::Latest => end,
        ResetTo::Time(time) => view.offset_for_time(time.0)?.map_or(end, |found| found.offset),
        ResetTo::Offset(offset) => offset,
        ResetTo::Shift(records) => committed.unwrap_or(start).plus(records),
    };
    Ok(target.min(end).max(start))
}
