use super::in_flight::RecordState;
use crate::Adjustable;

/// What bounds share groups, and how long they wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareConfig {
    /// Groups with members or offsets, and groups with settings of their own.
    pub groups_max: usize,
    /// Members of one group (`group.share.max.size`).
    pub members_max: usize,
    /// After this silence a member is out (`group.share.session.timeout.ms`).
    pub session: Adjustable,
    /// How often a member is to be heard of (`group.share.heartbeat.interval.ms`).
    pub heartbeat: Adjustable,
    /// How long a member may keep a record (`group.share.record.lock.duration.ms`).
    pub record_lock: Adjustable,
    /// How often a record is handed out, and how many may be out.
    pub limits: ShareLimits,
}

impl Default for ShareConfig {
    fn default() -> ShareConfig {
        ShareConfig {
            groups_max: 10_000,
            members_max: 200,
            session: Adjustable::seconds(45, 45, 60),
            heartbeat: Adjustable::seconds(5, 5, 15),
            record_lock: Adjustable::seconds(30, 15, 60),
            limits: ShareLimits { deliveries: 5, record_locks: 2000 },
        }
    }
}

/// How often a record is handed out, and how many may be out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareLimits {
    /// A record that was handed out so often and comes back is archived (`group.share.delivery.count.limit`).
    pub deliveries: u16,
    /// Records of one partition that one group deals with at a time (`group.share.partition.max.record.locks`).
    pub record_locks: u64,
}

impl ShareLimits {
    /// What becomes of a record that comes back.
    pub(crate) fn released(&self, deliveries: u16) -> RecordState {
        if deliveries >= self.deliveries { RecordState::Archived } else { RecordState::Available }
    }

    /// How many of `records` that were handed out so often already go out together; none when that matters not yet.
    pub(crate) fn portion(&self, deliveries: u16, records: u64) -> Option<u64> {
        let throttled_from = self.deliveries.div_ceil(2).max(2);
        if self.deliveries > 2 && deliveries + 1 >= self.deliveries {
            return Some(1);
        }
        let halvings = deliveries.checked_sub(throttled_from)? + 1;
        Some(records.checked_shr(u32::from(halvings)).unwrap_or(0).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_often_goes_out_in_smaller_portions_and_at_last_alone() {
        let limits = |deliveries| ShareLimits { deliveries, record_locks: 2000 };
        let portions =
            |most: u16| (0..most).map(move |times| limits(most).portion(times, 500)).collect::<Vec<_>>();
        assert_eq!(portions(5), [None, None, None, Some(250), Some(1)]);
        assert_eq!(portions(6), [None, None, None, Some(250), Some(125), Some(1)]);
        assert_eq!(portions(2), [None, None]);
    }
}
