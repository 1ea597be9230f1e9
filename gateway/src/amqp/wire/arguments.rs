use super::method::SyntaxError;

/// Walks over a method's arguments, never past their end.
pub struct Arguments<'a> {
    rest: &'a [u8],
}

impl<'a> Arguments<'a> {
    pub fn new(bytes: &'a [u8]) -> Arguments<'a> {
        Arguments { rest: bytes }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], SyntaxError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(SyntaxError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SyntaxError> {
        self.take(N)?.try_into().map_err(|_| SyntaxError::Truncated)
    }

    /// Eight flags, the first in the lowest bit.
    pub fn bits(&mut self) -> Result<u8, SyntaxError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub fn short(&mut self) -> Result<u16, SyntaxError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub fn long(&mut self) -> Result<u32, SyntaxError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn longlong(&mut self) -> Result<u64, SyntaxError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A short string as the bytes that it is.
    pub fn shortstr_bytes(&mut self) -> Result<&'a [u8], SyntaxError> {
        let [len] = self.array()?;
        self.take(usize::from(len))
    }

    /// A short string; names are text here.
    pub fn shortstr(&mut self) -> Result<&'a str, SyntaxError> {
        std::str::from_utf8(self.shortstr_bytes()?).map_err(|_| SyntaxError::NotUtf8)
    }

    pub fn longstr(&mut self) -> Result<&'a [u8], SyntaxError> {
        let len = self.long()?;
        self.take(len as usize)
    }

    /// A field table without its leading length, unread.
    pub fn table(&mut self) -> Result<&'a [u8], SyntaxError> {
        self.longstr()
    }

    /// What a method must end with: nothing.
    pub fn end(&self) -> Result<(), SyntaxError> {
        if self.rest.is_empty() { Ok(()) } else { Err(SyntaxError::Trailing) }
    }
}
