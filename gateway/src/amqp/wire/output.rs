use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::frame::{FRAME_OVERHEAD, FrameKind};

/// A body of at least this size is written from where it lies instead of being copied.
const SHARED_FROM: usize = 16 << 10;
/// An empty buffer of more than this is given back rather than kept for an idle connection.
const KEPT: usize = 4 << 10;

/// Frames on their way out: small ones gather in one buffer, large bodies are passed on by reference.
#[derive(Debug, Default)]
pub struct Output {
    sealed: VecDeque<Bytes>,
    sealed_len: usize,
    open: BytesMut,
}

impl Output {
    /// Bytes that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sealed_len + self.open.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that are no frame: the protocol header.
    pub fn put_raw(&mut self, bytes: &[u8]) {
        self.open.put_slice(bytes);
    }

    /// A frame whose payload `fill` writes.
    pub fn frame(&mut self, kind: FrameKind, channel: u16, fill: impl FnOnce(&mut BytesMut)) {
        self.open.put_u8(kind.number());
        self.open.put_u16(channel);
        let at = self.open.len();
        self.open.put_u32(0);
        fill(&mut self.open);
        let size = (self.open.len() - at - 4) as u32;
        if let Some(place) = self.open.get_mut(at..at + 4) {
            place.copy_from_slice(&size.to_be_bytes());
        }
        self.open.put_u8(0xCE);
    }

    /// The body frames of a message, none of them larger than was agreed.
    pub fn body(&mut self, channel: u16, body: &Bytes, frame_max: usize) {
        let most = frame_max.saturating_sub(FRAME_OVERHEAD).max(1);
        let mut at = 0;
        while at < body.len() {
            let stretch = at..body.len().min(at + most);
            self.open.put_u8(FrameKind::Body.number());
            self.open.put_u16(channel);
            self.open.put_u32(stretch.len() as u32);
            if stretch.len() >= SHARED_FROM {
                self.seal();
                self.sealed_len += stretch.len();
                self.sealed.push_back(body.slice(stretch.clone()));
            } else {
                self.open.extend_from_slice(&body[stretch.clone()]);
            }
            self.open.put_u8(0xCE);
            at = stretch.end;
        }
    }

    fn seal(&mut self) {
        if !self.open.is_empty() {
            let sealed = self.open.split().freeze();
            self.sealed_len += sealed.len();
            self.sealed.push_back(sealed);
        }
    }

    /// The stretches to write next, in order; answers how many of `slices` are filled.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let waiting = self.sealed.iter().map(|bytes| bytes.as_ref()).chain([self.open.as_ref()]);
        let mut filled = 0;
        for (slot, bytes) in slices.iter_mut().zip(waiting.filter(|bytes| !bytes.is_empty())) {
            *slot = IoSlice::new(bytes);
            filled += 1;
        }
        filled
    }

    /// Forgets what was written.
    pub fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.sealed.front_mut() {
            let taken = written.min(first.len());
            first.advance(taken);
            self.sealed_len -= taken;
            written -= taken;
            if !first.is_empty() {
                return;
            }
            self.sealed.pop_front();
        }
        self.open.advance(written.min(self.open.len()));
        if self.open.is_empty() {
            if self.open.capacity() > KEPT {
                self.open = BytesMut::new();
            }
            self.sealed.shrink_to(8);
        }
    }

    /// Gives back the memory that it keeps for what comes next, which may be long in coming.
    pub fn give_back(&mut self) {
        if self.is_empty() {
            *self = Output::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::wire::next_frame;

    fn all(output: &Output) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 64];
        let filled = output.slices(&mut slices);
        slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn bodies_are_cut_to_what_was_agreed_and_read_back() {
        for len in [0usize, 1, 4088, 4089, 20_000, 70_000] {
            let body: Bytes = (0..len).map(|at| at as u8).collect::<Vec<_>>().into();
            let mut output = Output::default();
            output.body(7, &body, if len > 60_000 { 131_072 } else { 4096 });
            let bytes = all(&output);
            assert_eq!(bytes.len(), output.len());
            let (mut at, mut read) = (0, Vec::new());
            while at < bytes.len() {
                let (frame, taken) = next_frame(&bytes[at..], 131_072).unwrap().unwrap();
                assert_eq!((frame.kind, frame.channel), (FrameKind::Body, 7));
                read.extend_from_slice(frame.payload);
                at += taken;
            }
            assert_eq!(read, body, "{len} bytes");
        }
    }

    #[test]
    fn what_waits_stays_when_memory_is_given_back() {
        let mut output = Output::default();
        output.frame(FrameKind::Method, 1, |out| out.put_bytes(7, 1000));
        let waiting = all(&output);
        output.give_back();
        assert_eq!(all(&output), waiting);
        output.advance(waiting.len());
        assert!(output.is_empty() && output.open.capacity() > 0);
        output.give_back();
        assert_eq!(output.open.capacity() + output.sealed.capacity(), 0);
    }

    #[test]
    fn writing_in_pieces_loses_nothing() {
        let mut output = Output::default();
        output.frame(FrameKind::Method, 1, |out| out.put_slice(b"method"));
        output.body(1, &vec![9; 50_000].into(), 131_072);
        output.frame(FrameKind::Heartbeat, 0, |_| {});
        let whole = all(&output);
        let mut pieces = Vec::new();
        while !output.is_empty() {
            let mut slices = [IoSlice::new(&[]); 2];
            let filled = output.slices(&mut slices);
            let next: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).take(777).collect();
            output.advance(next.len());
            pieces.extend(next);
        }
        assert_eq!(pieces, whole);
    }
}
