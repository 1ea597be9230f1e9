use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::inode::Inode;
use super::state::State;
use crate::{DiskFile, Mapped};

/// An open file of a lying disk.
pub(super) struct LyingFile {
    state: Arc<Mutex<State>>,
    inode: u64,
    writable: bool,
}

impl LyingFile {
    /// `state` is what the caller holds locked.
    pub(super) fn new(
        shared: &Arc<Mutex<State>>,
        state: &mut State,
        inode: u64,
        writable: bool,
    ) -> LyingFile {
        if let Ok(inode) = state.inode(inode) {
            inode.handles += 1;
        }
        LyingFile { state: Arc::clone(shared), inode, writable }
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(super::state::errno(rustix::io::Errno::BADF)) }
    }

    fn make_durable(&self, sync: impl FnOnce(&mut Inode)) -> io::Result<()> {
        let mut state = self.state.lock();
        match state.begin() {
            Ok(super::state::Course::Fine) => {
                sync(state.inode(self.inode)?);
                Ok(())
            }
            // The power went before it was done: what was unsynced stays at chance's mercy.
            Ok(course) => State::end(course, ()),
            Err(error) => {
                if !state.powered_off {
                    state.inode(self.inode)?.fail_sync();
                }
                Err(error)
            }
        }
    }

    fn write_piece(&self, buf: &[u8], position: u64) -> io::Result<usize> {
        let mut state = self.state.lock();
        let course = state.begin()?;
        let len = if state.short_writes && buf.len() > 1 {
            1 + state.dice.below(buf.len() as u64) as usize
        } else {
            buf.len()
        };
        let piece = &buf[..len];
        let takes = state.inode(self.inode)?.takes();
        state.check_room(takes, position + piece.len() as u64)?;
        state.inode(self.inode)?.write(piece, position);
        State::end(course, len)
    }
}

impl DiskFile for LyingFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = self.state.lock();
        state.check_power()?;
        state.inode(self.inode)?.read(buf, position)
    }

    fn write_all_at(&self, buf: &[u8], position: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut written = 0;
        while written < buf.len() {
            written += self.write_piece(&buf[written..], position + written as u64)?;
        }
        Ok(())
    }

    fn write_through_at(&self, buf: &[u8], position: u64) -> io::Result<()> {
        self.write_all_at(buf, position)?;
        self.make_durable(|inode| inode.sync_range(position, buf.len()))
    }

    fn write_vectored_at(&self, bufs: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let whole: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.write_all_at(&whole, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.make_durable(Inode::sync)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.state.lock();
        let course = state.begin()?;
        let takes = state.inode(self.inode)?.takes();
        state.check_room(takes, len)?;
        let inode = state.inode(self.inode)?;
        inode.allocated = inode.allocated.max(len);
        if (inode.seen.len() as u64) < len {
            inode.set_len(len);
        }
        State::end(course, ())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.state.lock();
        let course = state.begin()?;
        let inode = state.inode(self.inode)?;
        inode.allocated = inode.allocated.min(len);
        inode.set_len(len);
        State::end(course, ())
    }

    fn size(&self) -> io::Result<u64> {
        let mut state = self.state.lock();
        state.check_power()?;
        Ok(state.inode(self.inode)?.seen.len() as u64)
    }

    fn map(&self, len: usize) -> io::Result<Mapped> {
        let mut copy = vec![0; len];
        match self.read_at(&mut copy, 0)? {
            read if read == len => Ok(Mapped::Copy(Bytes::from(copy))),
            _ => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file is shorter than the map asked for",
            )),
        }
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl Drop for LyingFile {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        if let Ok(inode) = state.inode(self.inode) {
            inode.handles -= 1;
        }
        state.release(self.inode);
    }
}
