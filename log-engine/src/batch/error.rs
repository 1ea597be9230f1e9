use message::ErrorCode;

/// Why bytes are not a sound record batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// There are fewer bytes than the batch says it has.
    #[error("the batch ends too early: {0} bytes are missing")]
    Truncated(usize),
    /// There are more bytes than the batch says it has.
    #[error("the batch is followed by {0} bytes that do not belong to it")]
    Trailing(usize),
    /// It is not of version 2, the only one stored.
    #[error("batch magic {0} is not supported; send record batches of version 2")]
    Magic(i8),
    /// The content is not what the producer computed its checksum over.
    #[error("the batch's CRC-32C does not match its content")]
    Checksum,
    /// The header or a record contradicts itself.
    #[error("the batch is malformed: {0}")]
    Malformed(&'static str),
    /// The codec number stands for nothing.
    #[error("compression codec {0} is unknown")]
    Codec(i16),
    /// The compressed content cannot be opened.
    #[error("the batch's {0} content cannot be decompressed")]
    Decompress(&'static str),
    /// The content is larger than may be opened.
    #[error("the batch's content is larger than the limit of {0} bytes when decompressed")]
    TooLarge(usize),
}

impl BatchError {
    /// The code that every door maps to its own.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            BatchError::TooLarge(_) => ErrorCode::TooLarge,
            // Broken on the way: the producer may try again.
            BatchError::Truncated(_) | BatchError::Trailing(_) | BatchError::Checksum => {
                ErrorCode::CorruptMessage
            }
            // As the producer wrote it: trying again helps nobody.
            BatchError::Magic(_)
            | BatchError::Malformed(_)
            | BatchError::Codec(_)
            | BatchError::Decompress(_) => ErrorCode::InvalidRecord,
        }
    }
}
