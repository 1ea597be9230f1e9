use std::slice;

/// The unit in which disks are written directly and memory is mapped.
pub(crate) const PAGE: usize = 4096;

#[repr(C, align(4096))]
#[derive(Clone, Copy)]
struct Page([u8; PAGE]);

/// A growing byte buffer whose memory address equals a given file position modulo the page size.
///
/// Direct writes need memory and file aligned alike; with this, the aligned middle of a block can go to the disk
/// from where it was built, without a copy. The pages are kept from one use to the next.
#[derive(Default)]
pub struct PageBuffer {
    pages: Vec<Page>,
    /// Where the content begins: the file position modulo the page size.
    start: usize,
    len: usize,
}

impl PageBuffer {
    /// The unit in which disks are written directly.
    pub const PAGE: usize = PAGE;

    /// An empty buffer for content that will be written at `position`.
    #[must_use]
    pub fn new(position: u64) -> PageBuffer {
        PageBuffer { pages: Vec::new(), start: congruent(position), len: 0 }
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
        self.pages.len() * PAGE
    }

    /// Gives memory beyond `bytes` back.
    ///
    /// # Panics
    /// When it has content.
    pub fn shrink_to(&mut self, bytes: usize) {
        assert_eq!(self.len, 0, "only an empty buffer shrinks");
        self.pages.truncate(bytes.div_ceil(PAGE));
        self.pages.shrink_to_fit();
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
        let pages = (self.start + len).div_ceil(PAGE);
        if pages > self.pages.len() {
            let pages = pages.max(self.pages.len() + self.pages.len() / 2);
            self.pages.resize(pages, Page([0; PAGE]));
        }
        self.len = len;
    }

    /// The content.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        let whole = self.capacity();
        // SAFETY: `Page` is `repr(C)` around a byte array whose size is a multiple of its alignment, so the pages are
        // `whole` initialized bytes in a row.
        let bytes = unsafe { slice::from_raw_parts(self.pages.as_ptr().cast::<u8>(), whole) };
        &bytes[self.start.min(whole)..(self.start + self.len).min(whole)]
    }

    /// The content and zeros after it up to the end of its last page.
    pub(crate) fn with_page_end(&mut self) -> &[u8] {
        let len = self.len;
        self.zero_to((self.start + len).next_multiple_of(PAGE) - self.start);
        self.len = len;
        let end = (self.start + len).next_multiple_of(PAGE);
        let pages = &self.pages[..end / PAGE];
        // SAFETY: as in `as_slice`, for the pages that the content reaches.
        let bytes = unsafe { slice::from_raw_parts(pages.as_ptr().cast::<u8>(), end) };
        &bytes[self.start.min(end)..]
    }

    /// The content, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        let whole = self.capacity();
        // SAFETY: as in `as_slice`, and `&mut self` makes it the only access.
        let bytes = unsafe { slice::from_raw_parts_mut(self.pages.as_mut_ptr().cast::<u8>(), whole) };
        &mut bytes[self.start.min(whole)..(self.start + self.len).min(whole)]
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
}
