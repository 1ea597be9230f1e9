//! Parameters of paths and query strings, for the description: `query` and `path` read them.

#![allow(dead_code, reason = "described, never built")]

use utoipa::{IntoParams, ToSchema};

/// A topic in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct TopicPath {
    /// The topic's name, percent-encoded (`vhost%2Fname`).
    #[param(min_length = 1, max_length = 255, example = "orders")]
    pub topic: String,
}

/// How durable it must be before the answer comes.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum AcksName {
    /// On disk. The default.
    All,
    /// In the operating system's page cache.
    Leader,
    /// The answer does not wait.
    None,
}

/// How values are shown.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum ValuesName {
    /// As the content type says. The default.
    Auto,
    /// As JSON where they are JSON.
    Json,
    /// As text where they are UTF-8.
    Text,
    /// As base64.
    Base64,
}

/// Durability.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AcksQuery {
    /// How durable it must be before the answer comes: on disk (the default), in the page cache, or not at all.
    #[param(inline, required = false)]
    pub acks: AcksName,
}

/// Rendering.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ValuesQuery {
    /// How values are shown in JSON.
    #[param(inline, required = false)]
    pub values: ValuesName,
}

/// A page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Most entries of the page; 100 unless said.
    #[param(required = false, minimum = 1, maximum = 1000, default = 100)]
    pub limit: u32,
}

/// Which virtual host a list is of.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OfHostQuery {
    /// Only those of this virtual host.
    #[param(required = false, min_length = 1, max_length = 127)]
    pub vhost: String,
}

/// The names of the page's parameters.
pub const PAGE: [&str; 2] = ["limit", "cursor"];
