//! Who may do what to which resource: the rules that every door's permissions are views of.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::subject::Subject;

/// A kind of thing that can be protected. Queues and logs are topics, whatever door names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// A topic of either model.
    Topic,
    /// An exchange.
    Exchange,
    /// A consumer group.
    Group,
    /// A transactional id.
    TransactionalId,
    /// A virtual host.
    #[serde(rename = "vhost")]
    VirtualHost,
    /// The server itself.
    Cluster,
    /// A delegation token, by its id.
    DelegationToken,
    /// A user, called `User:NAME` as Kafka does, for whom somebody wants delegation tokens.
    User,
}

impl ResourceKind {
    /// All of them.
    pub const ALL: [ResourceKind; 8] = [
        ResourceKind::Topic,
        ResourceKind::Exchange,
        ResourceKind::Group,
        ResourceKind::TransactionalId,
        ResourceKind::VirtualHost,
        ResourceKind::Cluster,
        ResourceKind::DelegationToken,
        ResourceKind::User,
    ];

    /// How the API calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ResourceKind::Topic => "topic",
            ResourceKind::Exchange => "exchange",
            ResourceKind::Group => "group",
            ResourceKind::TransactionalId => "transactional_id",
            ResourceKind::VirtualHost => "vhost",
            ResourceKind::Cluster => "cluster",
            ResourceKind::DelegationToken => "delegation_token",
            ResourceKind::User => "user",
        }
    }

    /// The kind that the API calls so.
    #[must_use]
    pub fn parse(text: &str) -> Option<ResourceKind> {
        ResourceKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The only name that a resource of this kind has, as Kafka has it, where there is but one.
    #[must_use]
    pub fn only_name(self) -> Option<&'static str> {
        (self == ResourceKind::Cluster).then_some(CLUSTER)
    }
}

/// How Kafka's tools call the one cluster.
pub const CLUSTER: &str = "kafka-cluster";

/// Something that can be done to a resource: Kafka's operations, which cover those of the other doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Take messages, commit offsets, bind from an exchange.
    Read,
    /// Put messages in, bind to a queue.
    Write,
    /// Make it.
    Create,
    /// Delete it, or what is in it.
    Delete,
    /// Change it.
    Alter,
    /// See that it is there.
    Describe,
    /// What only brokers do among themselves.
    ClusterAction,
    /// See its settings.
    DescribeConfigs,
    /// Change its settings.
    AlterConfigs,
    /// Write with sequence numbers.
    IdempotentWrite,
    /// Make delegation tokens for somebody.
    CreateTokens,
    /// See somebody's delegation tokens.
    DescribeTokens,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 12] = [
        Operation::Read,
        Operation::Write,
        Operation::Create,
        Operation::Delete,
        Operation::Alter,
        Operation::Describe,
        Operation::ClusterAction,
        Operation::DescribeConfigs,
        Operation::AlterConfigs,
        Operation::IdempotentWrite,
        Operation::CreateTokens,
        Operation::DescribeTokens,
    ];

    /// How the API calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Create => "create",
            Operation::Delete => "delete",
            Operation::Alter => "alter",
            Operation::Describe => "describe",
            Operation::ClusterAction => "cluster_action",
            Operation::DescribeConfigs => "describe_configs",
            Operation::AlterConfigs => "alter_configs",
            Operation::IdempotentWrite => "idempotent_write",
            Operation::CreateTokens => "create_tokens",
            Operation::DescribeTokens => "describe_tokens",
        }
    }
}

/// A set of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operations(u16);

impl Operations {
    /// None.
    pub const NONE: Operations = Operations(0);
    /// Every one, those to come included.
    pub const ALL: Operations = Operations(u16::MAX);
    /// RabbitMQ's `configure`.
    pub const CONFIGURE: Operations = Operations(
        Operations::bit(Operation::Create)
            | Operations::bit(Operation::Delete)
            | Operations::bit(Operation::Alter)
            | Operations::bit(Operation::AlterConfigs),
    );

    const fn bit(operation: Operation) -> u16 {
        1 << operation as u16
    }

    /// Just this one.
    #[must_use]
    pub const fn of(operation: Operation) -> Operations {
        Operations(Operations::bit(operation))
    }

    /// With another set's operations.
    #[must_use]
    pub const fn and(self, other: Operations) -> Operations {
        Operations(self.0 | other.0)
    }

    /// Without another set's operations.
    #[must_use]
    pub const fn without(self, other: Operations) -> Operations {
        Operations(self.0 & !other.0)
    }

    /// Whether any of another set's operations is in it.
    #[must_use]
    pub const fn has_any(self, other: Operations) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What may be done once one of these is allowed: who may read something also sees that it is there.
    #[must_use]
    pub const fn granting(operation: Operation) -> Operations {
        match operation {
            Operation::Describe => Operations(
                Operations::bit(Operation::Describe)
                    | Operations::bit(Operation::Read)
                    | Operations::bit(Operation::Write)
                    | Operations::bit(Operation::Delete)
                    | Operations::bit(Operation::Alter),
            ),
            Operation::DescribeConfigs => Operations(
                Operations::bit(Operation::DescribeConfigs) | Operations::bit(Operation::AlterConfigs),
            ),
            other => Operations::of(other),
        }
    }

    /// Their names; `all` for every one.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        if self == Operations::ALL {
            return vec!["all"];
        }
        let each = Operation::ALL.into_iter().filter(|operation| self.has_any(Operations::of(*operation)));
        each.map(Operation::as_str).collect()
    }

    /// The set that one name stands for.
    #[must_use]
    pub fn parse(name: &str) -> Option<Operations> {
        if name == "all" {
            return Some(Operations::ALL);
        }
        Operation::ALL.into_iter().find(|operation| operation.as_str() == name).map(Operations::of)
    }
}

/// Which names a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NameMatch {
    /// This one; `*` is every one.
    Literal(Box<str>),
    /// Those that begin so.
    Prefix(Box<str>),
    /// Those in which this regular expression finds something.
    Pattern(Box<str>),
}

impl NameMatch {
    /// How the API calls the kind of match.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            NameMatch::Literal(_) => "literal",
            NameMatch::Prefix(_) => "prefix",
            NameMatch::Pattern(_) => "pattern",
        }
    }

    /// The name, prefix or expression.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            NameMatch::Literal(text) | NameMatch::Prefix(text) | NameMatch::Pattern(text) => text,
        }
    }
}

/// What a rule does. Where rules disagree, the denial wins.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It lets.
    #[default]
    Allow,
    /// It keeps from.
    Deny,
}

/// For whom and for what a rule is. There is one rule of each scope; its operations are a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleScope {
    /// For whom.
    pub subject: Subject,
    /// For which kind of resource.
    pub kind: ResourceKind,
    /// For which names of it.
    pub name: NameMatch,
    /// In which virtual host those are; `None` takes full names, of any.
    pub vhost: Option<Box<str>>,
    /// From which address; `None` is from anywhere.
    pub address: Option<IpAddr>,
    /// What it does.
    pub effect: Effect,
}

impl RuleScope {
    /// A short name for the rule, made of what it says.
    #[must_use]
    pub fn id(&self) -> String {
        use sha2::{Digest, Sha256};
        let RuleScope { subject, kind, name, vhost, address, effect } = self;
        let text = format!("{subject}\n{}\n{name:?}\n{vhost:?}\n{address:?}\n{effect:?}", kind.as_str());
        Sha256::digest(text.as_bytes()).iter().take(10).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A resource that somebody wants to do something to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource<'a> {
    /// What it is.
    pub kind: ResourceKind,
    /// Its full name.
    pub name: &'a str,
    /// The virtual host that it belongs to, and its name in it, for topics and exchanges.
    pub within: Option<(&'a str, &'a str)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_read_sees_and_whoever_sees_may_not_read() {
        let read = Operations::of(Operation::Read);
        assert!(read.has_any(Operations::granting(Operation::Describe)));
        assert!(!Operations::of(Operation::Describe).has_any(Operations::granting(Operation::Read)));
        assert!(
            Operations::of(Operation::AlterConfigs).has_any(Operations::granting(Operation::DescribeConfigs))
        );
    }

    #[test]
    fn sets_are_printed_and_read() {
        let set = Operations::of(Operation::Read).and(Operations::of(Operation::Write));
        assert_eq!(set.names(), ["read", "write"]);
        assert_eq!(Operations::ALL.names(), ["all"]);
        assert_eq!(Operations::parse("all"), Some(Operations::ALL));
        assert_eq!(Operations::parse("rule"), None);
        assert!(set.without(set).is_empty());
    }
}
