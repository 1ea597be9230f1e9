use message::Timestamp;
use segment_store::Block;

use crate::partition::Partition;
use crate::record::LogRecord;
use crate::{LogEngine, LogError, Offset, PartitionId};

/// Logs that one tick may shorten; the rest waits for the next.
const PARTITIONS_MAX: usize = 1024;

impl LogEngine {
    /// Does what is due by time alone: retention, settling of old batches, what is due in groups, expiry of
    /// producers, transactions that take too long, closing idle files. Answers when to call again, if at all. The shell
    /// syncs what was appended before.
    pub fn tick(&mut self, block: &mut Block, now: Timestamp) -> Option<Timestamp> {
        self.forget_flush();
        self.ticked = now;
        if now >= self.next_check {
            self.check_logs(block, now);
            self.forget_producers(now);
            self.find_dirty(now);
            self.cache_clock = self.settings.cache.close_idle(self.cache_clock);
            self.settling.removal_due |= !self.settling.doomed.is_empty();
            self.next_check = now.plus(self.config.check_interval);
        }
        let blocked = self.unblock_settling(now);
        let groups = self.tick_groups(block, now);
        let transactions = self.tick_transactions(block, now);
        let shares = self.tick_shares(block, now);
        let check =
            (!self.partitions.is_empty() || !self.settling.doomed.is_empty()).then_some(self.next_check);
        [blocked, groups, transactions, shares, check].into_iter().flatten().min()
    }

    /// Removes everything of a log before `offset`; -1 means everything visible. Answers the new start.
    pub fn delete_records(
        &mut self,
        block: &mut Block,
        partition: PartitionId,
        before: Offset,
    ) -> Result<Offset, LogError> {
        let slot = self.partitions.get_mut(&partition).ok_or(LogError::GonePartition(partition))?;
        let (start, end) = (slot.view.log_start(), slot.view.high_watermark());
        let target = if before.0 == -1 { end } else { before };
        if target < start || target > end {
            return Err(LogError::OffsetOutOfRange { requested: before, start, end });
        }
        if target > start {
            self.move_log_start(block, partition, target);
        }
        Ok(target)
    }

    /// Moves a log's start, in memory and in the journal.
    pub(crate) fn move_log_start(&mut self, block: &mut Block, id: PartitionId, start: Offset) {
        let Some(partition) = self.partitions.get_mut(&id) else { return };
        let freed = partition.move_start(start);
        let record = self.push(block, &LogRecord::LogStart { partition: id, start });
        self.free(freed, record);
    }

    fn check_logs(&mut self, block: &mut Block, now: Timestamp) {
        let mut shorter: Vec<(PartitionId, Offset)> = Vec::new();
        self.settling.aged.clear();
        for (id, partition) in &self.partitions {
            if partition.settling {
                continue;
            }
            if shorter.len() < PARTITIONS_MAX
                && let Some(start) = retained_from(partition, now)
                // What is not visible yet is not acknowledged yet either.
                && start <= partition.view.high_watermark()
            {
                shorter.push((*id, start));
            } else if partition.is_tail_old(now) {
                self.settling.aged.push(*id);
            }
        }
        for (id, start) in shorter {
            self.move_log_start(block, id, start);
        }
    }
}

/// Where the log starts once retention has removed whole segments; none when all stay. What has not settled counts as the
/// segments that its bytes would fill, of which the last one goes only by time.
fn retained_from(partition: &Partition, now: Timestamp) -> Option<Offset> {
    let config = &partition.config;
    let holdings = partition.view.holdings.read();
    let tail_begin = holdings.tail.first().map_or(partition.next_offset, |batch| batch.base);
    let mut left = partition.view.size_bytes();
    let mut start = None;
    let is_old =
        |newest: Timestamp| config.retention_ms().is_some_and(|keep| now.0.saturating_sub(newest.0) > keep);
    let is_too_many = |left: u64, len: u64| {
        config.retention_bytes().is_some_and(|keep| left.saturating_sub(len) >= keep && len > 0)
    };
    let mut segments = holdings.segments.iter().peekable();
    while let Some(segment) = segments.next() {
        let len = segment.state.len;
        if !is_old(segment.state.newest()) && !is_too_many(left, len) {
            return start;
        }
        left -= len;
        start = Some(segments.peek().map_or(tail_begin, |next| next.state.base));
    }
    // Batches without timestamps are as old as their arrival.
    let is_past = |newest: i64| is_old(if newest >= 0 { Timestamp(newest) } else { partition.tail_since });
    let (mut len, mut newest) = (0, -1);
    for batch in holdings.tail.range(0) {
        let more = batch.bytes.len() as u64;
        if len > 0 && len + more > config.segment_bytes() {
            if !is_past(newest) && !is_too_many(left, len) {
                return start;
            }
            left = left.saturating_sub(len);
            start = Some(batch.base);
            (len, newest) = (0, -1);
        }
        (len, newest) = (len + more, newest.max(batch.max_timestamp));
    }
    if len > 0 && is_past(newest) { Some(partition.next_offset) } else { start }
}
