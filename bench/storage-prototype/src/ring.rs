use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// The unit of direct writes.
pub const PAGE: usize = 4096;

/// A preallocated, zeroed file that is written over and over, as recycled segments are.
pub struct Ring {
    file: File,
    direct: Option<File>,
    size: u64,
    position: u64,
}

impl Ring {
    pub fn create(path: &Path, size: u64) -> io::Result<Ring> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        let zeros = vec![0; (1 << 20).min(size as usize)];
        let mut at = 0;
        while at < size {
            let piece = zeros.len().min((size - at) as usize);
            file.write_all_at(&zeros[..piece], at)?;
            at += piece as u64;
        }
        file.sync_all()?;
        let direct = File::options().write(true).custom_flags(OFlags::DIRECT.bits() as i32).open(path).ok();
        Ok(Ring { file, direct, size, position: 0 })
    }

    /// Appends through the page cache.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.make_way(bytes.len());
        self.file.write_all_at(bytes, self.position)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Appends whole pages from aligned memory, past the page cache where the file system can.
    pub fn append_pages(&mut self, pages: &[u8]) -> io::Result<()> {
        self.position = self.position.next_multiple_of(PAGE as u64);
        self.make_way(pages.len());
        let file = self.direct.as_ref().unwrap_or(&self.file);
        file.write_all_at(pages, self.position)?;
        self.position += pages.len() as u64;
        Ok(())
    }

    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn make_way(&mut self, len: usize) {
        if self.position + len as u64 > self.size {
            self.position = 0;
        }
    }
}
