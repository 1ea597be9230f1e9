use std::io::{self, IoSlice};
use std::ops::Deref;
use std::os::fd::BorrowedFd;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist; only reads.
    Read,
    /// It must exist.
    ReadWrite,
    /// Made when missing; existing content stays.
    Create,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The last part of the path.
    pub name: String,
    /// Bytes, 0 for a directory.
    pub len: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// Bytes of the file system that the data directory is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// All of it.
    pub total: u64,
    /// What ordinary writes may still take.
    pub free: u64,
}

/// Where data files live. Paths are relative to the data directory.
///
/// The real one is the operating system's; the lying one loses, tears, flips, fails and fills up from a seed.
pub trait Disk: Send + Sync {
    /// Opens one file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>>;
    /// The names in a directory, sorted; empty when it does not exist.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;
    /// Makes a directory and its parents.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and everything in it; fine when missing.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Renames a file, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Claims the data directory for this process until the guard is dropped. When another holds it, the error
    /// carries a [`LockHeld`].
    fn lock(&self) -> io::Result<DirLock>;
    /// How much it holds, and how much of that is free.
    fn space(&self) -> io::Result<DiskSpace>;
    /// How many files are best written, or synced, at the same time, by as many threads.
    fn files_at_once(&self) -> usize {
        1
    }
}

/// An open file, used by position: no cursor is shared.
pub trait DiskFile: Send + Sync {
    /// Reads up to `buf.len()` bytes; 0 at the end.
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of `buf`, going on after short writes.
    fn write_all_at(&self, buf: &[u8], position: u64) -> io::Result<()>;
    /// The same for bytes that nobody waits to have on the disk, and which may be overwritten before they get there: it
    /// leaves them in memory where the disk has a cache, however many they are.
    fn write_cached_at(&self, buf: &[u8], position: u64) -> io::Result<()> {
        self.write_all_at(buf, position)
    }
    /// Writes all of `buf` and returns when that would survive power loss. What was written elsewhere in the file before
    /// may stay where it is.
    fn write_through_at(&self, buf: &[u8], position: u64) -> io::Result<()>;
    /// Writes all slices one after the other.
    fn write_vectored_at(&self, bufs: &[IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Returns when written data would survive power loss.
    fn sync_data(&self) -> io::Result<()>;
    /// Reserves room so that writes below `len` do not fail for lack of space.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Cuts or extends the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Its length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Its first `len` bytes for reading: a memory map on a real disk, a copy on a lying one.
    /// Only for files that nobody cuts while the map lives: a cut under a map is a SIGBUS.
    fn map(&self, len: usize) -> io::Result<Mapped>;
    /// Says that this stretch will be read soon. Only a hint.
    fn read_ahead(&self, _position: u64, _len: u64) {}
    /// The descriptor behind it, where there is one, for `sendfile`.
    fn as_fd(&self) -> Option<BorrowedFd<'_>>;
}

/// Holds the claim on a data directory.
pub struct DirLock {
    _held: Box<dyn Send + Sync>,
}

impl DirLock {
    /// Wraps whatever releases the claim when it is dropped.
    #[must_use]
    pub fn new(held: Box<dyn Send + Sync>) -> DirLock {
        DirLock { _held: held }
    }
}

/// Why [`Disk::lock`] refused: the claim is somebody else's.
#[derive(Debug, thiserror::Error)]
#[error("the data directory {dir} is in use by another process")]
pub struct LockHeld {
    /// The data directory.
    pub dir: PathBuf,
}

/// Refuses a path that could lead out of the data directory: absolute, or with `..` in it.
pub(crate) fn check_inside(path: &Path) -> io::Result<()> {
    if path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Ok(());
    }
    let message = format!("{} leads out of the data directory", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// Refuses the data directory itself.
pub(crate) fn check_not_root(path: &Path) -> io::Result<()> {
    if path.components().any(|part| matches!(part, Component::Normal(_))) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the data directory itself is not to be removed"))
}

/// Bytes of a file: mapped or copied.
#[derive(Debug)]
pub enum Mapped {
    /// A memory map.
    Map(memmap2::Mmap),
    /// A copy.
    Copy(Bytes),
}

impl Deref for Mapped {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Mapped::Map(map) => map,
            Mapped::Copy(bytes) => bytes,
        }
    }
}
