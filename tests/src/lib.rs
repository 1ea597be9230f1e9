//! What the black-box tests share: the real server as a child process, an HTTP client, a WebSocket client that checks
//! every frame against `openapi/asyncapi.yaml`, and waiting for conditions instead of sleeping.
//!
//! Nothing here links the broker, only its codec of Kafka's messages, to speak as a Kafka client. The tests know what a user
//! knows: the command line, the doors and the documents.

pub mod amqp;
pub mod api;
pub mod asyncapi;
pub mod checkout;
pub mod deadline;
pub mod http;
pub mod kafka;
pub mod server;
pub mod socket;

pub use api::{list, values};
pub use http::{Answer, Http};
pub use kafka::Kafka;
pub use server::{Launch, Server};
pub use socket::Socket;
