use bytes::{BufMut, Bytes, BytesMut};

/// Writes messages as a list of pieces, so that record batches go out as they are stored.
#[derive(Debug, Default)]
pub struct Writer {
    /// What is being written.
    head: BytesMut,
    /// What was written before the first shared piece, kept so that a frame's length can be put in front.
    first: Option<BytesMut>,
    pieces: Vec<Bytes>,
    len: usize,
}

/// Bytes of the length that a frame starts with.
const FRAME_LEN: usize = 4;

/// Batches up to this size are copied: a piece of its own costs more.
const COPY_BELOW: usize = 512;

impl Writer {
    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len + self.head.len()
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        self.head.put_slice(bytes);
    }

    /// Writes bytes as a piece of their own, unless they are few.
    pub fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < COPY_BELOW {
            return self.put(bytes);
        }
        if !self.head.is_empty() {
            self.len += self.head.len();
            let head = self.head.split();
            if self.first.is_none() && self.pieces.is_empty() {
                self.first = Some(head);
            } else {
                self.pieces.push(head.freeze());
            }
        }
        self.len += bytes.len();
        self.pieces.push(bytes.clone());
    }

    /// Writes an unsigned variable-length number.
    pub fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.head.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.head.put_u8(value as u8);
    }

    /// Begins a frame: room for the length that [`Writer::finish_frame`] puts in front.
    #[must_use]
    pub fn frame() -> Writer {
        let mut head = BytesMut::with_capacity(256);
        head.put_bytes(0, FRAME_LEN);
        Writer { head, ..Writer::default() }
    }

    /// Everything written to a frame, its length in front.
    #[must_use]
    pub fn finish_frame(mut self) -> Vec<Bytes> {
        let len = (self.len().saturating_sub(FRAME_LEN) as u32).to_be_bytes();
        let front = self.first.as_mut().unwrap_or(&mut self.head);
        if let Some(place) = front.get_mut(..FRAME_LEN) {
            place.copy_from_slice(&len);
        }
        self.finish()
    }

    /// Everything written, in order.
    #[must_use]
    pub fn finish(self) -> Vec<Bytes> {
        let Writer { head, first, mut pieces, .. } = self;
        if let Some(first) = first {
            pieces.insert(0, first.freeze());
        }
        if !head.is_empty() {
            pieces.push(head.freeze());
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_length_in_front_and_shares_large_pieces() {
        let large = Bytes::from(vec![7; COPY_BELOW]);
        let mut writer = Writer::frame();
        writer.put(b"ab");
        writer.put_shared(&large);
        writer.put_shared(&Bytes::from_static(b"c"));
        let pieces = writer.finish_frame();
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[0], [0u32.to_be_bytes()[..2].to_vec(), vec![2, 3], b"ab".to_vec()].concat());
        assert_eq!(pieces[1].as_ptr(), large.as_ptr());
        assert_eq!(pieces[2], "c");
    }
}
