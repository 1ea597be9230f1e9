//! Policies as bodies may have them, for the description only: what a policy may set depends on what it is for.

use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, OneOfBuilder, Schema, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::topics::PolicyDefinition;

/// A policy.
pub struct PolicyBody;

/// An operator policy.
pub struct OperatorPolicyBody;

/// What only exchanges have.
const OF_EXCHANGES: [&str; 1] = ["alternate_exchange"];

/// What operators bound.
const OF_OPERATORS: [&str; 6] =
    ["message_ttl_ms", "expires_ms", "max_length", "max_length_bytes", "delivery_limit", "overflow"];

fn definition(keep: impl Fn(&str) -> bool) -> RefOr<Schema> {
    let mut whole = PolicyDefinition::schema();
    if let RefOr::T(Schema::Object(object)) = &mut whole {
        object.properties.retain(|name, _| keep(name));
    }
    whole
}

/// A policy for one of `apply_to`, which may be left out if that is `all`.
fn policy(apply_to: &[&str], sets: RefOr<Schema>) -> ObjectBuilder {
    let pattern = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::Custom("regex".to_owned())))
        .max_length(Some(1024))
        .description(Some(
            "A regular expression that is looked for in names, without that of the virtual host. It neither looks around \
             nor refers back.",
        ));
    let target = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(apply_to.to_vec()))
        .description(Some("What it is for; `all` unless said."));
    let priority = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(i32::MIN))
        .maximum(Some(i32::MAX))
        .default(Some(json!(0)))
        .description(Some(
            "Of several policies that match, the one with the highest priority is in force, alone.",
        ));
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .property("pattern", pattern)
        .required("pattern")
        .property("apply_to", target)
        .property("priority", priority)
        .property("definition", sets)
        .required("definition");
    if apply_to.contains(&"all") { object } else { object.required("apply_to") }
}

impl PartialSchema for PolicyBody {
    fn schema() -> RefOr<Schema> {
        let queues = ["queues", "classic_queues", "quorum_queues"];
        let of_exchanges = |name: &str| OF_EXCHANGES.contains(&name);
        let one_of = OneOfBuilder::new()
            .item(policy(&["all"], definition(|_| true)))
            .item(policy(&queues, definition(|name| !of_exchanges(name))))
            .item(policy(&["exchanges"], definition(of_exchanges)))
            .description(Some("Settings for every queue and exchange whose name matches."))
            .examples([json!({"pattern": "^orders\\.", "definition": {"max_length": 100_000}})]);
        RefOr::T(one_of.build().into())
    }
}

impl ToSchema for PolicyBody {}

impl PartialSchema for OperatorPolicyBody {
    fn schema() -> RefOr<Schema> {
        let queues = ["all", "queues", "classic_queues", "quorum_queues"];
        let bounds = policy(&queues, definition(|name| OF_OPERATORS.contains(&name)))
            .description(Some("Bounds for every queue whose name matches."))
            .examples([json!({"pattern": "^orders\\.", "definition": {"max_length": 100_000}})]);
        RefOr::T(bounds.build().into())
    }
}

impl ToSchema for OperatorPolicyBody {}
