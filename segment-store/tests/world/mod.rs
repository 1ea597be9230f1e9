//! A journal on a lying disk beside a model of what it must hold.
#![allow(dead_code)]

use std::sync::Arc;

use segment_store::{
    Disk, Journal, JournalConfig, Lsn, LyingDisk, RecordKind, RecoveryReport, Source, StoreError,
};

pub const SEGMENT: u64 = 64 * 1024;

pub fn config() -> JournalConfig {
    JournalConfig { segment_bytes: SEGMENT, headroom_bytes: 0, background: false, ..JournalConfig::default() }
}

/// The payload of record `number`: its number, and bytes that follow from it.
pub fn payload(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes().repeat(len.div_ceil(8)));
    bytes.truncate(8 + len);
    bytes
}

/// One thing that the owner of a journal does.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Push(usize),
    Flush,
    Sync,
    /// A checkpoint at the end, then everything it covers is given up.
    Checkpoint,
    Prepare,
    /// Closing in order and opening again.
    Reopen,
    /// The process dies: what was flushed stays, what was not is gone.
    Kill,
}

/// What opening found.
pub struct Opened {
    pub journal: Journal,
    pub report: RecoveryReport,
    /// (number, position, payload) from the journal.
    pub records: Vec<(u64, Lsn, Vec<u8>)>,
    /// The number that the checkpoint says it covers.
    pub checkpoint: Option<u64>,
}

pub fn open(disk: &LyingDisk) -> Result<Opened, StoreError> {
    open_with(disk, config())
}

pub fn open_with(disk: &LyingDisk, config: JournalConfig) -> Result<Opened, StoreError> {
    let mut records = Vec::new();
    let mut checkpoint = None;
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let (journal, report) = Journal::open(disk, config, &mut |replayed| {
        let number =
            replayed.payload.iter().take(8).rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
        match replayed.source {
            Source::Checkpoint => checkpoint = Some(number),
            Source::Journal => records.push((number, replayed.lsn, replayed.payload.to_vec())),
        }
        Ok(())
    })?;
    Ok(Opened { journal, report, records, checkpoint })
}

/// The model.
#[derive(Clone, Default)]
pub struct Model {
    /// Payload and position of every record that was pushed, by number.
    pub pushed: Vec<(Lsn, Vec<u8>)>,
    /// How many records there were at the end of each block that was written, or may have been.
    pub block_ends: Vec<usize>,
    /// How many were flushed without an error.
    pub flushed: usize,
    /// How many were synced without an error.
    pub synced: usize,
    /// How many the last finished checkpoint covers, and the one being written when it failed.
    pub checkpoint: usize,
    pub checkpoint_tried: usize,
}

pub struct World {
    pub disk: LyingDisk,
    pub journal: Option<Journal>,
    pub model: Model,
}

impl World {
    pub fn new(disk: LyingDisk) -> World {
        World { disk, journal: None, model: Model::default() }
    }

    /// Does one step; an error means that the journal failed, and only opening it again helps.
    pub fn step(&mut self, step: Step) -> Result<(), StoreError> {
        if self.journal.is_none() {
            self.reopen()?;
        }
        let Some(journal) = self.journal.as_mut() else { unreachable!() };
        let model = &mut self.model;
        match step {
            Step::Push(len) => {
                let bytes = payload(model.pushed.len() as u64, len);
                // It may have to flush for that.
                model.block_ends.push(model.pushed.len());
                let ensured = journal.ensure(bytes.len());
                if ensured.is_ok() || matches!(ensured, Err(StoreError::DiskFull)) {
                    let pending = journal.block().records() as usize;
                    model.flushed = model.pushed.len() - pending;
                }
                match ensured {
                    Err(StoreError::DiskFull) => return Ok(()),
                    other => other?,
                }
                let (head, tail) = bytes.split_at(bytes.len() / 2);
                let at = journal.block().push(RecordKind::QUEUE, &[head, tail]);
                model.pushed.push((at, bytes));
            }
            Step::Flush => {
                model.block_ends.push(model.pushed.len());
                journal.flush()?;
                model.flushed = model.pushed.len();
            }
            Step::Sync => {
                let flushed = model.flushed;
                let end = journal.end();
                assert!(journal.syncer().sync(end)? >= end);
                assert_eq!(journal.durable(), end);
                model.synced = flushed;
            }
            Step::Checkpoint => {
                model.block_ends.push(model.pushed.len());
                let at = journal.flush()?;
                model.flushed = model.pushed.len();
                model.checkpoint_tried = model.flushed;
                let mut writer = journal.write_checkpoint(at, at);
                let written = writer
                    .push(RecordKind::GATEWAY, &[&(model.flushed as u64).to_le_bytes()])
                    .and_then(|()| writer.finish());
                match written {
                    Ok(_) => {}
                    // The journal goes on; the next step sees whether the disk does.
                    Err(StoreError::DiskFull | StoreError::Io { .. }) => return Ok(()),
                    Err(error) => return Err(error),
                }
                model.checkpoint = model.flushed;
                model.synced = model.flushed;
                journal.recycle_before(at)?;
            }
            Step::Prepare => match journal.preparer().run() {
                Ok(()) | Err(StoreError::DiskFull | StoreError::Io { .. }) => {}
                Err(error) => return Err(error),
            },
            Step::Reopen => {
                if let Some(journal) = self.journal.take() {
                    model.block_ends.push(model.pushed.len());
                    journal.close()?;
                    model.flushed = model.pushed.len();
                    model.synced = model.flushed;
                }
                self.reopen()?;
            }
            Step::Kill => {
                self.journal = None;
                self.model.pushed.truncate(self.model.flushed);
                self.reopen()?;
                assert_eq!(
                    self.model.pushed.len(),
                    self.model.flushed,
                    "a killed process loses nothing flushed"
                );
            }
        }
        Ok(())
    }

    /// Opens the journal and checks what it found against the model, which goes on from there. After a power loss the
    /// disk is another one.
    pub fn reopen(&mut self) -> Result<(), StoreError> {
        self.journal = None;
        let opened = open(&self.disk)?;
        let model = &mut self.model;
        assert_eq!(opened.report.damage, [], "a crash is not damage");
        let covered = opened.checkpoint.unwrap_or(0) as usize;
        assert!(
            covered == model.checkpoint || covered == model.checkpoint_tried,
            "checkpoint of {covered}, expected {} or {}",
            model.checkpoint,
            model.checkpoint_tried
        );
        let first = opened.records.first().map_or(covered, |record| record.0 as usize);
        assert!(first <= covered, "nothing is missing between checkpoint {covered} and journal {first}");
        for (index, (number, lsn, bytes)) in opened.records.iter().enumerate() {
            assert_eq!(*number as usize, first + index, "in order, without holes");
            let (expected_lsn, expected) = &model.pushed[first + index];
            assert_eq!((lsn, bytes), (expected_lsn, expected), "record {number}");
        }
        let count = (first + opened.records.len()).max(covered);
        assert!(count >= model.synced, "{count} of {} synced records are left", model.synced);
        assert!(
            count == 0 || count <= covered || model.block_ends.contains(&count),
            "{count} ends within a block: {:?}",
            model.block_ends
        );
        let reader = opened.journal.reader();
        for (_, lsn, bytes) in &opened.records {
            assert_eq!(reader.read(*lsn, bytes.len() as u32).unwrap(), bytes[..]);
        }
        model.pushed.truncate(count);
        model.flushed = count;
        model.synced = count;
        model.checkpoint = covered;
        model.checkpoint_tried = covered;
        model.block_ends = vec![count];
        self.journal = Some(opened.journal);
        Ok(())
    }
}
