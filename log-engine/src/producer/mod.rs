//! Idempotent producers: who wrote to a partition lately, and what they may write next.
//!
//! A producer numbers its records per partition. The broker keeps the last five batches of each producer and partition,
//! so that a batch sent again is answered with its first offset instead of being stored twice (KIP-98), and refuses a
//! batch that leaves a gap. An epoch tells a producer from its own predecessor: whoever has a lower one is fenced.
mod identity;
mod sequence;
mod state;
mod table;
mod windows;

pub use identity::{Producer, ProducerEpoch, ProducerId};
pub use table::ActiveProducer;
pub use windows::ProducerWindows;

pub(crate) use sequence::Sequence;
pub(crate) use state::{BatchMark, ProducerState};
pub(crate) use table::{ProducerTable, Verdict};
