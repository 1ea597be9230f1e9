//! Exchanges and bindings in JSON, for the description only: the seam's own types are read and written.

#![allow(dead_code, reason = "described, never built")]

use utoipa::openapi::schema::{AdditionalProperties, Schema, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::topics::{DestinationType, EffectiveExchange, ExchangeKind, HashProperty};

/// An exchange to make: what may be said beside the type depends on it.
pub struct NewExchange;

const NAME: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^.\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$";

fn text(about: &str, pattern: Option<&str>) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
    text.pattern(pattern).description(Some(about))
}

fn one_of(about: &str, names: &[&'static str]) -> ObjectBuilder {
    let names = names.iter().copied();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).description(Some(about))
}

/// An exchange of one of these types, with what every exchange may have.
fn exchange_of(types: &[&'static str]) -> ObjectBuilder {
    let flag = |about: &str, default: bool| {
        let flag = ObjectBuilder::new().schema_type(Type::Boolean).default(Some(default.into()));
        flag.description(Some(about))
    };
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("type", one_of("How it chooses.", types))
        .required("type")
        .property("durable", flag("Whether it survives a restart.", true))
        .property("auto_delete", flag("Whether it goes with its last binding.", false))
        .property("internal", flag("Whether only other exchanges may publish to it.", false))
        .property("alternate_exchange", text("Where messages go that no binding takes.", Some(NAME)))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

impl PartialSchema for NewExchange {
    fn schema() -> RefOr<Schema> {
        let plain = ["direct", "fanout", "topic", "headers", "modulus-hash", "random", "local-random"];
        let header = "The header whose value is hashed instead of the routing key.";
        let property = "The property that is hashed instead of the routing key.";
        let properties = ["message_id", "correlation_id", "timestamp"];
        let length = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(10_000))
            .default(Some(20.into()))
            .description(Some("How many messages a new binding gets."));
        let inner: Vec<&str> = plain.iter().copied().chain(["consistent-hash"]).collect();
        let one_of = OneOfBuilder::new()
            .item(exchange_of(&plain))
            .item(exchange_of(&["consistent-hash"]).property("hash_header", text(header, None)))
            .item(
                exchange_of(&["consistent-hash"])
                    .property("hash_property", one_of(property, &properties))
                    .required("hash_property"),
            )
            .item(exchange_of(&["recent-history"]).property("history_length", length))
            .item(
                exchange_of(&["delayed-message"])
                    .property("delayed_type", one_of("How it chooses once the delay is over.", &inner))
                    .required("delayed_type"),
            )
            .examples([serde_json::json!({"type": "topic"})]);
        RefOr::T(one_of.build().into())
    }
}

impl ToSchema for NewExchange {}

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
    /// For consistent-hash: the header whose value is hashed instead of the routing key.
    #[schema(required = false, min_length = 1, max_length = 255)]
    hash_header: String,
    /// For consistent-hash: the property that is hashed instead of the routing key.
    #[schema(required = false)]
    hash_property: HashProperty,
    /// For recent-history: how many messages a new binding gets, 20 if nothing is said.
    #[schema(required = false, minimum = 1, maximum = 10000)]
    history_length: u32,
    /// For delayed-message, where it is needed: how the exchange chooses once the delay is over.
    #[schema(required = false)]
    delayed_type: ExchangeKind,
    /// The policy in force.
    #[schema(required = false)]
    policy: String,
    /// What it does with what the policy says, where that makes a difference.
    #[schema(required = false)]
    effective: EffectiveExchange,
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
    #[schema(required = false, max_length = 255, pattern = "^([ -~]{0,255}|[\\s\\S]{0,63})$", default = "")]
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
