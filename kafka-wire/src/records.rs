use bytes::{Bytes, BytesMut};

use crate::{Reader, Version, Wire, WireError, Writer};

/// Record batches on their way in, split off the request without a copy; `None` is null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordsIn(pub Option<BytesMut>);

/// Record batches on their way out, in as many pieces as they are stored in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordsOut(pub Vec<Bytes>);

impl RecordsOut {
    /// Bytes of all pieces.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn read_len(from: &mut Reader, version: Version) -> Result<Option<usize>, WireError> {
    let len =
        if version.flexible { i64::from(from.uvarint()?) - 1 } else { i64::from(i32::read(from, version)?) };
    match len {
        -1 => Ok(None),
        len => usize::try_from(len).map(Some).map_err(|_| WireError::Length),
    }
}

fn write_len(to: &mut Writer, version: Version, len: Option<usize>) {
    match (version.flexible, len) {
        (true, len) => to.uvarint(len.map_or(0, |len| len as u32 + 1)),
        (false, len) => len.map_or(-1, |len| len as i32).write(to, version),
    }
}

impl Wire for RecordsIn {
    fn read(from: &mut Reader, version: Version) -> Result<RecordsIn, WireError> {
        let len = read_len(from, version)?;
        len.map(|len| from.split(len)).transpose().map(RecordsIn)
    }

    fn write(&self, to: &mut Writer, version: Version) {
        write_len(to, version, self.0.as_ref().map(BytesMut::len));
        if let Some(bytes) = &self.0 {
            to.put(bytes);
        }
    }
}

impl Wire for RecordsOut {
    fn read(from: &mut Reader, version: Version) -> Result<RecordsOut, WireError> {
        let len = read_len(from, version)?;
        let bytes = len.filter(|len| *len > 0).map(|len| from.split(len)).transpose()?;
        Ok(RecordsOut(bytes.into_iter().map(BytesMut::freeze).collect()))
    }

    /// Never null: librdkafka misreads a null here.
    fn write(&self, to: &mut Writer, version: Version) {
        write_len(to, version, Some(self.len()));
        self.0.iter().for_each(|piece| to.put_shared(piece));
    }
}
