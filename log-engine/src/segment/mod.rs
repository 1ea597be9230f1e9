//! A partition's own files: a segment is a run of batches with an offset index, a time index and, where transactions
//! were aborted, an index of those beside it, all in Kafka's formats.
mod aborted_index;
mod cache;
mod index;
mod offset_index;
mod reader;
mod rebuild;
mod salvage;
mod state;
mod time_index;
mod write_buffer;
mod writer;

pub(crate) use aborted_index::AbortedCount;
pub(crate) use cache::SegmentCache;
pub(crate) use reader::{SegmentFault, Want, newest_in_batch, read};
pub(crate) use salvage::{Found, Salvage};
pub(crate) use state::{PartitionDir, Segment, SegmentFiles, SegmentName, SegmentState};
pub(crate) use write_buffer::WriteBuffer;
pub(crate) use writer::{LastPage, Piece, SegmentWriter, WriterConfig, Written};
