//! Kafka's RecordBatch v2, byte for byte as a producer sends it and as a fetch returns it.
//!
//! A producer's batch is checked once by [`Batch::validate`], outside the owner of the partition; after that the
//! type says that it is sound, and storing it costs nothing per record.
mod builder;
mod compression;
mod control;
mod error;
mod filtering;
mod header;
mod recompression;
mod records;
mod survey;
mod validated;
mod varint;

pub use builder::BatchBuilder;
pub use compression::{Codec, Compression};
pub use control::ControlRecord;
pub use error::BatchError;
pub(crate) use filtering::{Filtered, emptied, filler, filter, with_horizon};
pub(crate) use header::crc32c;
pub use header::{BatchHeader, HEADER_LEN, TimestampType, checksum_matches};
pub use records::{Record, RecordHeaders, RecordIter, RecordSet};
pub(crate) use survey::Survey;
pub use validated::Batch;

#[cfg(test)]
mod tests;
