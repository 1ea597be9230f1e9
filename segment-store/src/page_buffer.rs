use std::alloc::{Layout, handle_alloc_error};

use memmap2::MmapMut;

/// The unit in which disks are written directly and memory is mapped.
pub(crate) const PAGE: usize = 4096;
/// What a processor and the kernel can treat as one large page.
const LARGE_PAGE: usize = 2 << 20;
/// From this many bytes on a buffer is made of large pages, where the system has them.
const LARGE_FROM: usize = 512 << 10;

/// A growing byte buffer whose memory address equals a given file position modulo the page size.
///
/// Direct writes need memory and file aligned alike; with this, the aligned middle of a block can go to the disk
/// from where it was built, without a copy. The memory is kept from one use to the next. Much of it lies in large pages: a write
/// goes to the disk as a list of pieces of memory, and one of 1 MiB in small pages is more pieces than many disks take at a
/// time.
#[derive(Default)]
pub struct PageBuffer {
    memory: Memory,
    /// Where the content begins: the file position modulo the page size.
    start: usize,
    len: usize,
}

/// Whole pages.
#[derive(Default)]
struct Memory {
    map: Option<MmapMut>,
    /// Where the first page begins in the map.
    first: usize,
    /// Bytes of all pages.
    len: usize,
}

impl Memory {
    /// Zeros, at least `bytes` of them.
    fn new(bytes: usize) -> Memory {
        if bytes == 0 {
            return Memory::default();
        }
        let is_large = bytes >= LARGE_FROM;
        let unit = if is_large { LARGE_PAGE } else { PAGE };
        let len = bytes.next_multiple_of(unit);
        // What lies before the first large page is never touched, so it takes no memory.
        let Ok(map) = MmapMut::map_anon(if is_large { len + LARGE_PAGE } else { len }) else {
            handle_alloc_error(Layout::array::<u8>(len).unwrap_or(Layout::new::<u8>()));
        };
        if !is_large {
            return Memory { map: Some(map), first: 0, len };
        }
        let first = map.as_ptr().align_offset(LARGE_PAGE);
        // Where there are none, small ones do.
        let _ = map.advise_range(memmap2::Advice::HugePage, first, len);
        Memory { map: Some(map), first, len }
    }

    fn bytes(&self) -> &[u8] {
        self.map.as_ref().map_or(&[], |map| &map[self.first..self.first + self.len])
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        let (first, end) = (self.first, self.first + self.len);
        self.map.as_mut().map_or(&mut [], |map| &mut map[first..end])
    }
}

impl PageBuffer {
    /// The unit in which disks are written directly.
    pub const PAGE: usize = PAGE;

    /// An empty buffer for content that will be written at `position`.
    #[must_use]
    pub fn new(position: u64) -> PageBuffer {
        PageBuffer { memory: Memory::default(), start: congruent(position), len: 0 }
    }

    /// Empties it for content that will be written at `position`.
    pub fn restart(&mut self, position: u64) {
        self.start = congruent(position);
        self.len = 0;
    }

    /// Bytes of content.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.len
    }

    /// Gives memory beyond `bytes` back.
    ///
    /// # Panics
    /// When it has content.
    pub fn shrink_to(&mut self, bytes: usize) {
        assert_eq!(self.len, 0, "only an empty buffer shrinks");
        if bytes < self.memory.len {
            self.memory = Memory::new(bytes);
        }
    }

    /// Adds content.
    pub fn extend(&mut self, bytes: &[u8]) {
        let at = self.len;
        self.lengthen(at + bytes.len());
        self.as_mut_slice()[at..].copy_from_slice(bytes);
    }

    /// Makes it `len` bytes long, zeros in the new part.
    pub fn zero_to(&mut self, len: usize) {
        let at = self.len;
        self.lengthen(len);
        self.as_mut_slice()[at..].fill(0);
    }

    fn lengthen(&mut self, len: usize) {
        let end = self.start + len;
        if end > self.memory.len {
            let mut larger = Memory::new(end.max(self.memory.len + self.memory.len / 2));
            larger.bytes_mut()[self.start..self.start + self.len].copy_from_slice(self.as_slice());
            self.memory = larger;
        }
        self.len = len;
    }

    /// The content.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        let whole = self.memory.len;
        &self.memory.bytes()[self.start.min(whole)..(self.start + self.len).min(whole)]
    }

    /// The content and zeros after it up to the end of its last page.
    pub(crate) fn with_page_end(&mut self) -> &[u8] {
        let len = self.len;
        let end = (self.start + len).next_multiple_of(PAGE);
        self.zero_to(end - self.start);
        self.len = len;
        &self.memory.bytes()[self.start..end]
    }

    /// The content, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        let whole = self.memory.len;
        &mut self.memory.bytes_mut()[self.start.min(whole)..(self.start + self.len).min(whole)]
    }
}

impl std::fmt::Debug for PageBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageBuffer")
            .field("start", &self.start)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

fn congruent(position: u64) -> usize {
    (position % PAGE as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_congruent_to_the_file_position_and_survives_growth() {
        let mut buffer = PageBuffer::new(3 * 4096 + 72);
        for round in 0..5000u32 {
            buffer.extend(&round.to_le_bytes());
        }
        assert_eq!(buffer.as_slice().as_ptr() as usize % PAGE, 72);
        for (round, bytes) in buffer.as_slice().chunks(4).enumerate() {
            assert_eq!(bytes, (round as u32).to_le_bytes());
        }
        assert_eq!(buffer.with_page_end().len() % PAGE, PAGE - 72);
        assert_eq!(buffer.as_slice().len(), 20_000, "the content stays what it was");
        buffer.restart(40);
        buffer.zero_to(100);
        assert_eq!(buffer.as_slice(), [0; 100], "old content does not shine through");
    }

    #[test]
    fn much_lies_in_large_pages_and_is_given_back() {
        let mut buffer = PageBuffer::new(8192 + 5);
        for piece in 0..40_u8 {
            buffer.extend(&[piece; 100_000]);
        }
        let at = buffer.as_slice().as_ptr() as usize;
        assert_eq!(at % LARGE_PAGE, 5);
        assert!(buffer.as_slice().chunks(100_000).zip(0..).all(|(bytes, piece)| *bytes == [piece; 100_000]));
        assert_eq!(buffer.capacity() % LARGE_PAGE, 0);
        buffer.restart(1);
        buffer.shrink_to(10_000);
        assert_eq!(buffer.capacity(), 3 * PAGE);
        buffer.zero_to(3);
        assert_eq!(buffer.as_slice(), [0; 3]);
    }
}
