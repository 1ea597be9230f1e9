use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::dice::Dice;

/// What a disk writes as a whole.
pub(super) const SECTOR: usize = 512;
/// How many earlier contents of an unsynced sector are remembered.
const VERSIONS: usize = 3;

/// One file: what reads see, and what the platter holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// The sectors written since the last sync, each with contents that it had in between.
    unsynced: BTreeMap<usize, Vec<[u8; SECTOR]>>,
    /// Sectors that answer reads with an error.
    broken: BTreeSet<usize>,
    pub(super) allocated: u64,
    pub(super) linked: bool,
    pub(super) handles: usize,
    /// Neither named nor open: its room is free again, but its name may still come back after a power loss.
    pub(super) freed: bool,
}

impl Inode {
    /// Bytes of disk that it takes.
    pub(super) fn takes(&self) -> u64 {
        if self.freed { 0 } else { self.allocated.max(self.seen.len() as u64) }
    }

    /// An empty file with a name.
    pub(super) fn named() -> Inode {
        Inode { linked: true, ..Inode::default() }
    }

    pub(super) fn read(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let from = usize::try_from(position).unwrap_or(usize::MAX);
        let Some(rest) = self.seen.get(from..) else { return Ok(0) };
        let len = rest.len().min(buf.len());
        if len > 0 && self.broken.range(from / SECTOR..=(from + len - 1) / SECTOR).next().is_some() {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
        }
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    pub(super) fn write(&mut self, bytes: &[u8], position: u64) {
        if bytes.is_empty() {
            return;
        }
        let from = position as usize;
        let to = from + bytes.len();
        if self.seen.len() < to {
            set_len(&mut self.seen, to);
        }
        for sector in from / SECTOR..=(to - 1) / SECTOR {
            self.broken.remove(&sector);
            match self.unsynced.entry(sector) {
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(Vec::new());
                }
                std::collections::btree_map::Entry::Occupied(mut entry) => {
                    if entry.get().len() < VERSIONS {
                        let mut version = [0; SECTOR];
                        let start = sector * SECTOR;
                        let end = (start + SECTOR).min(self.seen.len());
                        version[..end - start].copy_from_slice(&self.seen[start..end]);
                        entry.get_mut().push(version);
                    }
                }
            }
        }
        self.seen[from..to].copy_from_slice(bytes);
    }

    pub(super) fn set_len(&mut self, len: u64) {
        set_len(&mut self.seen, len as usize);
        self.unsynced.retain(|sector, _| sector * SECTOR < len as usize);
    }

    pub(super) fn sync(&mut self) {
        self.sync_range(0, self.seen.len());
    }

    /// Makes the sectors of a stretch durable, and the file's length; the others stay at chance's mercy.
    pub(super) fn sync_range(&mut self, position: u64, len: usize) {
        set_len(&mut self.durable, self.seen.len());
        let (from, to) = (position as usize, position as usize + len);
        let later = self.unsynced.split_off(&to.div_ceil(SECTOR));
        for sector in self.unsynced.split_off(&(from / SECTOR)).into_keys() {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.seen.len());
            self.durable[start..end].copy_from_slice(&self.seen[start..end]);
        }
        self.unsynced.extend(later);
    }

    /// What Linux does: the pages count as clean from now on, and are not on the disk.
    pub(super) fn fail_sync(&mut self) {
        self.unsynced.clear();
    }

    /// Changes bytes behind everybody's back, in memory and on the platter.
    pub(super) fn tamper(&mut self, position: u64, change: &mut dyn FnMut(&mut [u8]), len: usize) {
        for bytes in [&mut self.seen, &mut self.durable] {
            let from = (position as usize).min(bytes.len());
            let to = (from + len).min(bytes.len());
            change(&mut bytes[from..to]);
        }
    }

    pub(super) fn cut(&mut self, len: u64) {
        self.set_len(len);
        self.durable.truncate(len as usize);
    }

    pub(super) fn break_sector(&mut self, position: u64) {
        self.broken.insert(position as usize / SECTOR);
    }

    /// What a power loss leaves. Each unsynced sector has `chances` in 256 to have reached the platter, in any of
    /// the contents it had; now and then one is torn in the middle.
    pub(super) fn after_power_loss(&self, chances: u64, dice: &mut Dice) -> Inode {
        let mut left = self.durable.clone();
        if dice.happens(chances) {
            set_len(&mut left, self.seen.len());
        }
        for (sector, versions) in &self.unsynced {
            if !dice.happens(chances) {
                continue;
            }
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(left.len());
            if start >= end {
                continue;
            }
            let newest = &self.seen[start..end.min(self.seen.len())];
            let pick = dice.below(versions.len() as u64 + 3) as usize;
            let content = versions.get(pick).map_or(newest, |version| &version[..newest.len()]);
            let torn = chances < 256 && dice.happens(8);
            let len = if torn { dice.below(content.len() as u64) as usize } else { content.len() };
            left[start..start + len].copy_from_slice(&content[..len]);
        }
        Inode {
            durable: left.clone(),
            allocated: self.allocated,
            broken: self.broken.clone(),
            seen: left,
            linked: true,
            ..Inode::default()
        }
    }
}

/// Cuts or zero-extends, in one piece: `Vec::resize` goes byte by byte without optimization.
fn set_len(bytes: &mut Vec<u8>, len: usize) {
    bytes.truncate(len);
    bytes.extend_from_slice(&vec![0; len - bytes.len()]);
}
