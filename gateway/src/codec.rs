//! Messages as bytes: what the HTTP and WebSocket doors read and write. Pure: no socket, no clock, no topic.
//!
//! Nothing here allocates per message where a slice of what arrived will do: a payload that needs no unescaping
//! is shared with the request body that it came in.

pub mod batch;
pub mod cloudevents;
pub mod cursor;
pub mod json_depth;
pub mod json_headers;
pub mod json_message;
pub mod json_moment;
pub mod json_objects;
pub mod json_scalar;
pub mod json_trail;
pub mod ndjson;
pub mod problem;
pub mod receipts;
pub mod render;
