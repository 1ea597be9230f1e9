use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::block::Records;
use crate::block_header::flag;
use crate::block_scanner::{BlockScanner, Expected};
use crate::page_buffer::PAGE;
use crate::survey::read_full;
use crate::{Damage, Disk, DiskFile, Lsn, OpenMode, RecoveryReport, Replayed, Source, StoreError};

/// The directory of the checkpoint files.
pub(crate) const CHECKPOINT_DIR: &str = "checkpoint";
/// Where the first block of a checkpoint begins.
pub(crate) const FIRST_BLOCK: u64 = PAGE as u64;

const MAGIC: [u8; 8] = *b"SLUICEC1";
const LEN: usize = 48;

/// What the first page of a checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointHeader {
    pub(crate) identity: u64,
    /// The journal below this is covered.
    pub(crate) lsn: Lsn,
    /// Nothing of the journal below this is needed beside the checkpoint, nor was it necessarily synced.
    pub(crate) needed: Lsn,
    pub(crate) epoch: u32,
}

impl CheckpointHeader {
    /// The whole first page.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        page[0..8].copy_from_slice(&MAGIC);
        page[16..24].copy_from_slice(&self.identity.to_le_bytes());
        page[24..32].copy_from_slice(&self.lsn.0.to_le_bytes());
        page[32..36].copy_from_slice(&self.epoch.to_le_bytes());
        page[40..48].copy_from_slice(&self.needed.0.to_le_bytes());
        let crc = crc_fast::crc32_iscsi(&page[12..LEN]);
        page[8..12].copy_from_slice(&crc.to_le_bytes());
        page
    }

    fn decode(page: &[u8]) -> Option<CheckpointHeader> {
        let header = page.get(..LEN)?;
        if !header.starts_with(&MAGIC)
            || header.get(8..12)? != crc_fast::crc32_iscsi(&header[12..]).to_le_bytes()
        {
            return None;
        }
        let field = |at: usize| Some(u64::from_le_bytes(header.get(at..at + 8)?.try_into().ok()?));
        Some(CheckpointHeader {
            identity: field(16)?,
            lsn: Lsn(field(24)?),
            epoch: field(32)? as u32,
            needed: Lsn(field(40)?),
        })
    }
}

/// Where the checkpoint that covers `lsn` lies, relative to the data directory.
pub(crate) fn checkpoint_path(lsn: Lsn) -> PathBuf {
    PathBuf::from(format!("{CHECKPOINT_DIR}/{:020}.ckpt", lsn.0))
}

/// A checkpoint whose header can be read.
pub(crate) struct CheckpointFile {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    header: CheckpointHeader,
    size: u64,
}

/// The positions of all checkpoint files, newest first, going by their names.
pub(crate) fn positions(disk: &dyn Disk) -> Result<Vec<Lsn>, StoreError> {
    let dir = Path::new(CHECKPOINT_DIR);
    let entries = disk.list(dir).map_err(|error| StoreError::io("listing", dir, error))?;
    let position = |name: &str| name.strip_suffix(".ckpt")?.parse().ok().map(Lsn);
    let mut found: Vec<Lsn> = entries.iter().filter_map(|entry| position(&entry.name)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// The checkpoints with a readable header, newest first. Unfinished ones are deleted.
pub(crate) fn find(disk: &dyn Disk, report: &mut RecoveryReport) -> Result<Vec<CheckpointFile>, StoreError> {
    let dir = Path::new(CHECKPOINT_DIR);
    let entries = disk.list(dir).map_err(|error| StoreError::io("listing", dir, error))?;
    for entry in entries.iter().filter(|entry| entry.name.ends_with(".tmp")) {
        let path = dir.join(&entry.name);
        disk.remove(&path).map_err(|error| StoreError::io("removing", &path, error))?;
    }
    let mut found = Vec::new();
    for lsn in positions(disk)? {
        let path = checkpoint_path(lsn);
        let file: Arc<dyn DiskFile> = match disk.open(&path, OpenMode::Read) {
            Ok(file) => Arc::from(file),
            Err(error) => return Err(StoreError::io("opening", &path, error)),
        };
        let mut page = vec![0; PAGE];
        let header = read_full(&*file, &mut page, 0).ok().and_then(|_| CheckpointHeader::decode(&page));
        let size = file.size().unwrap_or_default();
        match header.filter(|header| header.lsn == lsn) {
            Some(header) => found.push(CheckpointFile { path, file, header, size }),
            // An older checkpoint may still help.
            None => report.damage.push(Damage {
                file: path,
                position: 0,
                length: size,
                what: "the checkpoint's header can not be read".into(),
            }),
        }
    }
    Ok(found)
}

/// Replays the newest whole checkpoint from which the journal goes on.
///
/// A damaged newest one gives way to an older one only if the journal still holds everything since; `oldest` is its
/// beginning. Otherwise what can be read of the newest is replayed, and the rest reported.
pub(crate) fn load(
    checkpoints: &[CheckpointFile],
    oldest: Lsn,
    replay: &mut dyn FnMut(Replayed<'_>) -> Result<(), StoreError>,
    report: &mut RecoveryReport,
) -> Result<Option<CheckpointHeader>, StoreError> {
    let mut chosen = None;
    for checkpoint in checkpoints {
        if chosen.is_some() || checkpoint.header.lsn < oldest {
            break;
        }
        match checkpoint.first_damage() {
            None => chosen = Some(checkpoint),
            Some(damage) => report.damage.push(damage),
        }
    }
    let Some(checkpoint) = chosen.or(checkpoints.first()) else { return Ok(None) };
    report.checkpoint = Some(checkpoint.header.lsn);
    report.checkpoint_records = checkpoint.replay(replay)?;
    Ok(Some(checkpoint.header))
}

impl CheckpointFile {
    pub(crate) fn identity(&self) -> u64 {
        self.header.identity
    }

    fn scanner(&self) -> BlockScanner {
        let expect = Expected { identity: self.header.identity, base: Lsn(0), limit: self.size };
        BlockScanner::new(Arc::clone(&self.file), expect)
    }

    /// The first place where the file is not what was written, if any.
    fn first_damage(&self) -> Option<Damage> {
        let mut scanner = self.scanner();
        let mut at = FIRST_BLOCK;
        while let Some(header) = scanner.probe(at, self.header.epoch) {
            if header.has(flag::COMPLETE) {
                return None;
            }
            at = header.end().0;
        }
        let next = scanner
            .find(at + 1, self.size, self.header.epoch)
            .map_or(self.size.max(at), |header| header.lsn.0);
        Some(Damage {
            file: self.path.clone(),
            position: at,
            length: next - at,
            what: "part of the checkpoint can not be read".into(),
        })
    }

    /// Hands over the records of all valid blocks.
    fn replay(
        &self,
        replay: &mut dyn FnMut(Replayed<'_>) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let mut scanner = self.scanner();
        let mut records = 0;
        let mut at = FIRST_BLOCK;
        while let Some(header) = scanner.find(at, self.size, self.header.epoch) {
            let block = Records::new(header.lsn, scanner.block(&header));
            for (kind, lsn, payload) in block.take(header.records as usize) {
                let checkpoint_lsn = self.header.lsn;
                replay(Replayed { source: Source::Checkpoint, lsn, checkpoint_lsn, kind, payload })?;
                records += 1;
            }
            at = header.end().0;
        }
        Ok(records)
    }
}
