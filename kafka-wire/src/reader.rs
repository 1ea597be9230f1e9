use bytes::{Buf, Bytes, BytesMut};

/// Why bytes are not the message that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// They end too early.
    #[error("the message ends too early")]
    Truncated,
    /// A length is negative, or a varint has no end.
    #[error("a length is not valid")]
    Length,
    /// Something is null that must not be.
    #[error("a field is null that must not be")]
    Null,
    /// Text is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// The elements would take more memory than the message is worth.
    #[error("the message has too many elements")]
    Budget,
}

/// Memory that the elements of one message may take beside its own bytes, whatever its size.
const BUDGET_BASE: usize = 1 << 20;
/// The same for each byte of the message: an element takes up to some tens of times what it is on the wire.
const BUDGET_PER_BYTE: usize = 32;
/// The most that the elements of one message may take.
const BUDGET_MAX: usize = 64 << 20;

/// Reads one message from front to back.
#[derive(Debug)]
pub struct Reader {
    bytes: BytesMut,
    at: usize,
    budget: usize,
}

impl Reader {
    /// Over exactly one message.
    #[must_use]
    pub fn new(bytes: BytesMut) -> Reader {
        let budget = bytes.len().saturating_mul(BUDGET_PER_BYTE).saturating_add(BUDGET_BASE).min(BUDGET_MAX);
        Reader { bytes, at: 0, budget }
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&[u8], WireError> {
        let end = self.at.checked_add(len).ok_or(WireError::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(WireError::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.take(N)?.first_chunk().copied().ok_or(WireError::Truncated)
    }

    /// The next `len` bytes, split off without a copy.
    pub fn split(&mut self, len: usize) -> Result<BytesMut, WireError> {
        if len > self.remaining() {
            return Err(WireError::Truncated);
        }
        self.bytes.advance(self.at);
        self.at = 0;
        Ok(self.bytes.split_to(len))
    }

    /// The next `len` bytes, copied: what is kept must not hold the whole message.
    pub fn copy(&mut self, len: usize) -> Result<Bytes, WireError> {
        self.take(len).map(Bytes::copy_from_slice)
    }

    /// An unsigned variable-length number.
    pub fn uvarint(&mut self) -> Result<u32, WireError> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Length)
    }

    /// Takes `count` elements of `size` bytes of memory from the budget.
    pub(crate) fn spend(&mut self, count: usize, size: usize) -> Result<(), WireError> {
        // Nothing on the wire takes less than a byte.
        if count > self.remaining() {
            return Err(WireError::Truncated);
        }
        self.budget = self.budget.checked_sub(count.saturating_mul(size)).ok_or(WireError::Budget)?;
        Ok(())
    }

    /// Steps over the tagged fields that a version does not know.
    pub(crate) fn skip_tagged(&mut self) -> Result<(), WireError> {
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let len = self.uvarint()? as usize;
            self.take(len)?;
        }
        Ok(())
    }
}
