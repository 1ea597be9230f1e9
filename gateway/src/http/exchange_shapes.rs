//! Exchanges and bindings in JSON, for the description only: the seam's own types are read and written.

#![allow(dead_code, reason = "described, never built")]

use utoipa::openapi::schema::{AdditionalProperties, Schema, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::topics::{DestinationType, ExchangeKind};

/// An exchange to make.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"type": "topic"}))]
pub struct NewExchange {
    /// How it chooses.
    #[schema(rename = "type")]
    r#type: ExchangeKind,
    /// Whether it survives a restart.
    #[schema(required = false, default = true)]
    durable: bool,
    /// Whether it goes with its last binding.
    #[schema(required = false, default = false)]
    auto_delete: bool,
    /// Whether only other exchanges may publish to it.
    #[schema(required = false, default = false)]
    internal: bool,
    /// Where messages go that no binding takes.
    #[schema(
        required = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^.\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    alternate_exchange: String,
}

/// An exchange.
#[derive(ToSchema)]
pub struct Exchange {
    /// Its name.
    name: String,
    /// How it chooses.
    #[schema(rename = "type")]
    r#type: ExchangeKind,
    /// Whether it survives a restart.
    durable: bool,
    /// Whether it goes with its last binding.
    auto_delete: bool,
    /// Whether only other exchanges may publish to it.
    internal: bool,
    /// Where messages go that no binding takes.
    #[schema(required = false)]
    alternate_exchange: String,
}

/// A way from an exchange to a topic or another exchange.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"source": "router", "destination": "orders", "destination_type": "queue", "routing_key": "eu.#"}))]
pub struct NewBinding {
    /// The exchange.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^.\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    source: String,
    /// The topic or exchange.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^.\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    destination: String,
    /// What the destination is.
    destination_type: DestinationType,
    /// The key or pattern.
    #[schema(required = false, max_length = 255, pattern = "^[ -~]*$", default = "")]
    routing_key: String,
    /// What a headers exchange compares; `x-match` is `all`, `any`, `all-with-x` or `any-with-x`.
    #[schema(required = false)]
    arguments: Arguments,
}

/// A binding.
#[derive(ToSchema)]
pub struct Binding {
    /// The same binding always has the same.
    id: String,
    /// The exchange.
    source: String,
    /// The topic or exchange.
    destination: String,
    /// What the destination is.
    destination_type: DestinationType,
    /// The key or pattern.
    routing_key: String,
    /// What a headers exchange compares.
    #[schema(required = false)]
    arguments: Arguments,
}

/// Named values of any kind.
pub struct Arguments;

impl PartialSchema for Arguments {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
        // `x-match` means something to the broker, hence has rules of its own.
        let how = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([
            "all",
            "any",
            "all-with-x",
            "any-with-x",
        ]));
        let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property("x-match", how)
            .property_names(Some(name))
            .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(any.build().into()))))
            .build()
            .into()
    }
}

impl ToSchema for Arguments {}
