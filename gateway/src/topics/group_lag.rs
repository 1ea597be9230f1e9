//! How old the oldest record is that a group has not committed.
//!
//! The owner tells where groups stand; when the record there was written is looked up outside of it, on a thread that may
//! wait for the disk: one look into an index for each partition that is behind.

use std::sync::Arc;

use log_engine::{GroupDescription, Offset, PartitionLag};
use message::Timestamp;

use super::Topics;
use super::log_topic::LogPartition;

/// A partition, and where its group reads on.
type Behind = (Arc<LogPartition>, Offset);

/// The age of the oldest record that a group has not committed in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Everything is committed.
    Nothing,
    /// So many milliseconds.
    Millis(u64),
    /// Its producer gave it no time, or it cannot be read.
    Unknown,
}

impl Age {
    /// In seconds, as metrics have it.
    pub(super) fn seconds(self) -> Option<f64> {
        match self {
            Age::Nothing => Some(0.0),
            Age::Millis(ms) => Some(ms as f64 / 1000.0),
            Age::Unknown => None,
        }
    }
}

impl Topics {
    /// Groups with the age of each of their partitions, in order.
    pub(super) async fn with_ages(&self, groups: Vec<GroupDescription>) -> Vec<(GroupDescription, Vec<Age>)> {
        let now = self.now();
        let of_group =
            |group: &GroupDescription| group.partitions.iter().map(|lag| self.behind(lag)).collect();
        let places: Vec<Vec<Option<Behind>>> = groups.iter().map(of_group).collect();
        let look = move || -> Vec<Vec<Age>> {
            let ages =
                |places: &Vec<Option<Behind>>| places.iter().map(|place| age(place.as_ref(), now)).collect();
            places.iter().map(ages).collect()
        };
        // It only fails when the process ends.
        let ages = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        groups.into_iter().zip(ages).collect()
    }

    /// Where the oldest record is that the group has not committed, if there is one.
    fn behind(&self, lag: &PartitionLag) -> Option<Behind> {
        if lag.lag == 0 {
            return None;
        }
        // A log that was deleted meanwhile leaves nothing to be behind of.
        let log = self.log(lag.partition.topic.as_str()).ok()?;
        Some((Arc::clone(log.partition(lag.partition.partition).ok()?), lag.next))
    }
}

fn age(behind: Option<&Behind>, now: Timestamp) -> Age {
    let Some((partition, next)) = behind else { return Age::Nothing };
    match partition.view.timestamp_from(*next) {
        Ok(Some(written)) => Age::Millis(now.0.saturating_sub(written).max(0).unsigned_abs()),
        Ok(None) => Age::Unknown,
        Err(error) => {
            tracing::debug!(%error, "the age of a group's lag cannot be told");
            Age::Unknown
        }
    }
}
