/// Bytes of a frame beside its payload: type, channel, length, end mark.
pub const FRAME_OVERHEAD: usize = 8;
const HEADER: usize = 7;
const END: u8 = 0xCE;
/// Clients are known to count a frame's own eight bytes wrongly; RabbitMQ lets them, and so must whoever serves them.
const TOLERANCE: usize = 8;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A method and its arguments.
    Method,
    /// The class, size and properties of what follows.
    Header,
    /// A stretch of a body.
    Body,
    /// A sign of life.
    Heartbeat,
}

impl FrameKind {
    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            FrameKind::Method => 1,
            FrameKind::Header => 2,
            FrameKind::Body => 3,
            FrameKind::Heartbeat => 8,
        }
    }

    fn from_number(number: u8) -> Option<FrameKind> {
        Some(match number {
            1 => FrameKind::Method,
            2 => FrameKind::Header,
            3 => FrameKind::Body,
            8 => FrameKind::Heartbeat,
            _ => return None,
        })
    }
}

/// One frame, its payload still where it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it carries.
    pub kind: FrameKind,
    /// Which channel it belongs to; 0 is the connection.
    pub channel: u16,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Bytes that are no frame. What follows them cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError<'a> {
    /// Longer than was agreed.
    TooLarge {
        /// Bytes of its payload.
        size: usize,
        /// What was agreed, with the frame's own bytes.
        most: usize,
        /// Its type as sent.
        kind: u8,
    },
    /// The mark at its end is missing.
    NoEnd {
        /// Its type as sent.
        kind: u8,
        /// What it carries.
        payload: &'a [u8],
        /// What stands where the mark belongs.
        end: u8,
    },
    /// A type that does not exist.
    UnknownType {
        /// Its type as sent.
        kind: u8,
        /// What it carries.
        payload: &'a [u8],
    },
}

/// The first frame of `input` and how many bytes it takes; `None` while it is not complete.
///
/// `most` is the largest whole frame that was agreed. The size is checked as soon as it is known.
pub fn next_frame(input: &[u8], most: usize) -> Result<Option<(Frame<'_>, usize)>, FrameError<'_>> {
    let Some((&[kind, ch, cl, a, b, c, d], rest)) = input.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let size = u32::from_be_bytes([a, b, c, d]) as usize;
    if size.saturating_add(FRAME_OVERHEAD) > most.saturating_add(TOLERANCE) {
        return Err(FrameError::TooLarge { size, most, kind });
    }
    let Some((payload, after)) = rest.split_at_checked(size) else { return Ok(None) };
    let Some(end) = after.first() else { return Ok(None) };
    if *end != END {
        return Err(FrameError::NoEnd { kind, payload, end: *end });
    }
    let channel = u16::from_be_bytes([ch, cl]);
    let kind = FrameKind::from_number(kind).ok_or(FrameError::UnknownType { kind, payload })?;
    Ok(Some((Frame { kind, channel, payload }, size + FRAME_OVERHEAD)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, channel: u16, payload: &[u8], end: u8) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend(channel.to_be_bytes());
        bytes.extend((payload.len() as u32).to_be_bytes());
        bytes.extend(payload);
        bytes.push(end);
        bytes
    }

    #[test]
    fn a_frame_is_read_once_it_is_whole() {
        let bytes = frame(1, 258, b"abc", END);
        for cut in 0..bytes.len() {
            assert_eq!(next_frame(&bytes[..cut], 4096), Ok(None), "{cut} bytes");
        }
        let (read, taken) = next_frame(&bytes, 4096).unwrap().unwrap();
        assert_eq!(read, Frame { kind: FrameKind::Method, channel: 258, payload: b"abc" });
        assert_eq!(taken, bytes.len());
    }

    #[test]
    fn eight_bytes_too_many_are_let_through_and_nine_are_not() {
        let just = frame(3, 1, &vec![0; 4096], END);
        assert!(next_frame(&just, 4096).unwrap().is_some());
        let over = frame(3, 1, &vec![0; 4097], END);
        // The length alone tells: the rest need not have come.
        assert!(matches!(next_frame(&over[..7], 4096), Err(FrameError::TooLarge { size: 4097, .. })));
    }

    #[test]
    fn what_is_no_frame_is_named() {
        assert_eq!(
            next_frame(&frame(1, 0, b"x", 0), 4096),
            Err(FrameError::NoEnd { kind: 1, payload: b"x", end: 0 })
        );
        assert_eq!(
            next_frame(&frame(9, 0, b"x", END), 4096),
            Err(FrameError::UnknownType { kind: 9, payload: b"x" })
        );
    }
}
