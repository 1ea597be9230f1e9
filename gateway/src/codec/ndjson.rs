//! Lines out of chunks, for newline-delimited JSON as it arrives.

use bytes::{Bytes, BytesMut};

/// A line was longer than allowed; it was skipped to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line is longer than {limit} bytes")]
pub struct LineTooLong {
    /// The most that a line may have.
    pub limit: usize,
}

/// Splits chunks into lines. Lines inside a chunk are slices of it; only a line that spans chunks is copied.
///
/// Feed with `push`, then take with `next` until it has no more; call `finish` after the last chunk. Blank lines
/// are left out; a carriage return before the line feed is not part of the line.
#[derive(Debug)]
pub struct Lines {
    chunk: Bytes,
    carry: BytesMut,
    limit: usize,
    skipping: bool,
}

impl Lines {
    /// No line may be longer than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Lines {
        Lines { chunk: Bytes::new(), carry: BytesMut::new(), limit, skipping: false }
    }

    /// Adds what arrived. Take all lines with `next` before the next chunk.
    pub fn push(&mut self, chunk: Bytes) {
        assert!(self.chunk.is_empty(), "all lines of a chunk are taken before the next one is pushed");
        self.chunk = chunk;
    }

    /// The next whole line, if one is there.
    #[expect(clippy::should_implement_trait, reason = "more may come after a `None`")]
    pub fn next(&mut self) -> Option<Result<Bytes, LineTooLong>> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.chunk) else {
                let rest = std::mem::take(&mut self.chunk);
                if self.skipping || rest.is_empty() {
                    return None;
                }
                // A carriage return may still belong to the line's end, hence one byte of grace.
                if self.carry.len() + rest.len() > self.limit + 1 {
                    self.carry = BytesMut::new();
                    self.skipping = true;
                    return Some(Err(LineTooLong { limit: self.limit }));
                }
                self.carry.extend_from_slice(&rest);
                return None;
            };
            let mut line = self.chunk.split_to(end + 1);
            line.truncate(end);
            if self.skipping {
                self.skipping = false;
                continue;
            }
            if !self.carry.is_empty() {
                let mut whole = std::mem::take(&mut self.carry);
                if whole.len() + line.len() > self.limit + 1 {
                    return Some(Err(LineTooLong { limit: self.limit }));
                }
                whole.extend_from_slice(&line);
                line = whole.freeze();
            }
            if let Some(line) = self.trim(line) {
                return Some(line);
            }
        }
    }

    /// The last line, when it did not end in a line feed.
    pub fn finish(&mut self) -> Option<Result<Bytes, LineTooLong>> {
        let line = std::mem::take(&mut self.carry).freeze();
        self.trim(line)
    }

    fn trim(&self, mut line: Bytes) -> Option<Result<Bytes, LineTooLong>> {
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        if line.len() > self.limit {
            return Some(Err(LineTooLong { limit: self.limit }));
        }
        (!line.iter().all(u8::is_ascii_whitespace)).then_some(Ok(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(text: &[u8], cuts: &[usize], limit: usize) -> Vec<Result<Bytes, LineTooLong>> {
        let mut lines = Lines::new(limit);
        let mut out = Vec::new();
        let mut at = 0;
        for cut in cuts.iter().copied().chain([text.len()]) {
            let end = cut.clamp(at, text.len());
            lines.push(Bytes::copy_from_slice(&text[at..end]));
            out.extend(std::iter::from_fn(|| lines.next()));
            at = end;
        }
        out.extend(lines.finish());
        out
    }

    #[test]
    fn blank_lines_and_carriage_returns_are_no_content() {
        let lines = split(b"{}\r\n\n  \n[1]", &[], 100);
        assert_eq!(lines, [Ok(Bytes::from_static(b"{}")), Ok(Bytes::from_static(b"[1]"))]);
    }

    #[test]
    fn a_long_line_is_skipped_once_and_the_next_is_read() {
        let text = b"short\nmuch too long a line\nok\n";
        for cuts in [vec![], vec![8], vec![8, 12, 16, 20], (0..text.len()).collect()] {
            let lines = split(text, &cuts, 8);
            let expected = [
                Ok(Bytes::from_static(b"short")),
                Err(LineTooLong { limit: 8 }),
                Ok(Bytes::from_static(b"ok")),
            ];
            assert_eq!(lines, expected, "{cuts:?}");
        }
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(text in "[a-c\r\n]{0,60}", cuts in proptest::collection::vec(0usize..60, 0..8), limit in 1usize..8) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            prop_assert_eq!(split(text.as_bytes(), &cuts, limit), split(text.as_bytes(), &[], limit));
        }
    }
}
