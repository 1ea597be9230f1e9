//! A partition's own files: a segment is a run of batches with an offset index and a time index beside it, all in
//! Kafka's formats.
mod cache;
mod index;
mod offset_index;
mod reader;
mod rebuild;
mod salvage;
mod state;
mod time_index;
mod writer;

pub(crate) use cache::SegmentCache;
pub(crate) use reader::{SegmentFault, Want, read};
pub(crate) use state::{PartitionDir, Segment, SegmentFiles, SegmentState, file_base};
pub(crate) use writer::{SegmentWriter, WriterConfig, Written};
