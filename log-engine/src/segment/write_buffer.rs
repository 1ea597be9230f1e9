use std::collections::VecDeque;
use std::io;
use std::mem::{replace, take};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use segment_store::{DiskFile, PageBuffer};

/// Chunks that are written while the next is gathered. With one, the disk rests until the thread that it answered runs.
const CHUNKS_AT_ONCE: usize = 2;

/// From this many bytes on the last write ends with a whole page, so that all of it goes past the page cache. A smaller one
/// goes through it anyway.
const WHOLE_FROM: usize = 64 << 10;

/// Memory in which large writes to one file at a time are gathered. It can have threads that write chunks while the next is
/// gathered: a disk would rest otherwise for half as long as it works.
#[derive(Default)]
pub(crate) struct WriteBuffer {
    gathered: PageBuffer,
    /// Where in the file it begins.
    position: u64,
    beside: bool,
    /// The one whose chunk is the oldest first.
    writers: VecDeque<ChunkWriter>,
}

impl WriteBuffer {
    /// Whether threads of its own write chunks from now on. They do not where there is none to be had.
    pub(crate) fn write_beside(&mut self, beside: bool) {
        self.beside = beside;
        if !beside {
            self.writers.clear();
        }
    }

    /// Begins anew with what will be written at `position`.
    pub(crate) fn restart(&mut self, position: u64) {
        self.position = position;
        self.gathered.restart(position);
    }

    /// Begins anew behind `before`, the part of a page with which the file ends at `position`: it is written once more, with the
    /// rest of its page.
    pub(crate) fn resume(&mut self, position: u64, before: &[u8]) {
        self.restart(position - before.len() as u64);
        self.extend(before);
    }

    pub(crate) fn len(&self) -> usize {
        self.gathered.len()
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.gathered.extend(bytes);
    }

    /// Writes what is there up to the end of its last whole page, now or while more is gathered. The error may be the one
    /// of a chunk before.
    pub(crate) fn write_pages(&mut self, file: &Arc<dyn DiskFile>) -> io::Result<()> {
        let end = self.position + self.gathered.len() as u64;
        let whole = end - end % PageBuffer::PAGE as u64;
        let len = (whole - self.position) as usize;
        let rest = self.gathered.as_slice()[len..].to_vec();
        if self.beside
            && self.writers.len() < CHUNKS_AT_ONCE
            && let Ok(writer) = ChunkWriter::start()
        {
            self.writers.push_front(writer);
        }
        match self.writers.front_mut() {
            None => file.write_all_at(&self.gathered.as_slice()[..len], self.position)?,
            Some(writer) => {
                writer.wait()?;
                let pages = replace(&mut self.gathered, take(&mut writer.spare).unwrap_or_default());
                writer.write(Chunk { file: Arc::clone(file), pages, len, position: self.position });
                self.writers.rotate_left(1);
            }
        }
        self.restart(whole);
        self.extend(&rest);
        Ok(())
    }

    /// Writes all that is left, and returns when everything is written.
    pub(crate) fn finish(&mut self, file: &Arc<dyn DiskFile>) -> io::Result<()> {
        self.writers.iter_mut().try_for_each(ChunkWriter::wait)?;
        if self.gathered.is_empty() {
            return Ok(());
        }
        file.write_all_at(self.gathered.as_slice(), self.position)
    }

    /// The same, with zeros behind it up to the end of its last page where it is large. Answers the part of a page that it ends
    /// with then, for [`resume`](WriteBuffer::resume).
    pub(crate) fn finish_page(&mut self, file: &Arc<dyn DiskFile>) -> io::Result<Option<Box<[u8]>>> {
        let len = self.gathered.len();
        let part = ((self.position + len as u64) % PageBuffer::PAGE as u64) as usize;
        let begun = self.gathered.as_slice().get(len.saturating_sub(part)..).map(Box::from);
        let is_large = len >= WHOLE_FROM && part > 0;
        if is_large {
            self.gathered.zero_to(len - part + PageBuffer::PAGE);
        }
        self.finish(file)?;
        Ok(begun.filter(|_| is_large))
    }
}

struct Chunk {
    file: Arc<dyn DiskFile>,
    pages: PageBuffer,
    len: usize,
    position: u64,
}

/// A thread that writes one chunk at a time. It ends with this, and the chunk under way with it.
struct ChunkWriter {
    chunks: Option<SyncSender<Chunk>>,
    written: Receiver<(PageBuffer, io::Result<()>)>,
    /// Memory of a chunk that was written; none while one is under way.
    spare: Option<PageBuffer>,
    thread: Option<thread::JoinHandle<()>>,
}

impl ChunkWriter {
    fn start() -> io::Result<ChunkWriter> {
        let (chunks, to_write) = sync_channel::<Chunk>(1);
        let (done, written) = sync_channel(1);
        let work = move || {
            for Chunk { file, pages, len, position } in to_write {
                let outcome = file.write_all_at(&pages.as_slice()[..len], position);
                if done.send((pages, outcome)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("settle-write".into()).spawn(work)?;
        let (chunks, thread) = (Some(chunks), Some(thread));
        Ok(ChunkWriter { chunks, written, spare: Some(PageBuffer::default()), thread })
    }

    /// Returns when no chunk is under way.
    fn wait(&mut self) -> io::Result<()> {
        if self.spare.is_some() {
            return Ok(());
        }
        let ended = |_| io::Error::other("the thread that writes segments has ended");
        let (spare, outcome) = self.written.recv().map_err(ended)?;
        self.spare = Some(spare);
        outcome
    }

    /// Hands a chunk over; whoever waits next learns what became of it.
    fn write(&self, chunk: Chunk) {
        if let Some(chunks) = &self.chunks {
            // A thread that has ended is found out by waiting for it.
            let _ = chunks.send(chunk);
        }
    }
}

impl Drop for ChunkWriter {
    fn drop(&mut self) {
        self.chunks = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported there.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use segment_store::{Disk, OpenMode, RealDisk};

    use super::*;

    fn file(dir: &tempfile::TempDir, mode: OpenMode) -> Arc<dyn DiskFile> {
        let disk = RealDisk::new(dir.path().to_path_buf());
        disk.open(Path::new("log"), mode).expect("a file").into()
    }

    fn buffer(beside: bool) -> WriteBuffer {
        let mut buffer = WriteBuffer::default();
        buffer.write_beside(beside);
        buffer
    }

    #[test]
    fn what_is_written_beside_is_what_would_have_been_written_at_once() {
        for beside in [false, true] {
            let dir = tempfile::tempdir().expect("a directory");
            let (file, mut buffer) = (file(&dir, OpenMode::Create), buffer(beside));
            let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
            let (before, appended) = bytes.split_at(10_000);
            file.write_all_at(before, 0).expect("a write");
            buffer.restart(before.len() as u64);
            for piece in appended.chunks(70_001) {
                buffer.extend(piece);
                buffer.write_pages(&file).expect("a write");
                assert!(buffer.len() < PageBuffer::PAGE, "only the part of a page stays");
            }
            buffer.finish(&file).expect("a write");
            let mut written = vec![0; bytes.len() + 1];
            assert_eq!(file.read_at(&mut written, 0).expect("a read"), bytes.len());
            assert!(written.starts_with(&bytes), "beside: {beside}");
        }
    }

    #[test]
    fn what_is_left_goes_on_within_the_page_that_it_ended_in() {
        let dir = tempfile::tempdir().expect("a directory");
        let (file, mut buffer) = (file(&dir, OpenMode::Create), WriteBuffer::default());
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
        let (mut end, mut last): (usize, Option<Box<[u8]>>) = (0, None);
        for len in [70_001, 3, 90_000, 70_000, 4_096, 8_192 * 10, 100] {
            match &last {
                Some(last) => buffer.resume(end as u64, last),
                None => buffer.restart(end as u64),
            }
            let resumed = buffer.len();
            buffer.extend(&bytes[end..end + len]);
            end += len;
            last = buffer.finish_page(&file).expect("a write");
            let page_end = end.next_multiple_of(PageBuffer::PAGE);
            let is_whole = resumed + len >= WHOLE_FROM && page_end > end;
            let part = is_whole.then(|| &bytes[end / PageBuffer::PAGE * PageBuffer::PAGE..end]);
            assert_eq!(last.as_deref(), part, "{len} bytes up to {end}");
            let mut written = vec![1; page_end];
            let read = file.read_at(&mut written, 0).expect("a read");
            assert!(written[..end] == bytes[..end], "{len} bytes up to {end}");
            assert!(written[end..read].iter().all(|byte| *byte == 0), "nothing but zeros behind");
            assert!(read == page_end || !is_whole);
        }
    }

    #[test]
    fn a_chunk_that_could_not_be_written_is_told_soon_and_at_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        drop(file(&dir, OpenMode::Create));
        let read_only = file(&dir, OpenMode::Read);
        let chunk = vec![1; PageBuffer::PAGE];
        for writes_more in [false, true] {
            let mut buffer = buffer(true);
            buffer.restart(0);
            buffer.extend(&chunk);
            buffer.write_pages(&read_only).expect("nobody knows yet");
            let mut write_more = || {
                buffer.extend(&chunk);
                buffer.write_pages(&read_only)
            };
            let outcome = match writes_more {
                true => (0..CHUNKS_AT_ONCE).try_for_each(|_| write_more()),
                false => buffer.finish(&read_only),
            };
            assert!(outcome.is_err(), "writes more: {writes_more}");
        }
    }
}
