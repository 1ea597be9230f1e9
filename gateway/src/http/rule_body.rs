//! Permission rules in JSON.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{AdditionalProperties, AnyOfBuilder, ArrayBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::document;
use crate::auth::Subject;
use crate::auth::permission::{CLUSTER, Effect, NameMatch, Operation, Operations, ResourceKind, RuleScope};
use crate::refusal::Refusal;

/// Longest name of a resource.
const NAME_CHARS: usize = 1024;

/// Rules to be added or taken away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesBody {
    /// In any order; all of them or none.
    #[schema(min_items = 1, max_items = 1000)]
    rules: Vec<RuleBody>,
}

impl RulesBody {
    /// The rules that are meant.
    pub fn read(self) -> Result<Vec<(RuleScope, Operations)>, Refusal> {
        if self.rules.is_empty() {
            return Err(Refusal::invalid("/rules", "name at least one rule"));
        }
        self.rules.into_iter().enumerate().map(|(at, rule)| rule.read(at)).collect()
    }
}

/// A rule: who may, or may not, do what to which resources.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleBody {
    /// Whom it is for: `user:NAME`, `group:NAME`, or `*` for everybody.
    #[schema(schema_with = principal_schema)]
    principal: String,
    /// What it is about.
    resource: ResourceBody,
    /// What may be done.
    #[schema(schema_with = given_operations_schema)]
    operations: Vec<String>,
    /// `allow` unless said. What no rule allows is denied, and a denial wins.
    #[serde(default)]
    #[schema(required = false)]
    effect: Effect,
    /// Only from this address.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, schema_with = address_schema)]
    address: Option<IpAddr>,
}

/// Which resources: all of a kind whose names are one name, begin with it, or match a regular expression.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceBody {
    #[serde(rename = "type")]
    kind: ResourceKind,
    #[serde(default, deserialize_with = "document::given")]
    name: Option<String>,
    #[serde(default, rename = "match")]
    name_match: MatchName,
    #[serde(default, deserialize_with = "document::given")]
    vhost: Option<String>,
}

/// How a name is meant.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchName {
    /// It is this one; `*` is every one.
    #[default]
    Literal,
    /// It begins so.
    Prefix,
    /// This regular expression finds something in it.
    Pattern,
}

impl RuleBody {
    fn read(self, at: usize) -> Result<(RuleScope, Operations), Refusal> {
        let refuse = |field: &str, detail: String| Refusal::invalid(format!("/rules/{at}/{field}"), detail);
        let RuleBody { principal, resource, operations: named, effect, address } = self;
        let subject = Subject::parse(&principal);
        let subject =
            subject.ok_or_else(|| refuse("principal", "this is `user:NAME`, `group:NAME` or `*`".into()))?;
        let (kind, vhost) = (resource.kind, resource.vhost.as_deref().map(Box::<str>::from));
        if vhost.as_deref().is_some_and(|vhost| !(1..=127).contains(&vhost.chars().count())) {
            return Err(refuse(
                "resource/vhost",
                "the name of a virtual host has 1 to 127 characters".into(),
            ));
        }
        let name = resource.name_match().map_err(|(field, detail)| refuse(field, detail.into()))?;
        let mut operations = Operations::NONE;
        for (nth, operation) in named.iter().enumerate() {
            let unknown =
                || refuse(&format!("operations/{nth}"), format!("there is no operation {operation:?}"));
            operations = operations.and(Operations::parse(operation).ok_or_else(unknown)?);
        }
        if operations.is_empty() {
            return Err(refuse("operations", "name at least one operation".into()));
        }
        let address = address.map(|address| address.to_canonical());
        Ok((RuleScope { subject, kind, name, vhost, address, effect }, operations))
    }
}

impl ResourceBody {
    /// Which names are meant, or the field that is wrong and why.
    fn name_match(self) -> Result<NameMatch, (&'static str, &'static str)> {
        let name: Box<str> = match (self.kind.only_name(), self.name) {
            (Some(only), None) => only.into(),
            (Some(only), Some(name)) if name == only || name == "*" => only.into(),
            (Some(_), Some(_)) => {
                return Err(("resource/name", "there is one cluster, `kafka-cluster`: leave the name out"));
            }
            (None, Some(name)) if (1..=NAME_CHARS).contains(&name.chars().count()) => name.into(),
            (None, _) => {
                return Err(("resource/name", "say which, in 1 to 1024 characters; `*` is every one"));
            }
        };
        match self.name_match {
            MatchName::Literal => Ok(NameMatch::Literal(name)),
            _ if self.kind.only_name().is_some() => {
                Err(("resource/match", "there is one cluster: its name is `literal`"))
            }
            MatchName::Prefix => Ok(NameMatch::Prefix(name)),
            MatchName::Pattern => Ok(NameMatch::Pattern(name)),
        }
    }
}

/// A rule as it stands.
#[derive(Serialize, ToSchema)]
pub struct RuleDescription {
    /// Names it; it is made of whom and what the rule is for.
    #[schema(pattern = "^[0-9a-f]{20}$", example = "00112233445566778899")]
    pub id: String,
    /// Whom it is for.
    #[schema(example = "user:alice")]
    principal: String,
    /// What it is about.
    resource: RuleResource,
    /// What may be done; nothing when the rule is gone.
    #[schema(schema_with = operations_schema)]
    operations: Vec<&'static str>,
    /// Whether it allows or denies.
    effect: Effect,
    /// Only from this address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, schema_with = address_schema)]
    address: Option<IpAddr>,
}

/// What a rule is about.
#[derive(Serialize, ToSchema)]
pub struct RuleResource {
    /// The kind of resource.
    #[serde(rename = "type")]
    kind: ResourceKind,
    /// The name, prefix or regular expression.
    name: String,
    /// How the name is meant.
    #[serde(rename = "match")]
    name_match: MatchName,
    /// The virtual host that the name is one of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String)]
    vhost: Option<String>,
}

impl RuleDescription {
    /// A rule with the operations that it has.
    #[must_use]
    pub fn of((scope, operations): (&RuleScope, Operations)) -> RuleDescription {
        RuleDescription {
            id: scope.id(),
            principal: scope.subject.to_string(),
            resource: RuleResource {
                kind: scope.kind,
                name: scope.name.text().to_owned(),
                name_match: match scope.name {
                    NameMatch::Literal(_) => MatchName::Literal,
                    NameMatch::Prefix(_) => MatchName::Prefix,
                    NameMatch::Pattern(_) => MatchName::Pattern,
                },
                vhost: scope.vhost.as_deref().map(str::to_owned),
            },
            operations: operations.names(),
            effect: scope.effect,
            address: scope.address,
        }
    }
}

/// Whom a rule is for.
pub fn principal_schema() -> Schema {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^(\\*|user:\\*|(user|group):(?!\\*$)[^\\u0000-\\u001f\\u007f-\\u009f]{1,255})$"))
        .description(Some("Whom it is for: `user:NAME`, `group:NAME`, or `*` for everybody."))
        .examples(["user:alice"]);
    text.build().into()
}

/// What may be done.
fn operations() -> ArrayBuilder {
    let names = std::iter::once("all").chain(Operation::ALL.map(Operation::as_str));
    let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    ArrayBuilder::new().items(name)
}

fn given_operations_schema() -> Schema {
    operations().min_items(Some(1)).description(Some("What may be done.")).build().into()
}

fn operations_schema() -> Schema {
    operations().description(Some("What may be done; nothing when the rule is gone.")).build().into()
}

fn address_schema() -> Schema {
    let text = |format| ObjectBuilder::new().schema_type(Type::String).format(Some(format));
    let either = AnyOfBuilder::new()
        .item(text(SchemaFormat::KnownFormat(KnownFormat::Ipv4)))
        .item(text(SchemaFormat::KnownFormat(KnownFormat::Ipv6)))
        .description(Some("Only from this address."));
    either.build().into()
}

impl PartialSchema for ResourceBody {
    fn schema() -> RefOr<Schema> {
        let text = |about: &str, longest: usize| {
            let text = ObjectBuilder::new().schema_type(Type::String).description(Some(about));
            text.min_length(Some(1)).max_length(Some(longest))
        };
        let choice = |about: &str, choices: &[&'static str]| {
            let text = ObjectBuilder::new().schema_type(Type::String).description(Some(about));
            text.enum_values(Some(choices.to_vec()))
        };
        let closed = || {
            let object = ObjectBuilder::new().schema_type(Type::Object);
            object.additional_properties(Some(AdditionalProperties::FreeForm(false)))
        };
        let named = |name: ObjectBuilder, how: ObjectBuilder| {
            let kinds =
                ["topic", "exchange", "group", "transactional_id", "vhost", "delegation_token", "user"];
            let vhost = "The virtual host that the name is one of, for topics and exchanges. Without it names are full: `vhost/name`.";
            closed()
                .property("type", choice("Their kind; queues and logs are topics.", &kinds))
                .required("type")
                .property("name", name)
                .required("name")
                .property("match", how)
                .property("vhost", text(vhost, 127))
        };
        let name = text("Their name; `*` is every one.", NAME_CHARS);
        let regex = text(
            "A regular expression that is looked for; it neither looks around nor refers back.",
            NAME_CHARS,
        )
        .format(Some(SchemaFormat::Custom("regex".to_owned())));
        let how = choice(
            "Whether it is the name, which goes without saying, or its beginning.",
            &["literal", "prefix"],
        );
        let cluster = closed()
            .property("type", choice("The server itself.", &["cluster"]))
            .required("type")
            .property("name", choice("May be left out.", &["*", CLUSTER]))
            .property("match", choice("May be left out.", &["literal"]));
        let one_of = OneOfBuilder::new()
            .item(named(name, how))
            .item(named(regex, choice("That it is one.", &["pattern"])).required("match"))
            .item(cluster)
            .description(Some("Which resources."))
            .examples([serde_json::json!({"type": "topic", "name": "orders"})]);
        RefOr::T(one_of.build().into())
    }
}

impl ToSchema for ResourceBody {}
