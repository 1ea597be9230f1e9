//! The nouns that every part of Sluice shares: names, time, headers, error codes, limits.
//!
//! **Invariant:** this crate knows no protocol, no file and no clock.
//!
//! ```
//! use message::TopicName;
//! assert!(TopicName::new("orders").is_ok());
//! assert!(TopicName::new("").is_err());
//! ```
mod error_code;
mod headers;
mod limits;
mod name;
mod time;

pub use error_code::ErrorCode;
pub use headers::{HeaderError, HeaderTable, HeaderTableBuilder, HeaderValue};
pub use limits::Limits;
pub use name::{ExchangeName, GroupName, NameError, TopicName};
pub use time::Timestamp;
