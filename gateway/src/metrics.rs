//! What the server counts, and how Prometheus reads it.
//!
//! Counting on the hot path is one atomic addition on a place that was found beforehand. Everything that has to be
//! looked up, summed or named happens when somebody reads `/metrics`.
//!
//! Names are those that dashboards for Kafka (`kafka_exporter`) and RabbitMQ (`rabbitmq_prometheus`) know, and
//! `sluice_*` for the rest.

mod exposition;
mod family;
mod histogram;
pub mod http_counters;
mod objects;
mod process;
pub mod route;
mod snapshot;

pub use exposition::{Detail, Process, render};
pub use histogram::{Histogram, HistogramFigures};
pub use http_counters::HttpCounters;
pub use process::{machine_bytes, open_files, open_files_max, resident_bytes};
pub use snapshot::{
    GroupFigures, GroupPartitionFigures, JournalFigures, LogFigures, PartitionFigures, QueueFigures,
    Snapshot, Totals,
};
