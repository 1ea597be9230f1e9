//! The messages of Kafka's wire protocol, up to Kafka 4.2, as Rust types: decode and encode, nothing else.
//!
//! A message is declared by the [`message!`](macros) table of its fields and the versions that have them, as Kafka's
//! protocol guide lists them. Both directions exist for every message, so the broker, its tests and the benchmark's
//! client share one codec.
//!
//! **Invariants:** decoding reserves no memory because a length says so: only for bytes that are there, and for
//! elements only up to a budget ([`Reader::new`]). Record batches are neither copied nor looked into, in either
//! direction. No socket, no clock.
//!
//! ```
//! use bytes::BytesMut;
//! use kafka_wire::{Reader, Version, Wire, Writer, messages::api_versions::ApiVersionsRequest};
//!
//! let request = ApiVersionsRequest { client_software_name: "doc".into(), client_software_version: "1".into() };
//! let version = Version::of::<ApiVersionsRequest>(3);
//! let mut writer = Writer::default();
//! request.write(&mut writer, version);
//! let bytes = writer.finish().concat();
//! let read = ApiVersionsRequest::read(&mut Reader::new(BytesMut::from(&bytes[..])), version)?;
//! assert_eq!(read, request);
//! # Ok::<(), kafka_wire::WireError>(())
//! ```

#[macro_use]
mod macros;
mod header;
pub mod messages;
mod reader;
mod records;
mod uuid;
mod wire;
mod writer;

pub use header::{RequestHeader, write_response_header};
pub use reader::{Reader, WireError};
pub use records::{RecordsIn, RecordsOut};
pub use uuid::Uuid;
pub use wire::{Request, Throttled, Version, Wire};
pub use writer::Writer;
