use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;

use crate::disk::{check_inside, check_not_root};
use crate::{DirEntry, DirLock, Disk, DiskFile, DiskSpace, LockHeld, OpenMode};

mod dice;
mod file;
mod inode;
mod names;
mod state;

use file::LyingFile;
use names::{Node, plain};
use state::{State, errno};

/// A disk in memory that behaves as badly as real ones may, for tests.
///
/// What is not synced, it may lose, keep or keep in part and out of order, sector by sector and name by name, when the
/// power goes ([`crash`](LyingDisk::crash)). It fails at the operation that a test names, fills up, writes short, flips
/// bits. All chance comes from the seed. Clones are the same disk.
#[derive(Clone)]
pub struct LyingDisk {
    state: Arc<Mutex<State>>,
}

/// What happens to one operation; see [`LyingDisk::fail_at`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with `EIO`. A failed sync then counts its data as clean although it is not on the disk, as Linux does.
    Error,
    /// It fails with `ENOSPC`.
    Full,
    /// The power goes while it is carried out. Every later operation fails; [`LyingDisk::crash`] says what is left.
    PowerLoss,
}

/// How much of what was not synced survives a power loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Nothing.
    LoseAll,
    /// Everything.
    KeepAll,
    /// Any part of it, by the seed.
    Any,
}

impl LyingDisk {
    /// An empty disk without a size limit.
    #[must_use]
    pub fn new(seed: u64) -> LyingDisk {
        LyingDisk { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// Sets how many bytes fit, all files together.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.lock().capacity = bytes;
    }

    /// Whether writes are carried out in several pieces, each of which is an operation that can fail.
    pub fn set_short_writes(&self, short: bool) {
        self.state.lock().short_writes = short;
    }

    /// How many operations changed the disk, or tried: writes, syncs, allocations, cuts, and changes and syncs of
    /// names.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Lets the operation with this number (counted from 0 as [`operations`](LyingDisk::operations) does) fail.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.state.lock().faults.insert(operation, fault);
    }

    /// The disk as it is found after the power went now, some of what was not synced being lost.
    #[must_use]
    pub fn crash(&self) -> LyingDisk {
        self.crash_with(Crash::Any)
    }

    /// The disk as it is found after the power went now.
    #[must_use]
    pub fn crash_with(&self, crash: Crash) -> LyingDisk {
        let left = self.state.lock().after_power_loss(crash);
        LyingDisk { state: Arc::new(Mutex::new(left)) }
    }

    /// Another disk with the same content, synced and unsynced, and the same future. Nobody has it open.
    #[must_use]
    pub fn copy(&self) -> LyingDisk {
        let mut state = self.state.lock().clone();
        state.locked = false;
        state.inodes.values_mut().for_each(|inode| inode.handles = 0);
        LyingDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// The paths of all files.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let state = self.state.lock();
        let files = state.names.seen.iter().filter(|(_, node)| matches!(node, Node::File(_)));
        files.map(|(path, _)| path.clone()).collect()
    }

    /// What a file holds now.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state.lock();
        let number = state.file_at(&plain(path))?;
        Ok(state.inode(number)?.seen.clone())
    }

    /// Turns one bit over, as failing hardware does: it is no operation, and nobody is told.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn flip_bit(&self, path: &Path, byte: u64, bit: u8) -> io::Result<()> {
        self.tamper(path, byte, 1, &mut |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 1 << (bit % 8)))
    }

    /// Puts other bytes in the place of those that are there, unseen.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn overwrite(&self, path: &Path, position: u64, with: &[u8]) -> io::Result<()> {
        self.tamper(path, position, with.len(), &mut |bytes| bytes.copy_from_slice(&with[..bytes.len()]))
    }

    /// Cuts a file off, unseen.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        let number = state.file_at(&plain(path))?;
        state.inode(number)?.cut(len);
        Ok(())
    }

    /// Makes the sector around `position` unreadable until it is written again.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn break_sector(&self, path: &Path, position: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        let number = state.file_at(&plain(path))?;
        state.inode(number)?.break_sector(position);
        Ok(())
    }

    fn tamper(
        &self,
        path: &Path,
        position: u64,
        len: usize,
        change: &mut dyn FnMut(&mut [u8]),
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        let number = state.file_at(&plain(path))?;
        state.inode(number)?.tamper(position, change, len);
        Ok(())
    }
}

impl Disk for LyingDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        check_inside(path)?;
        let path = plain(path);
        let mut state = self.state.lock();
        state.check_power()?;
        let inode = match state.file_at(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && mode == OpenMode::Create => {
                state.create(&path)?
            }
            other => other?,
        };
        Ok(Box::new(LyingFile::new(&self.state, &mut state, inode, mode != OpenMode::Read)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        check_inside(dir)?;
        let dir = plain(dir);
        let state = self.state.lock();
        state.check_power()?;
        let mut found = Vec::new();
        for (path, node) in state.names.seen.iter().filter(|(path, _)| path.parent() == Some(&dir)) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let len = match node {
                Node::Dir => 0,
                Node::File(number) => state.inodes.get(number).map_or(0, |inode| inode.seen.len() as u64),
            };
            found.push(DirEntry { name: name.into(), len, is_dir: *node == Node::Dir });
        }
        Ok(found)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        check_inside(dir)?;
        let mut state = self.state.lock();
        let dir = plain(dir);
        let mut missing: Vec<&Path> =
            dir.ancestors().take_while(|dir| state.names.get(dir) != Some(Node::Dir)).collect();
        missing.reverse();
        for dir in missing {
            let course = state.begin()?;
            state.names.link(dir, Node::Dir);
            State::end(course, ())?;
        }
        state.check_power()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        check_inside(path)?;
        let path = plain(path);
        let mut state = self.state.lock();
        let number = state.file_at(&path)?;
        let course = state.begin()?;
        state.names.unlink(&path);
        state.inode(number)?.linked = false;
        state.release(number);
        State::end(course, ())
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        check_inside(dir)?;
        check_not_root(dir)?;
        let dir = plain(dir);
        let mut state = self.state.lock();
        state.check_power()?;
        let inside: Vec<_> = state
            .names
            .seen
            .iter()
            .rev()
            .filter(|(path, _)| path.starts_with(&dir))
            .map(|(path, node)| (path.clone(), *node))
            .collect();
        for (path, node) in inside {
            let course = state.begin()?;
            state.names.unlink(&path);
            if let Node::File(number) = node {
                state.inode(number)?.linked = false;
                state.release(number);
            }
            State::end(course, ())?;
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        check_inside(from)?;
        check_inside(to)?;
        let (from, to) = (plain(from), plain(to));
        let mut state = self.state.lock();
        let number = state.file_at(&from)?;
        let replaced = state.file_at(&to).ok().filter(|&replaced| replaced != number);
        let course = state.begin()?;
        state.names.rename(&from, &to, Node::File(number));
        if let Some(replaced) = replaced {
            state.inode(replaced)?.linked = false;
            state.release(replaced);
        }
        State::end(course, ())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        check_inside(dir)?;
        let dir = plain(dir);
        let mut state = self.state.lock();
        match state.names.get(&dir) {
            Some(Node::Dir) => {}
            _ => return Err(errno(Errno::NOENT)),
        }
        let course = state.begin()?;
        if course == state::Course::Fine {
            state.sync_names(&dir);
        }
        State::end(course, ())
    }

    fn lock(&self) -> io::Result<DirLock> {
        let mut state = self.state.lock();
        state.check_power()?;
        if state.locked {
            return Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                LockHeld { dir: PathBuf::from("(lying disk)") },
            ));
        }
        state.locked = true;
        Ok(DirLock::new(Box::new(Claim { state: Arc::clone(&self.state) })))
    }

    fn space(&self) -> io::Result<DiskSpace> {
        let state = self.state.lock();
        state.check_power()?;
        Ok(DiskSpace { total: state.capacity, free: state.capacity.saturating_sub(state.used()) })
    }
}

/// Frees the disk for the next owner.
struct Claim {
    state: Arc<Mutex<State>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.state.lock().locked = false;
    }
}

impl fmt::Debug for LyingDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LyingDisk")
            .field("operations", &self.operations())
            .field("files", &self.files())
            .finish_non_exhaustive()
    }
}
