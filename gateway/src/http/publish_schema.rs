//! What can be published, for the description only: `codec::json_message` and `codec::cloudevents` read it.

#![allow(dead_code, reason = "described, never built")]

use serde_json::{Value, json};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::codec::json_message::MAX_MS;

/// Base64 with padding.
pub const BASE64_PATTERN: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";

/// Messages to publish.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"messages": [{"key": "customer-7", "value": {"total": 12.5}}, {"value": "text"}]}))]
pub struct PublishBody {
    /// In this order.
    messages: Vec<PublishMessage>,
}

/// A message: exactly one of `value` and `value_base64`, at most one of `key` and `key_base64`, and of the two times.
pub struct PublishMessage;

/// A CloudEvent 1.0 in JSON.
pub struct CloudEvent;

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn any() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue)
}

fn nullable(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]))
}

fn whole(max: i64) -> ObjectBuilder {
    nullable(Type::Integer).minimum(Some(0)).maximum(Some(max as f64))
}

fn base64() -> ObjectBuilder {
    text().pattern(Some(BASE64_PATTERN)).format(Some(SchemaFormat::KnownFormat(KnownFormat::Byte)))
}

fn closed() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

fn header_name() -> ObjectBuilder {
    text().min_length(Some(1)).max_length(Some(255))
}

fn headers() -> Schema {
    let name = || header_name().description(Some("May repeat"));
    let with = |member: &str, schema: ObjectBuilder| {
        closed().property("name", name()).required("name").property(member, schema).required(member)
    };
    let item = OneOfBuilder::new().item(with("value", any())).item(with("value_base64", base64()));
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(header_name()))
        .additional_properties(Some(RefOr::T(Schema::from(any().build()))))
        .description(Some("Names are unique"));
    OneOfBuilder::new()
        .item(ArrayBuilder::new().items(RefOr::T(Schema::from(item.build()))))
        .item(object)
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .description(Some("A list, or an object where names are unique"))
        .build()
        .into()
}

/// A moment: milliseconds since the epoch, or a time as in RFC 3339.
pub struct Moment;

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        RefOr::T(moment())
    }
}

impl ToSchema for Moment {}

fn moment() -> Schema {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^20[2-9][0-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?Z$"))
        .description(Some("As in RFC 3339; other offsets than Z are taken as well"));
    let number =
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(MAX_MS as f64));
    OneOfBuilder::new()
        .item(number)
        .item(text)
        .description(Some("Milliseconds since the epoch, or a time"))
        .build()
        .into()
}

/// How a message says when it becomes ready.
#[derive(Clone, Copy)]
enum Ready {
    /// After a while, or at once.
    After,
    /// At a moment.
    At,
}

/// One of the ways to give key, value and time.
fn message(key: (&str, ObjectBuilder, bool), value: (&str, ObjectBuilder), ready: Ready) -> ObjectBuilder {
    let (key, key_schema, key_required) = key;
    let absent = || ObjectBuilder::new().schema_type(Type::Null);
    let object = match ready {
        Ready::After => closed()
            .property("delay_ms", whole(MAX_MS).description(Some("Queues: wait before it is ready")))
            .property("deliver_at", absent()),
        Ready::At => {
            closed().property("delay_ms", absent()).property("deliver_at", moment()).required("deliver_at")
        }
    };
    let object = object
        .property(value.0, value.1)
        .required(value.0)
        .property(key, key_schema.description(Some("Orders and partitions")))
        .property("headers", headers())
        .property("content_type", nullable(Type::String).min_length(Some(1)).max_length(Some(255)))
        .property("priority", whole(255).description(Some("Queues: higher first")))
        .property("ttl_ms", whole(MAX_MS).description(Some("Queues: life from now on")))
        .property("partition", whole(i64::from(i32::MAX)).description(Some("Logs: where to put it")))
        .property("timestamp", whole(MAX_MS).description(Some("Logs: milliseconds since the epoch")))
        .property("message_id", nullable(Type::String).max_length(Some(255)))
        .property("correlation_id", nullable(Type::String).max_length(Some(255)))
        .property("reply_to", nullable(Type::String).max_length(Some(255)));
    if key_required { object.required(key) } else { object }
}

impl PartialSchema for PublishMessage {
    fn schema() -> RefOr<Schema> {
        let value = || {
            (
                "value",
                any().description(Some("Text is stored as it is, other JSON as JSON; null is a tombstone")),
            )
        };
        let raw = || ("value_base64", base64());
        let key = || ("key", nullable(Type::String), false);
        let raw_key = || ("key_base64", base64(), true);
        let mut one_of = OneOfBuilder::new();
        for ready in [Ready::After, Ready::At] {
            one_of = one_of
                .item(message(key(), value(), ready))
                .item(message(key(), raw(), ready))
                .item(message(raw_key(), value(), ready))
                .item(message(raw_key(), raw(), ready));
        }
        let one_of = one_of.description(Some(
            "Exactly one of `value` and `value_base64`, at most one of `key` and `key_base64`, and of `delay_ms` and \
             `deliver_at`.",
        ));
        RefOr::T(one_of.build().into())
    }
}

impl ToSchema for PublishMessage {}

fn event(data: (&str, ObjectBuilder, bool), names: &str) -> ObjectBuilder {
    let filled = || text().min_length(Some(1));
    // An attribute that is `null` is one that is not there.
    let optional = || nullable(Type::String).min_length(Some(1));
    let extension = OneOfBuilder::new()
        .item(nullable(Type::String))
        .item(ObjectBuilder::new().schema_type(Type::Boolean))
        .item(
            ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(i32::MIN)).maximum(Some(i32::MAX)),
        );
    let (data, schema, required) = data;
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("specversion", text().enum_values(Some([json!("1.0")])))
        .required("specversion")
        .property("id", filled())
        .required("id")
        .property("source", filled())
        .required("source")
        .property("type", filled())
        .required("type")
        .property("subject", optional())
        .property(
            "time",
            nullable(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
        )
        .property("dataschema", optional())
        .property("datacontenttype", optional())
        .property("partitionkey", optional())
        .property(data, schema)
        .property_names(Some(text().pattern(Some(names))))
        .additional_properties(Some(RefOr::T(Schema::from(extension.build()))));
    if required { object.required(data) } else { object }
}

impl PartialSchema for CloudEvent {
    fn schema() -> RefOr<Schema> {
        let example: Value = json!({"specversion": "1.0", "id": "1", "source": "/sensors/7",
            "type": "org.example.reading", "data": {"celsius": 21.5}});
        let one_of = OneOfBuilder::new()
            .item(event(("data", any(), false), "^[a-z0-9]{1,40}$"))
            .item(event(
                (
                    "data_base64",
                    base64().schema_type(SchemaType::from_iter([Type::String, Type::Null])),
                    true,
                ),
                "^(?!data$)([a-z0-9]{1,40}|data_base64)$",
            ))
            .examples([example]);
        RefOr::T(one_of.build().into())
    }
}

impl ToSchema for CloudEvent {}
