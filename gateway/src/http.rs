//! The HTTP door.

pub mod console;
pub mod docs;
pub mod front;
pub mod health;
pub mod metrics;
pub mod operations;
pub mod server;
mod unavailable;

/// The description of all endpoints.
#[must_use]
pub fn specification() -> utoipa::openapi::OpenApi {
    operations::endpoints().into_openapi()
}
