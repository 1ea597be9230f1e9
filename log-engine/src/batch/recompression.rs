use bytes::BytesMut;

use super::header::{self, BatchHeader};
use super::{Batch, BatchError, Compression, HEADER_LEN, RecordSet};

impl Batch {
    /// The same records compressed as asked; untouched when they are compressed with that codec already, at whatever
    /// level. Compressed records may grow to `decompressed_max` bytes on the way.
    pub fn recompress(self, to: Compression, decompressed_max: usize) -> Result<Batch, BatchError> {
        if self.header().codec()? == to.codec() {
            return Ok(self);
        }
        let set = RecordSet::open(self.as_bytes(), decompressed_max)?;
        let mut bytes = BytesMut::with_capacity(HEADER_LEN + set.content().len() / 2);
        let header = encode(&mut bytes, self.header(), set.content(), to)?;
        drop(set);
        Ok(self.rewritten(bytes, header))
    }
}

/// Writes a whole batch into an empty buffer: a header like this one, in front of these records compressed so.
pub(super) fn encode(
    out: &mut BytesMut,
    like: &BatchHeader,
    records: &[u8],
    to: Compression,
) -> Result<BatchHeader, BatchError> {
    assert!(out.is_empty(), "a batch begins a buffer");
    out.resize(HEADER_LEN, 0);
    to.compress(records, out).map_err(|_| BatchError::Malformed("it cannot be compressed"))?;
    let mut header = BatchHeader { total_len: out.len(), ..*like };
    header.set_codec(to.codec());
    if let Some(head) = out.first_chunk_mut::<HEADER_LEN>() {
        header::write(head, &header);
    }
    header.crc = header::seal(out);
    Ok(header)
}
