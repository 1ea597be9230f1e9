use std::collections::VecDeque;
use std::collections::btree_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::block::Records;
use crate::block_scanner::SECTOR;
use crate::checkpoint_file::{self, CHECKPOINT_DIR, CheckpointFile};
use crate::config::Layout;
use crate::journal_walk::JournalWalk;
use crate::page_buffer::PAGE;
use crate::segment::Segment;
use crate::segment_header::{JOURNAL_DIR, SegmentHeader, segment_path};
use crate::segment_pool::{SegmentPool, create_segment};
use crate::shared::Beginning;
use crate::survey::{Survey, read_full};
use crate::{
    Damage, DirLock, Disk, JournalConfig, LockHeld, Lsn, RecoveryReport, Replayed, Source, StoreError,
};

/// Bytes read and written back at a time.
const REFRESH_PIECE: usize = 1 << 20;

/// Takes the data directory for this process.
pub(crate) fn claim(disk: &dyn Disk) -> Result<DirLock, StoreError> {
    disk.lock().map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref::<LockHeld>()) {
        Some(held) => StoreError::Locked(held.dir.clone()),
        None => StoreError::io("locking", Path::new("the data directory"), error),
    })
}

/// Reads checkpoint and journal, hands every record to `replay`, and answers where the journal goes on.
pub(crate) fn recover(
    disk: &dyn Disk,
    config: &JournalConfig,
    replay: &mut dyn FnMut(Replayed<'_>) -> Result<(), StoreError>,
) -> Result<(Beginning, RecoveryReport), StoreError> {
    make_directories(disk)?;
    let layout = Layout { segment_bytes: config.segment_bytes };
    let mut report = RecoveryReport::default();

    let checkpoints = checkpoint_file::find(disk, &mut report)?;
    let mut survey = Survey::take(disk, config, checkpoints.first().map(CheckpointFile::identity))?;
    if survey.identity.is_none() && !survey.segments.is_empty() {
        report.damage.extend(survey.set_aside(disk)?);
    }
    let identity = survey.identity.unwrap_or_else(new_identity);

    let oldest = survey.segments.keys().next().map(|&number| Lsn(layout.base(number)));
    let checkpoint = checkpoint_file::load(&checkpoints, oldest.unwrap_or_default(), replay, &mut report)?;
    let checkpoint_lsn = checkpoint.map(|used| used.lsn).unwrap_or_default();

    let needed = checkpoint.map(|used| used.needed).unwrap_or_default();
    let needless = survey.take_below(layout.segment_of(needed.0));
    let first = match survey.segments.keys().next() {
        Some(&number) => number,
        None if checkpoint.is_none() => 0,
        None => layout.segment_of(checkpoint_lsn.0) + 1,
    };
    // A checkpoint of an earlier version does not say what it needs.
    let expected = if needed > Lsn(0) { needed } else { checkpoint_lsn };
    note_missing_beginning(layout, expected, first, &mut report);

    let mut walk = JournalWalk::new(&survey.segments, layout, identity, checkpoint);
    let mut records = 0;
    walk.run(first, &mut |header, block| {
        let mut seen = 0;
        for (kind, lsn, payload) in Records::new(header.lsn, block).take(header.records as usize) {
            replay(Replayed { source: Source::Journal, lsn, checkpoint_lsn, kind, payload })?;
            seen += 1;
        }
        assert_eq!(seen, header.records, "a block whose checksum holds was written by us");
        records += u64::from(seen);
        Ok(())
    })?;
    let outcome = walk.outcome;
    report.blocks = outcome.blocks;
    report.records = records;
    report.torn_tail = outcome.torn_tail;
    report.damage.extend(outcome.damage);
    report.epoch = outcome.highest_epoch.max(checkpoint.map_or(0, |used| used.epoch)) + 1;
    report.end = outcome.end;

    let end_number = layout.segment_of(outcome.end.0);
    let spares = survey.segments.split_off(&(end_number + 1));
    mend_headers(&survey, end_number, &mut report)?;
    if let Entry::Vacant(vacant) = survey.segments.entry(end_number) {
        vacant.insert(Arc::new(create_segment(disk, config, identity, end_number)?));
    }
    for segment in survey.segments.range(layout.segment_of(outcome.durable.0)..).map(|(_, segment)| segment) {
        refresh(segment, outcome.durable, outcome.end)?;
    }
    if let Some(segment) = survey.segments.get(&end_number) {
        segment.written_to(layout.offset_of(outcome.end.0));
    }
    report.start = survey.segments.values().next().map_or(outcome.end, |segment| segment.base());
    let ready = adopt_spares(disk, config, identity, spares.into_values(), end_number + 1)?;
    let next_number = end_number + 1 + ready.len() as u64;
    let retired = needless.into_values().collect();
    let beginning = Beginning {
        segments: survey.segments,
        pool: SegmentPool::new(ready, retired, next_number),
        written: outcome.end,
        durable: outcome.durable.min(outcome.end),
        checkpoint: checkpoint.map(|used| used.lsn),
        identity,
        epoch: report.epoch,
    };
    Ok((beginning, report))
}

/// Makes the directories, and what is in them durable: a rename whose sync failed in an earlier run must not be built on
/// before it is.
fn make_directories(disk: &dyn Disk) -> Result<(), StoreError> {
    let dirs = [Path::new(JOURNAL_DIR), Path::new(CHECKPOINT_DIR)];
    for dir in dirs {
        disk.create_dir_all(dir).map_err(|error| StoreError::io("making", dir, error))?;
    }
    for dir in dirs.into_iter().chain([Path::new("")]) {
        disk.sync_dir(dir).map_err(|error| StoreError::io("syncing the directory", dir, error))?;
    }
    Ok(())
}

/// A number that nobody who sends messages can know.
fn new_identity() -> u64 {
    RandomState::new().hash_one("journal identity")
}

/// Segments are only ever given up once a checkpoint makes them needless: from there to the oldest one they are missing.
fn note_missing_beginning(layout: Layout, expected: Lsn, first: u64, report: &mut RecoveryReport) {
    let begin = layout.base(first);
    if begin > expected.0 {
        report.damage.push(Damage {
            file: segment_path(layout.segment_of(expected.0)),
            position: layout.offset_of(expected.0),
            length: begin - expected.0,
            what: "the journal's oldest segment files are missing".into(),
        });
    }
}

/// Writes the damaged headers of segments that hold part of the journal again. Where one copy was whole, nothing was
/// lost.
fn mend_headers(survey: &Survey, last: u64, report: &mut RecoveryReport) -> Result<(), StoreError> {
    for &(number, lost) in survey.bad_headers.iter().filter(|(number, _)| *number <= last) {
        let Some(segment) = survey.segments.get(&number) else { continue };
        let path = segment_path(number);
        if lost {
            report.damage.push(Damage {
                file: path.clone(),
                position: 0,
                length: PAGE as u64,
                what: "the segment's header was damaged; it was written again".into(),
            });
        }
        write_header(segment, &segment.header).map_err(|error| StoreError::io("mending", &path, error))?;
    }
    Ok(())
}

fn write_header(segment: &Segment, header: &SegmentHeader) -> io::Result<()> {
    if segment.file.size()? < header.segment_bytes {
        segment.file.allocate(header.segment_bytes)?;
    }
    segment.file.write_all_at(&header.encode(), 0)?;
    segment.file.sync_data()
}

/// Writes back what was recovered above `durable`, unchanged. If a sync of an earlier run failed, the operating system
/// believes these pages to be on disk although they are not, and would not write them for a sync alone.
fn refresh(segment: &Segment, durable: Lsn, end: Lsn) -> Result<(), StoreError> {
    let from = durable.max(segment.base()).0 - segment.base().0;
    let to = end.min(segment.end()).0.saturating_sub(segment.base().0);
    let again = || {
        if segment.file.size()? < segment.header.segment_bytes {
            segment.file.allocate(segment.header.segment_bytes)?;
        }
        let mut piece = vec![0; REFRESH_PIECE.min(to.saturating_sub(from) as usize)];
        let mut at = from;
        while at < to {
            let mut len = piece.len().min((to - at) as usize);
            let read = read_full(&*segment.file, &mut piece[..len], at).or_else(|_| {
                // Somewhere here is a bad sector, which holds no block: go around it.
                len = len.min(SECTOR - (at % SECTOR as u64) as usize);
                read_full(&*segment.file, &mut piece[..len], at).or(io::Result::Ok(0))
            })?;
            segment.file.write_all_at(&piece[..read], at)?;
            at += len as u64;
        }
        Ok(())
    };
    let path = segment_path(segment.number());
    again().map_err(|error| StoreError::io("writing back", &path, error))
}

/// Takes the files behind the end, which hold nothing, as the segments to come, and deletes what is too many.
fn adopt_spares(
    disk: &dyn Disk,
    config: &JournalConfig,
    identity: u64,
    spares: impl Iterator<Item = Arc<Segment>>,
    mut number: u64,
) -> Result<VecDeque<Arc<Segment>>, StoreError> {
    let mut ready = VecDeque::new();
    let mut renamed = false;
    for spare in spares {
        let (from, to) = (segment_path(spare.number()), segment_path(number));
        let adopt = || {
            if ready.len() >= config.spare_segments {
                return Ok(None);
            }
            if from != to {
                disk.rename(&from, &to)?;
            }
            let header = SegmentHeader { identity, number, begun: false, ..spare.header };
            let segment = Segment::new(header, Arc::clone(&spare.file));
            write_header(&segment, &header)?;
            Ok(Some(segment))
        };
        match adopt() {
            Ok(Some(segment)) => {
                ready.push_back(Arc::new(segment));
                number += 1;
            }
            Ok(None) => disk.remove(&from).map_err(|error| StoreError::io("removing", &from, error))?,
            Err(error) => {
                let _ = disk.remove(&to);
                let _ = disk.remove(&from);
                if !crate::error::is_full(&error) {
                    return Err(StoreError::io("preparing", &to, error));
                }
            }
        }
        renamed |= from != to || ready.len() >= config.spare_segments;
    }
    if renamed {
        let dir = Path::new(JOURNAL_DIR);
        disk.sync_dir(dir).map_err(|error| StoreError::io("syncing", dir, error))?;
    }
    Ok(ready)
}
