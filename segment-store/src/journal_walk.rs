use std::collections::BTreeMap;
use std::sync::Arc;

use crate::block_header::{BlockHeader, flag};
use crate::block_scanner::{BlockScanner, Expected};
use crate::checkpoint_file::CheckpointHeader;
use crate::config::Layout;
use crate::report::{Damage, TornTail};
use crate::segment::Segment;
use crate::segment_header::segment_path;
use crate::{Lsn, StoreError};

/// Bytes that are searched for blocks at the beginning of a segment which, as its header says, has none.
const BEGINNING: u64 = 256 * 1024;

/// Follows the chain of blocks through all segments, and decides at every break what it means.
///
/// At a break, some later valid block may say that everything before a position beyond the break had been synced
/// (`durable_before`), or the checkpoint may cover it. Then what is missing is damage: it is reported, and the walk
/// goes on at the next valid block. Otherwise the break is the end: writes that were never synced, lost or torn.
pub(crate) struct JournalWalk<'a> {
    segments: &'a BTreeMap<u64, Arc<Segment>>,
    layout: Layout,
    identity: u64,
    /// What the checkpoint covers: what is needed of it was durable when the checkpoint was made.
    checkpoint: Lsn,
    /// When the checkpoint was made: behind it, blocks of earlier epochs are leftovers.
    checkpoint_epoch: u32,
    scanner: Option<(u64, BlockScanner)>,
    /// The epoch of the last block: a block of an earlier one behind it is a leftover.
    epoch: u32,
    pub(crate) outcome: Outcome,
}

/// Takes every valid block: its header, and the block up to its last record.
pub(crate) type Visit<'v> = dyn FnMut(&BlockHeader, &[u8]) -> Result<(), StoreError> + 'v;

/// What the walk found.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) end: Lsn,
    pub(crate) highest_epoch: u32,
    /// Known to have been durable.
    pub(crate) durable: Lsn,
    pub(crate) blocks: u64,
    pub(crate) torn_tail: Option<TornTail>,
    pub(crate) damage: Vec<Damage>,
}

/// What was found behind a break.
#[derive(Default)]
struct Behind {
    first: Option<Lsn>,
    blocks: u64,
    was_durable: bool,
}

impl<'a> JournalWalk<'a> {
    pub(crate) fn new(
        segments: &'a BTreeMap<u64, Arc<Segment>>,
        layout: Layout,
        identity: u64,
        checkpoint: Option<CheckpointHeader>,
    ) -> JournalWalk<'a> {
        let (checkpoint, checkpoint_epoch) =
            checkpoint.map_or((Lsn(0), 0), |checkpoint| (checkpoint.lsn, checkpoint.epoch));
        let outcome = Outcome { durable: checkpoint, ..Outcome::default() };
        JournalWalk {
            segments,
            layout,
            identity,
            checkpoint,
            checkpoint_epoch,
            scanner: None,
            epoch: 0,
            outcome,
        }
    }

    /// Walks from the beginning of segment `first` to the end, handing every valid block to `visit`.
    pub(crate) fn run(&mut self, first: u64, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut at = self.begin_of(first);
        let mut sealed = false;
        loop {
            if let Some(header) = self.probe(at) {
                self.accept(&header, visit)?;
                sealed = header.has(flag::SEAL);
                at = self.after(&header);
                continue;
            }
            let behind = self.look_behind(at);
            match behind.first {
                Some(next) if behind.was_durable => {
                    self.note_damage(at, next);
                    at = next;
                }
                _ if self.checkpoint > at => {
                    self.note_damage(at, self.checkpoint);
                    at = self.begin_of(self.beyond_everything());
                    break;
                }
                // A seal is written only once the next file is there for good.
                _ if sealed && !self.segments.contains_key(&self.layout.segment_of(at.0)) => {
                    let end = self.layout.base(self.layout.segment_of(at.0) + 1);
                    self.note_damage(at, Lsn(end));
                    break;
                }
                _ => {
                    self.note_torn_tail(at, behind.blocks);
                    break;
                }
            }
        }
        self.outcome.end = at;
        Ok(())
    }

    fn begin_of(&self, number: u64) -> Lsn {
        Lsn(self.layout.base(number) + Layout::FIRST_BLOCK)
    }

    /// A segment number that neither a file nor the checkpoint reaches.
    fn beyond_everything(&self) -> u64 {
        let last_file = self.segments.last_key_value().map_or(0, |(number, _)| *number);
        last_file.max(self.layout.segment_of(self.checkpoint.0)) + 1
    }

    fn accept(&mut self, header: &BlockHeader, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.epoch = header.epoch;
        self.outcome.highest_epoch = self.outcome.highest_epoch.max(header.epoch);
        self.outcome.durable = self.outcome.durable.max(header.durable_before);
        self.outcome.blocks += 1;
        let number = self.layout.segment_of(header.lsn.0);
        if let Some(segment) = self.segments.get(&number) {
            segment.index.add(self.layout.offset_of(header.lsn.0));
        }
        match self.scanner(number) {
            Some(scanner) => visit(header, scanner.block(header)),
            None => Ok(()),
        }
    }

    fn after(&self, header: &BlockHeader) -> Lsn {
        if header.has(flag::SEAL) {
            self.begin_of(self.layout.segment_of(header.lsn.0) + 1)
        } else {
            header.end()
        }
    }

    fn probe(&mut self, at: Lsn) -> Option<BlockHeader> {
        let offset = self.layout.offset_of(at.0);
        let epoch = self.least_epoch(at);
        self.scanner(self.layout.segment_of(at.0))?.probe(offset, epoch)
    }

    /// Of which epoch a block at `at` is, or a later one. What goes on behind a checkpoint is told from leftovers by the
    /// checkpoint's epoch: where no block before it is there, none of them tells.
    fn least_epoch(&self, at: Lsn) -> u32 {
        if at >= self.checkpoint { self.epoch.max(self.checkpoint_epoch) } else { self.epoch }
    }

    /// Looks through everything behind a break, until something proves that the break had been synced.
    fn look_behind(&mut self, at: Lsn) -> Behind {
        let mut behind = Behind { was_durable: self.checkpoint > at, ..Behind::default() };
        let broken = self.layout.segment_of(at.0);
        let numbers: Vec<u64> = self.segments.range(broken..).map(|(number, _)| *number).collect();
        let min_epoch = self.least_epoch(at);
        for number in numbers {
            let mut offset =
                if number == broken { self.layout.offset_of(at.0) + 1 } else { Layout::FIRST_BLOCK };
            let mut upto = self.worth_searching(number, broken);
            while let Some(header) =
                self.scanner(number).and_then(|scanner| scanner.find(offset, upto, min_epoch))
            {
                behind.first.get_or_insert(header.lsn);
                behind.blocks += 1;
                behind.was_durable |= header.durable_before > at;
                self.outcome.highest_epoch = self.outcome.highest_epoch.max(header.epoch);
                if behind.was_durable {
                    return behind;
                }
                offset = self.layout.offset_of(header.lsn.0) + header.extent();
                upto = self.layout.segment_bytes;
            }
        }
        behind
    }

    /// Up to which offset blocks may be found in a segment. Most files behind the end were never begun: their header says
    /// so, and their beginning confirms it; reading all of them would make every start slow.
    fn worth_searching(&mut self, number: u64, broken: u64) -> u64 {
        let begun = number == broken || self.segments.get(&number).is_some_and(|s| s.header.begun);
        if begun { self.layout.segment_bytes } else { Layout::FIRST_BLOCK + BEGINNING }
    }

    fn note_damage(&mut self, from: Lsn, to: Lsn) {
        let number = self.layout.segment_of(from.0);
        let missing = !self.segments.contains_key(&number);
        let what =
            if missing { "the segment file is missing" } else { "no valid block, although it was synced" };
        let position = if missing { 0 } else { self.layout.offset_of(from.0) };
        if let Some(segment) = self.segments.get(&number)
            && number == self.layout.segment_of(to.0)
        {
            segment.index.add_gap(position, self.layout.offset_of(to.0));
        }
        self.outcome.damage.push(Damage {
            file: segment_path(number),
            position,
            length: to.0 - self.layout.base(number) - position,
            what: what.into(),
        });
    }

    fn note_torn_tail(&mut self, at: Lsn, blocks_behind: u64) {
        let (number, offset) = (self.layout.segment_of(at.0), self.layout.offset_of(at.0));
        let epoch = self.least_epoch(at);
        let claims = self.scanner(number).and_then(|scanner| scanner.header_at(offset));
        // A block of an earlier incarnation was cut off then already.
        let broken = claims.is_some_and(|header| header.epoch >= epoch);
        if broken || blocks_behind > 0 {
            let file = segment_path(number);
            self.outcome.torn_tail = Some(TornTail { file, position: offset, blocks_behind });
        }
    }

    fn scanner(&mut self, number: u64) -> Option<&mut BlockScanner> {
        if self.scanner.as_ref().is_none_or(|(open, _)| *open != number) {
            let segment = self.segments.get(&number)?;
            let expect =
                Expected { identity: self.identity, base: segment.base(), limit: self.layout.segment_bytes };
            self.scanner = Some((number, BlockScanner::new(Arc::clone(&segment.file), expect)));
        }
        self.scanner.as_mut().map(|(_, scanner)| scanner)
    }
}
