//! A lying disk that a test has a say in.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use segment_store::{DirEntry, DirLock, Disk, DiskFile, DiskSpace, LyingDisk, Mapped, OpenMode};

/// What a test does when the disk is asked for something.
pub trait Watch: Send + Sync + 'static {
    /// Before a file is opened; an error keeps it closed.
    fn opening(&self, _path: &Path, _mode: OpenMode) -> io::Result<()> {
        Ok(())
    }

    /// Before the data of a file is synced.
    fn syncing(&self) {}
}

/// A lying disk that asks a watch first.
pub struct WatchedDisk<W>(pub LyingDisk, pub Arc<W>);

struct WatchedFile<W>(Box<dyn DiskFile>, Arc<W>);

impl<W: Watch> Disk for WatchedDisk<W> {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        self.1.opening(path, mode)?;
        Ok(Box::new(WatchedFile(self.0.open(path, mode)?, Arc::clone(&self.1))))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.list(dir)
    }
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir_all(dir)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.0.remove_dir_all(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
    fn lock(&self) -> io::Result<DirLock> {
        self.0.lock()
    }
    fn space(&self) -> io::Result<DiskSpace> {
        self.0.space()
    }
}

impl<W: Watch> DiskFile for WatchedFile<W> {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_at(buf, position)
    }
    fn write_all_at(&self, buf: &[u8], position: u64) -> io::Result<()> {
        self.0.write_all_at(buf, position)
    }
    fn write_cached_at(&self, buf: &[u8], position: u64) -> io::Result<()> {
        self.0.write_cached_at(buf, position)
    }
    fn write_through_at(&self, buf: &[u8], position: u64) -> io::Result<()> {
        self.1.syncing();
        self.0.write_through_at(buf, position)
    }
    fn write_vectored_at(&self, bufs: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.0.write_vectored_at(bufs, position)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.1.syncing();
        self.0.sync_data()
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.0.allocate(len)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
    fn map(&self, len: usize) -> io::Result<Mapped> {
        self.0.map(len)
    }
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_fd()
    }
}
