//! `application/vnd.sluice.batch`: messages and results, length-prefixed, big-endian.
//!
//! `docs/batch-format.md` has the byte diagrams. Decoding shares payloads with the buffer that they came in.

mod frame;
mod headers;
mod publish;
mod reading;
mod results;

pub use frame::{BatchError, BatchHeader, BatchKind, HEADER_BYTES};
pub use publish::{decode_publish, encode_publish};
pub use reading::{BatchWriter, ReadMessage, RecordsInfo, decode_messages};
pub use results::{RunResult, decode_results, encode_results};

/// The media type.
pub const BATCH_TYPE: &str = "application/vnd.sluice.batch";
