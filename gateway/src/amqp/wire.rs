//! AMQP 0-9-1 on the wire: frames, methods, content headers. Bytes in, values out, and back; nothing of their meaning.
//!
//! Header tables and properties pass through raw, so that what one client wrote another reads byte for byte: order,
//! duplicates and RabbitMQ's field types included.

mod arguments;
mod content;
mod frame;
mod method;
#[cfg(test)]
mod oracle_tests;
mod output;
mod reply;
mod table;

pub use content::{ContentHeader, put_content};
pub use frame::{FRAME_OVERHEAD, Frame, FrameError, FrameKind, next_frame};
pub use method::{Binding, ConsumeFlags, Method, MethodId, SyntaxError};
pub use output::Output;
pub use reply::Reply;
pub use table::{describe_value, put_table};
