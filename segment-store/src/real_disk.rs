use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::disk::{check_inside, check_not_root};
use crate::real_file::RealFile;
use crate::{DirEntry, DirLock, Disk, DiskFile, DiskSpace, LockHeld, OpenMode};

/// Syncs that wait together share a commit of the file system; with more threads the gain gets small.
const FILES_AT_ONCE: usize = 8;

/// The operating system's files below one data directory.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// A disk whose files lie below `root`, which is made when the disk is locked or first used.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> RealDisk {
        RealDisk { root: root.into() }
    }

    /// The data directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the data directory, durably: its name, and those of the directories made for it, are synced.
    fn make_root(&self) -> io::Result<()> {
        let missing: Vec<&Path> =
            self.root.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
        fs::create_dir_all(&self.root)?;
        for dir in missing {
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }

    fn at(&self, path: &Path) -> io::Result<PathBuf> {
        check_inside(path)?;
        Ok(self.root.join(path))
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let path = self.at(path)?;
        let file = File::options()
            .read(true)
            .write(mode != OpenMode::Read)
            .create(mode == OpenMode::Create)
            .truncate(false)
            .open(path)?;
        Ok(Box::new(RealFile::new(file)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let entries = match fs::read_dir(self.at(dir)?) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let metadata = entry.metadata()?;
            // Names that are not UTF-8 are none of ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_dir = metadata.is_dir();
            found.push(DirEntry { name, len: if is_dir { 0 } else { metadata.len() }, is_dir });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(self.at(dir)?)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(self.at(path)?)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        check_not_root(dir)?;
        match fs::remove_dir_all(self.at(dir)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(self.at(from)?, self.at(to)?)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(self.at(dir)?)?.sync_all()
    }

    fn lock(&self) -> io::Result<DirLock> {
        self.make_root()?;
        let file = File::options().write(true).create(true).truncate(false).open(self.root.join("lock"))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(DirLock::new(Box::new(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(io::Error::new(io::ErrorKind::WouldBlock, LockHeld { dir: self.root.clone() }))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn space(&self) -> io::Result<DiskSpace> {
        let stat = rustix::fs::statvfs(&self.root)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(DiskSpace { total: bytes(stat.f_blocks), free: bytes(stat.f_bavail) })
    }

    fn files_at_once(&self) -> usize {
        FILES_AT_ONCE
    }
}
