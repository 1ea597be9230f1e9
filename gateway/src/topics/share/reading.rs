use std::collections::VecDeque;

use bytes::Bytes;
use log_engine::batch::BatchHeader;
use log_engine::{AcquiredRecords, Isolation, LogError, Offset, PartitionView};

/// Stored bytes read at a time.
const CHUNK: usize = 256 << 10;

/// What reading acquired records came to.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Whole stored batches, in order.
    pub batches: Vec<Bytes>,
    /// Bytes of them.
    pub bytes: usize,
    /// Records that are in the batches.
    pub found: Vec<AcquiredRecords>,
    /// Offsets at which there is nothing to deliver: markers, aborted records, what compaction or damage took.
    pub gaps: Vec<(Offset, Offset)>,
    /// Records that did not fit.
    pub left: Vec<(Offset, Offset)>,
    /// The offset behind the last batch.
    pub end: Offset,
}

/// Reads acquired records, up to about `most` bytes; with `first`, the first batch however large it is.
pub(super) fn read(
    view: &PartitionView,
    acquired: &[AcquiredRecords],
    isolation: Isolation,
    most: usize,
    first: bool,
) -> Result<Reading, LogError> {
    let mut reading = Reading { end: Offset(-1), ..Reading::default() };
    let mut runs: VecDeque<AcquiredRecords> = acquired.iter().copied().collect();
    while let Some(run) = runs.pop_front() {
        let full = reading.bytes >= most && !(first && reading.batches.is_empty());
        if run.first >= reading.end && full {
            reading.left.push((run.first, run.last));
            continue;
        }
        match reading.take(view, run, isolation, most) {
            Ok(at) if at > run.last => {}
            Ok(at) => runs.push_front(AcquiredRecords { first: at, ..run }),
            Err(error) if reading.batches.is_empty() && reading.gaps.is_empty() => return Err(error),
            // What was read goes out; the next one meets the trouble at its start.
            Err(_) => reading.left.push((run.first, run.last)),
        }
    }
    Ok(reading)
}

impl Reading {
    /// Reads on at the start of a run; answers how far it came, which is further on.
    fn take(
        &mut self,
        view: &PartitionView,
        run: AcquiredRecords,
        isolation: Isolation,
        most: usize,
    ) -> Result<Offset, LogError> {
        if run.first < self.end {
            // The batch that is there already reaches into it.
            let last = run.last.min(self.end.plus(-1));
            self.found.push(AcquiredRecords { last, ..run });
            return Ok(last.next());
        }
        let wanted = most.saturating_sub(self.bytes).clamp(1, CHUNK);
        let mut read = match view.read_isolated(run.first, wanted, isolation) {
            Ok(read) => read,
            Err(LogError::Damaged { next, .. }) => {
                self.gap(run.first, run.last.min(next.plus(-1)));
                return Ok(next.max(run.first.next()));
            }
            Err(error) => return Err(error),
        };
        let behind = read.next_offset.max(run.first.next());
        read.drop_aborted();
        let mut at = run.first;
        for batch in read.batches {
            let header = BatchHeader::parse(&batch)?;
            if header.base_offset > run.last {
                break;
            }
            if header.is_control() || header.count == 0 {
                continue;
            }
            self.gap(at, header.base_offset.plus(-1));
            let last = run.last.min(header.last_offset());
            self.found.push(AcquiredRecords { first: at.max(header.base_offset), last, ..run });
            self.bytes += batch.len();
            self.batches.push(batch);
            self.end = header.next_offset();
            at = self.end;
            if self.bytes >= most {
                return Ok(at);
            }
        }
        self.gap(at, run.last.min(behind.plus(-1)));
        Ok(at.max(behind))
    }

    fn gap(&mut self, first: Offset, last: Offset) {
        if first <= last {
            self.gaps.push((first, last));
        }
    }
}
