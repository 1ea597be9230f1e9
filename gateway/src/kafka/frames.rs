use bytes::{Buf, BytesMut};

/// Bytes of the length that each frame starts with.
const LENGTH: usize = 4;
/// What the buffer grows by at least.
const GROW_MIN: usize = 4 << 10;
/// From this size on a frame gets memory of its own.
const GROW_LARGE: usize = 64 << 10;
/// What a connection that sent large frames lately may ask for at once.
const GROW_RECENT_MAX: usize = 1 << 20;

/// Cuts requests from what a client sends. Bytes in, frames out; no socket.
///
/// **Invariant:** memory grows with what has arrived, never because a length announces it.
#[derive(Debug)]
pub struct Frames {
    buffer: BytesMut,
    largest: usize,
    /// About how large frames were lately.
    recent: usize,
}

/// A client announced a frame that no request can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a request of {announced} bytes was announced; at most {largest} are allowed (kafka.max_request_bytes)"
)]
pub struct BadLength {
    announced: i32,
    largest: usize,
}

impl Frames {
    /// With nothing received yet.
    pub fn new(largest: usize) -> Frames {
        Frames { buffer: BytesMut::new(), largest, recent: 0 }
    }

    /// The first complete frame, without taking it.
    pub fn peek(&self) -> Result<Option<&[u8]>, BadLength> {
        let Some(len) = self.announced()? else { return Ok(None) };
        Ok(self.buffer.get(LENGTH..LENGTH + len))
    }

    /// Takes the first complete frame.
    pub fn next(&mut self) -> Result<Option<BytesMut>, BadLength> {
        let Some(len) = self.announced()? else { return Ok(None) };
        if self.buffer.len() < LENGTH + len {
            return Ok(None);
        }
        self.buffer.advance(LENGTH);
        self.recent = len.max(self.recent - self.recent / 8).min(GROW_RECENT_MAX);
        Ok(Some(self.buffer.split_to(len)))
    }

    /// How long the first frame will be, once that is known.
    pub fn announced(&self) -> Result<Option<usize>, BadLength> {
        let Some(length) = self.buffer.first_chunk::<LENGTH>() else { return Ok(None) };
        let announced = i32::from_be_bytes(*length);
        match usize::try_from(announced) {
            Ok(len) if len <= self.largest && len > 0 => Ok(Some(len)),
            _ => Err(BadLength { announced, largest: self.largest }),
        }
    }

    /// Bytes received that belong to no frame taken yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The buffer to receive into, with room for at least a few bytes.
    pub fn room(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() == self.buffer.len() {
            let grow = self
                .buffer
                .len()
                .max(self.recent + self.recent / 4)
                .clamp(GROW_MIN, GROW_RECENT_MAX.max(self.buffer.len()));
            self.buffer.reserve(grow.min(self.missing().unwrap_or(usize::MAX)));
        }
        &mut self.buffer
    }

    /// What a large frame still lacks, and a little of what follows it. Room for more would be filled with the next frame,
    /// whose start would have to be moved once this one is taken.
    fn missing(&self) -> Option<usize> {
        let len = self.announced().ok()?.filter(|len| *len >= GROW_LARGE)?;
        (LENGTH + len).checked_sub(self.buffer.len()).map(|missing| missing + GROW_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(frames: &mut Frames, bytes: &[u8]) {
        frames.room().extend_from_slice(bytes);
    }

    #[test]
    fn cuts_frames_wherever_the_network_did() {
        let sent: Vec<u8> = [&b"one"[..], b"", b"three"]
            .iter()
            .filter(|body| !body.is_empty())
            .flat_map(|body| [&(body.len() as u32).to_be_bytes()[..], body].concat())
            .collect();
        for cut in 0..sent.len() {
            let mut frames = Frames::new(10);
            let mut got = Vec::new();
            for part in [&sent[..cut], &sent[cut..]] {
                feed(&mut frames, part);
                while let Some(frame) = frames.next().unwrap() {
                    got.push(frame);
                }
            }
            assert_eq!(got, ["one", "three"], "cut at {cut}");
            assert_eq!(frames.buffered(), 0);
        }
    }

    #[test]
    fn little_of_what_follows_a_large_frame_is_received_with_it() {
        let frame = [&(300_000_u32).to_be_bytes()[..], &vec![7; 300_000]].concat();
        let stream = frame.repeat(10);
        let mut frames = Frames::new(1 << 20);
        let (mut sent, mut taken) = (0, Vec::new());
        while taken.len() < 10 {
            let room = frames.room();
            let spare = (room.capacity() - room.len()).min(stream.len() - sent);
            room.extend_from_slice(&stream[sent..sent + spare]);
            sent += spare;
            if let Some(frame) = frames.next().unwrap() {
                // The first one is met unprepared.
                assert!(taken.is_empty() || frames.buffered() <= 2 * GROW_MIN, "{}", frames.buffered());
                // Kept, as a log does, so that its memory is not free for the next.
                taken.push(frame);
            }
        }
        assert!(taken.iter().all(|taken| taken == &frame[4..]));
    }

    #[test]
    fn refuses_lengths_that_no_request_has() {
        for bad in [-1i32, i32::MIN, 0, 11, i32::MAX] {
            let mut frames = Frames::new(10);
            feed(&mut frames, &bad.to_be_bytes());
            assert_eq!(frames.next(), Err(BadLength { announced: bad, largest: 10 }));
        }
    }

    #[test]
    fn a_length_alone_reserves_nothing() {
        let mut frames = Frames::new(1 << 30);
        feed(&mut frames, &(1i32 << 29).to_be_bytes());
        for _ in 0..8 {
            let room = frames.room();
            assert!(
                room.capacity() <= 2 * room.len().max(GROW_MIN),
                "{} for {}",
                room.capacity(),
                room.len()
            );
            let spare = room.capacity() - room.len();
            room.extend_from_slice(&vec![0; spare]);
        }
    }
}
