use bytes::BytesMut;

use super::BatchError;

/// Bytes that `value` takes as a zigzag varint.
pub(super) fn len(value: i64) -> usize {
    let zigzag = zigzag(value);
    // 7 bits a byte; zero takes one byte too.
    (70 - (zigzag | 1).leading_zeros() as usize) / 7
}

/// The numbers in front of a record's fields, gathered so that they are copied at once.
pub(super) struct Numbers {
    bytes: [u8; Numbers::ROOM],
    len: usize,
}

impl Numbers {
    /// A timestamp of ten bytes and seven other numbers of five fit.
    const ROOM: usize = 48;

    pub(super) fn new() -> Numbers {
        Numbers { bytes: [0; Numbers::ROOM], len: 0 }
    }

    pub(super) fn byte(&mut self, byte: u8) -> &mut Numbers {
        self.bytes[self.len] = byte;
        self.len += 1;
        self
    }

    pub(super) fn varint(&mut self, value: i64) -> &mut Numbers {
        let mut rest = zigzag(value);
        while rest >= 0x80 {
            self.byte(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.byte(rest as u8)
    }

    /// Moves what was gathered to `out`.
    pub(super) fn flush(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(&self.bytes[..self.len]);
        self.len = 0;
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads the parts of records from bytes that may be anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], BatchError> {
        let (taken, rest) =
            self.rest.split_at_checked(len).ok_or(BatchError::Malformed("a record ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, BatchError> {
        let (first, rest) =
            self.rest.split_first().ok_or(BatchError::Malformed("a record ends too early"))?;
        self.rest = rest;
        Ok(*first)
    }

    /// Cuts the next record off: what follows its length.
    pub(super) fn record(&mut self) -> Result<Cursor<'a>, BatchError> {
        let len = usize::try_from(self.varint()?)
            .map_err(|_| BatchError::Malformed("a record's length is negative"))?;
        Ok(Cursor::new(self.take(len)?))
    }

    /// A zigzag varint. Most numbers of a record take one byte or two.
    #[inline]
    pub(super) fn varlong(&mut self) -> Result<i64, BatchError> {
        match *self.rest {
            [low, ref rest @ ..] if low < 0x80 => {
                self.rest = rest;
                Ok(unzigzag(u64::from(low)))
            }
            [low, high, ref rest @ ..] if high < 0x80 => {
                self.rest = rest;
                Ok(unzigzag(u64::from(low & 0x7f) | u64::from(high) << 7))
            }
            _ => self.long_varlong(),
        }
    }

    fn long_varlong(&mut self) -> Result<i64, BatchError> {
        let mut value = 0u64;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            // The tenth byte has room for one bit only.
            if shift == 63 && byte > 1 {
                return Err(BatchError::Malformed("a number has too many digits"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(unzigzag(value));
            }
            shift += 7;
        }
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<i32, BatchError> {
        i32::try_from(self.varlong()?).map_err(|_| BatchError::Malformed("a number is too large"))
    }

    /// A length-prefixed field; -1 is null.
    #[inline]
    pub(super) fn nullable(&mut self) -> Result<Option<&'a [u8]>, BatchError> {
        match self.varint()? {
            -1 => Ok(None),
            len => {
                let len = usize::try_from(len).map_err(|_| BatchError::Malformed("a length is negative"))?;
                self.take(len).map(Some)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(value: i64, small in -200i64..200) {
            for value in [value, small, i64::MIN, i64::MAX] {
                let mut out = BytesMut::new();
                Numbers::new().varint(value).flush(&mut out);
                prop_assert_eq!(out.len(), len(value));
                let mut cursor = Cursor::new(&out);
                prop_assert_eq!(cursor.varlong(), Ok(value));
                prop_assert!(cursor.is_empty());
            }
        }
    }

    #[test]
    fn refuses_endless_and_cut_numbers() {
        assert!(Cursor::new(&[0xff; 20]).varlong().is_err());
        assert!(Cursor::new(&[0x80]).varlong().is_err());
        assert!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0x7f]).varint().is_err());
    }
}
