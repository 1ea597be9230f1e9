use std::fs::File;
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Advice, FallocateFlags, OFlags};
use rustix::io::{Errno, ReadWriteFlags};

use crate::page_buffer::PAGE;
use crate::{DiskFile, Mapped};

/// From this many bytes on a write goes past the page cache, if memory and position allow it.
const DIRECT_FROM: usize = 64 * 1024;
/// Zeros are written in pieces of this size where the file system can not reserve room.
const ZERO_PIECE: usize = 256 * 1024;

/// A file of the operating system.
///
/// Large writes put their page-aligned middle on the disk directly (`O_DIRECT`, through a second descriptor): that
/// costs a tenth of the processor time of a trip through the page cache followed by a sync. Everything else is
/// buffered. Neither is durable before [`sync_data`](DiskFile::sync_data).
#[derive(Debug)]
pub(crate) struct RealFile {
    file: File,
    /// Opened at the first large write; `None` where the file system has no direct writes.
    direct: OnceLock<Option<File>>,
    direct_refused: AtomicBool,
}

impl RealFile {
    pub(crate) fn new(file: File) -> RealFile {
        RealFile { file, direct: OnceLock::new(), direct_refused: AtomicBool::new(false) }
    }

    /// The second descriptor. It is reached through the first one, so a rename in between does not matter.
    fn direct(&self) -> Option<&File> {
        if self.direct_refused.load(Ordering::Relaxed) {
            return None;
        }
        let open = || {
            let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            File::options().write(true).custom_flags(OFlags::DIRECT.bits() as i32).open(path).ok()
        };
        self.direct.get_or_init(open).as_ref()
    }

    /// Writes whole pages directly and answers how many bytes that were: 0 where it is not possible.
    fn write_pages(&self, buf: &[u8], position: u64) -> io::Result<usize> {
        let Some(direct) = self.direct() else { return Ok(0) };
        match direct.write_at(buf, position) {
            // A short direct write may end within a page; from there on the page cache takes over.
            Ok(written) => Ok(written),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => {
                self.direct_refused.store(true, Ordering::Relaxed);
                Ok(0)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn write_zeros(&self, from: u64, to: u64) -> io::Result<()> {
        let zeros = vec![0; ZERO_PIECE];
        let mut at = from;
        while at < to {
            let piece = zeros.len().min((to - at) as usize);
            self.file.write_all_at(&zeros[..piece], at)?;
            at += piece as u64;
        }
        Ok(())
    }
}

/// How `buf` at `position` splits into a buffered head, a direct middle and a buffered tail; the middle is empty where
/// the write is small or memory and position are not aligned alike.
fn split(buf: &[u8], position: u64) -> (&[u8], &[u8], &[u8]) {
    let head = (position.next_multiple_of(PAGE as u64) - position) as usize;
    let aligned_alike = buf.as_ptr() as usize % PAGE == (position % PAGE as u64) as usize;
    if buf.len() < DIRECT_FROM + head || !aligned_alike {
        return (buf, &[], &[]);
    }
    let (head, rest) = buf.split_at(head);
    let (middle, tail) = rest.split_at(rest.len() / PAGE * PAGE);
    (head, middle, tail)
}

impl DiskFile for RealFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buf, position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_all_at(&self, buf: &[u8], position: u64) -> io::Result<()> {
        let (head, middle, tail) = split(buf, position);
        self.file.write_all_at(head, position)?;
        let mut at = position + head.len() as u64;
        if !middle.is_empty() {
            let written = self.write_pages(middle, at)?;
            self.file.write_all_at(&middle[written..], at + written as u64)?;
            at += middle.len() as u64;
            self.file.write_all_at(tail, at)?;
        }
        Ok(())
    }

    fn write_cached_at(&self, buf: &[u8], position: u64) -> io::Result<()> {
        self.file.write_all_at(buf, position)
    }

    fn write_through_at(&self, mut buf: &[u8], mut position: u64) -> io::Result<()> {
        while !buf.is_empty() {
            let wrote =
                rustix::io::pwritev2(&self.file, &[IoSlice::new(buf)], position, ReadWriteFlags::DSYNC);
            match wrote {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    buf = &buf[written..];
                    position += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    self.file.write_all_at(buf, position)?;
                    return self.file.sync_data();
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn write_vectored_at(&self, bufs: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut bufs = bufs.to_vec();
        let mut left = bufs.as_mut_slice();
        let mut at = position;
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            // The kernel takes 1,024 slices at most.
            let batch = &left[..left.len().min(1024)];
            match rustix::io::pwritev(&self.file, batch, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at += written as u64;
                    IoSlice::advance_slices(&mut left, written);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let size = self.size()?;
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.write_zeros(size, len),
            Err(error) => Err(error.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn map(&self, len: usize) -> io::Result<Mapped> {
        if self.size()? < len as u64 {
            // A read beyond the end of the file under a map is a SIGBUS, not an error.
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file is shorter than the map asked for",
            ));
        }
        if len == 0 {
            return Ok(Mapped::Copy(bytes::Bytes::new()));
        }
        // SAFETY: the caller promises that nobody cuts the file while the map lives, the directory lock keeps other
        // brokers away, and the bytes are only ever read.
        let map = unsafe { memmap2::MmapOptions::new().len(len).map(&self.file)? };
        Ok(Mapped::Map(map))
    }

    fn read_ahead(&self, position: u64, len: u64) {
        // Nothing depends on it.
        let _ = rustix::fs::fadvise(&self.file, position, NonZeroU64::new(len), Advice::WillNeed);
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}
