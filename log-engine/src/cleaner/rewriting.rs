use std::collections::VecDeque;
use std::io;
use std::path::Path;

use message::Timestamp;
use segment_store::Disk;

use super::CleanPoint;
use crate::Offset;
use crate::batch::{BatchHeader, filler};
use crate::segment::{Piece, Segment, SegmentState, SegmentWriter, WriteBuffer, WriterConfig, Written};
use crate::transaction::AbortedTransaction;

/// Batches written one after the other into new segments, with empty ones in the place of those that went.
pub(super) struct Rewriting<'d> {
    disk: &'d dyn Disk,
    dir: &'d Path,
    config: WriterConfig,
    generation: u32,
    writer: Option<SegmentWriter>,
    buffer: WriteBuffer,
    /// A run of offsets whose batches went, not written yet.
    gap: Option<(Offset, Offset)>,
    leader_epoch: i32,
    /// Of the segments that are read: the oldest beginning and the latest end so far.
    created: Timestamp,
    written: Timestamp,
    done: Vec<Written>,
    /// The earliest horizon of what was kept for a while.
    horizon: Timestamp,
    /// The aborted transactions that still have records, by where they ended.
    aborted: VecDeque<AbortedTransaction>,
}

impl<'d> Rewriting<'d> {
    pub(super) fn new(
        disk: &'d dyn Disk,
        dir: &'d Path,
        config: WriterConfig,
        generation: u32,
        aborted: VecDeque<AbortedTransaction>,
    ) -> Rewriting<'d> {
        Rewriting {
            disk,
            dir,
            config,
            generation,
            writer: None,
            buffer: WriteBuffer::default(),
            gap: None,
            leader_epoch: 0,
            created: Timestamp(i64::MAX),
            written: Timestamp(i64::MIN),
            done: Vec::new(),
            horizon: CleanPoint::START.horizon,
            aborted,
        }
    }

    /// What comes next was read from this segment.
    pub(super) fn enter(&mut self, segment: &Segment) {
        self.created = self.created.min(segment.state.created);
        self.written = self.written.max(segment.state.written);
    }

    /// A batch that stays, in this form.
    pub(super) fn keep(&mut self, header: &BatchHeader, bytes: &[u8]) -> io::Result<()> {
        self.close_gap()?;
        self.leader_epoch = header.leader_epoch;
        // What has passed has no tombstone behind it any more.
        if let Some(horizon) = header.delete_horizon().filter(|horizon| *horizon > self.config.now) {
            self.horizon = self.horizon.min(horizon);
        }
        let (base, last, max_timestamp) = (header.base_offset, header.last_offset(), header.max_timestamp);
        self.put(&Piece { base, last, max_timestamp, bytes })
    }

    /// A batch that goes.
    pub(super) fn drop(&mut self, header: &BatchHeader) -> io::Result<()> {
        let (base, last) = (header.base_offset, header.last_offset());
        match &mut self.gap {
            Some((first, end)) if end.next() == base && last.0 - first.0 < i64::from(i32::MAX) => *end = last,
            _ => {
                self.close_gap()?;
                self.gap = Some((base, last));
            }
        }
        Ok(())
    }

    fn close_gap(&mut self) -> io::Result<()> {
        let Some((base, last)) = self.gap.take() else { return Ok(()) };
        let (_, bytes) = filler(base, last, self.leader_epoch);
        self.put(&Piece { base, last, max_timestamp: -1, bytes: &bytes })
    }

    fn put(&mut self, piece: &Piece<'_>) -> io::Result<()> {
        if self.writer.as_ref().is_some_and(|writer| writer.is_full_for(piece)) {
            self.close_segment()?;
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            empty => {
                let begun = SegmentState {
                    created: self.created,
                    generation: self.generation,
                    ..SegmentState::begin(piece.base, self.config.now)
                };
                let buffer = std::mem::take(&mut self.buffer);
                let writer =
                    SegmentWriter::open(self.disk, self.dir, begun, self.config, false, None, buffer)?;
                empty.insert(writer)
            }
        };
        writer.push(piece)?;
        while let Some(transaction) = self.aborted.front().filter(|ended| ended.last <= piece.last) {
            writer.push_aborted(*transaction);
            self.aborted.pop_front();
        }
        Ok(())
    }

    fn close_segment(&mut self) -> io::Result<()> {
        if let Some(writer) = self.writer.take() {
            let (mut written, buffer) = writer.finish(self.disk, self.dir, true)?;
            // Its age is that of its records, not of this copy.
            written.state.written = self.written;
            written.sync()?;
            self.buffer = buffer;
            self.done.push(written);
        }
        Ok(())
    }

    /// Makes everything durable, names included, and answers what the segments are and the earliest horizon.
    pub(super) fn finish(mut self) -> io::Result<(Vec<SegmentState>, Timestamp)> {
        self.close_gap()?;
        self.close_segment()?;
        self.disk.sync_dir(self.dir)?;
        Ok((self.done.iter().map(|written| written.state).collect(), self.horizon))
    }
}
