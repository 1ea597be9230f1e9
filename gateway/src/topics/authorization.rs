//! What each operation of the seam needs, and the one place where it is asked.
//!
//! A door hands its client's [`Pass`] to [`Topics::acting_for`] and works with what it gets back; what its client may not
//! do is refused here, whatever door it came through.

use message::ErrorCode;

use super::{LogTopic, QueueTopic, Topics, VirtualHost};
use crate::auth::permission::{Operation, Resource, ResourceKind};
use crate::auth::routing_keys::KeyUse;
use crate::auth::{Guard, Pass, Usage};
use crate::refusal::Refusal;

macro_rules! acts {
    ($($(#[doc = $doc:literal])* $act:ident => $operation:ident $kind:ident;)*) => {
        /// Something that a client may want to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Act {
            $($(#[doc = $doc])* $act,)*
        }

        impl Act {
            /// What it needs: an operation on a kind of resource.
            #[must_use]
            pub const fn needs(self) -> (Operation, ResourceKind) {
                match self {
                    $(Act::$act => (Operation::$operation, ResourceKind::$kind),)*
                }
            }

            /// All of them with what they are.
            #[cfg(test)]
            const ALL: &[(Act, &str)] = &[$((Act::$act, concat!($($doc),*)),)*];
        }
    };
}

acts! {
    /// See that a topic is there, and what is in it in numbers
    SeeTopic => Describe Topic;
    /// Make a topic
    MakeTopic => Create Topic;
    /// Delete a topic
    DeleteTopic => Delete Topic;
    /// See a topic's settings
    SeeTopicSettings => DescribeConfigs Topic;
    /// Change a topic's settings
    ChangeTopicSettings => AlterConfigs Topic;
    /// Add partitions to a log
    AddPartitions => Alter Topic;
    /// Publish to a topic
    Publish => Write Topic;
    /// Read, receive, browse, subscribe, settle
    Consume => Read Topic;
    /// Change or move a single message
    ChangeMessage => Alter Topic;
    /// Delete records of a log, or a single message
    RemoveMessages => Delete Topic;
    /// Delete the ready messages of a queue
    Purge => Read Topic;
    /// Bind something to a queue or log, or take a binding away
    BindToTopic => Write Topic;
    /// See an exchange, or its bindings
    SeeExchange => Describe Exchange;
    /// Make an exchange
    MakeExchange => Create Exchange;
    /// Delete an exchange
    DeleteExchange => Delete Exchange;
    /// Publish through an exchange
    PublishThrough => Write Exchange;
    /// Bind from an exchange
    BindFrom => Read Exchange;
    /// Bind to an exchange
    BindToExchange => Write Exchange;
    /// See a group: members, offsets, lag
    SeeGroup => Describe Group;
    /// Join a group, commit and reset its offsets
    UseGroup => Read Group;
    /// Delete a group, or some of its offsets
    DeleteGroup => Delete Group;
    /// See the settings of a group
    SeeGroupSettings => DescribeConfigs Group;
    /// Change the settings of a group
    ChangeGroupSettings => AlterConfigs Group;
    /// See a transaction
    SeeTransaction => Describe TransactionalId;
    /// Begin and end transactions, and write in them
    UseTransaction => Write TransactionalId;
    /// Use a virtual host
    EnterHost => Describe VirtualHost;
    /// Make a virtual host
    MakeHost => Create VirtualHost;
    /// Delete a virtual host
    DeleteHost => Delete VirtualHost;
    /// Set or delete the policies of a virtual host
    ChangePolicies => Alter VirtualHost;
    /// See users, rules and quotas, metrics and the server's own settings
    SeeServer => Describe Cluster;
    /// Number writes (idempotent producers); whoever may write to some topic may do so too
    NumberWrites => IdempotentWrite Cluster;
    /// Change users, rules and quotas
    ChangeServer => Alter Cluster;
    /// Define shovels, which act as the server itself, and see how they are defined, with the passwords in it
    ChangeShovels => Alter Cluster;
    /// See a delegation token; its owner, who asked for it and its renewers may anyway
    SeeToken => Describe DelegationToken;
    /// Make delegation tokens that stand for a user, here called `User:NAME`; everybody may for themselves
    MakeTokens => CreateTokens User;
    /// See the delegation tokens that stand for a user, here called `User:NAME`
    SeeTokens => DescribeTokens User;
}

impl Topics {
    /// The same topics for a client with this pass.
    #[must_use]
    pub fn acting_for(&self, pass: Pass) -> Topics {
        Topics(std::sync::Arc::clone(&self.0), pass, Usage::default())
    }

    /// The same topics, for a client whose use is measured so.
    #[must_use]
    pub fn measured_by(&self, usage: Usage) -> Topics {
        Topics(std::sync::Arc::clone(&self.0), self.1.clone(), usage)
    }

    /// What the client's use is measured by.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.2
    }

    /// For whom these topics act.
    #[must_use]
    pub fn pass(&self) -> &Pass {
        &self.1
    }

    /// Who judges credentials.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.0.guard
    }

    /// Whether the client may do something to what is called so.
    #[must_use]
    pub fn may(&self, act: Act, name: &str) -> bool {
        let (operation, kind) = act.needs();
        self.may_do(operation, kind, name)
    }

    /// Whether rules give the client an operation on what is called so.
    #[must_use]
    pub fn may_do(&self, operation: Operation, kind: ResourceKind, name: &str) -> bool {
        match &self.1 {
            Pass::Open => true,
            Pass::Nobody => false,
            Pass::As(caller) => {
                let found = |host: &VirtualHost| {
                    let within = Some((host.name(), host.local(name)));
                    caller.may(operation, Resource { kind, name, within })
                };
                match kind {
                    ResourceKind::Topic | ResourceKind::Exchange if name.contains('/') => {
                        found(&self.virtual_host_of(name))
                    }
                    _ => found(&VirtualHost::default()),
                }
            }
        }
    }

    /// The same, with the refusal that says why not.
    pub fn allow(&self, act: Act, name: &str) -> Result<(), Refusal> {
        if let Pass::Open = self.1 {
            return Ok(());
        }
        if self.may(act, name) { Ok(()) } else { Err(refused(&self.1, act, name)) }
    }

    /// Whether the client may do something to the server itself.
    pub fn allow_on_server(&self, act: Act) -> Result<(), Refusal> {
        self.allow(act, crate::auth::permission::CLUSTER)
    }

    /// Making a topic is allowed by name, or for all names at once, as in Kafka.
    pub(crate) fn allow_making_topic(&self, name: &str) -> Result<(), Refusal> {
        match &self.1 {
            Pass::As(caller)
                if caller.may(
                    Operation::Create,
                    Resource {
                        kind: ResourceKind::Cluster,
                        name: crate::auth::permission::CLUSTER,
                        within: None,
                    },
                ) =>
            {
                Ok(())
            }
            _ => self.allow(Act::MakeTopic, name),
        }
    }

    /// Numbering one's writes needs the right to write somewhere, as in Kafka (KIP-679).
    pub(crate) fn allow_numbered_writes(&self) -> Result<(), Refusal> {
        match &self.1 {
            Pass::Open => Ok(()),
            Pass::As(caller) if caller.may_somewhere(Operation::Write, ResourceKind::Topic) => Ok(()),
            pass => Err(refused(pass, Act::NumberWrites, crate::auth::permission::CLUSTER)),
        }
    }

    /// Through the default exchange the topic itself is written to. A rule for the exchange, as RabbitMQ's permissions
    /// have it, will do as well.
    pub(crate) fn allow_publish_through(&self, exchange: &str, routing_key: &str) -> Result<(), Refusal> {
        if let Pass::Open = self.1 {
            return Ok(());
        }
        let host = self.virtual_host_of(exchange);
        if !host.local(exchange).is_empty() {
            return self.allow(Act::PublishThrough, exchange);
        }
        let (topic, default) = (host.full(routing_key), host.full(DEFAULT_EXCHANGE));
        if self.may(Act::PublishThrough, &default) { Ok(()) } else { self.allow(Act::Publish, &topic) }
    }

    /// Whether topic permissions let the client use a routing key, or every one, with an exchange of that full name.
    pub(crate) fn allow_routing_key(
        &self,
        use_of: KeyUse,
        exchange: &str,
        routing_key: Option<&str>,
    ) -> Result<(), Refusal> {
        let Pass::As(caller) = &self.1 else { return Ok(()) };
        if !caller.has_topic_permissions() {
            return Ok(());
        }
        let host = self.virtual_host_of(exchange);
        let local = host.local(exchange);
        if caller.may_use_key((host.name(), local), use_of, routing_key) {
            return Ok(());
        }
        let shown: String = routing_key.unwrap_or("*").chars().take(255).collect();
        let (user, host) = (caller.user(), host.name());
        caller.denied(&format!("routing key {shown} of exchange {exchange}"));
        let access = match use_of {
            KeyUse::Publish => "write",
            KeyUse::Bind => "read",
        };
        let detail = format!(
            "{access} access to topic '{shown}' in exchange '{local}' in vhost '{host}' refused for user '{user}'"
        );
        Err(Refusal::new(ErrorCode::AccessDenied, detail))
    }
}

/// How RabbitMQ's permissions call the exchange without a name.
pub(crate) const DEFAULT_EXCHANGE: &str = "amq.default";

fn refused(pass: &Pass, act: Act, name: &str) -> Refusal {
    let (operation, kind) = act.needs();
    let Pass::As(caller) = pass else {
        return Refusal::new(ErrorCode::Unauthenticated, "this server wants to know who you are: log in");
    };
    if let Some(lapse) = caller.lapse(Guard::now()) {
        return Refusal::new(ErrorCode::Unauthenticated, lapse.reason());
    }
    let code = match kind {
        ResourceKind::Topic | ResourceKind::Exchange | ResourceKind::VirtualHost => ErrorCode::AccessDenied,
        ResourceKind::Group => ErrorCode::GroupAccessDenied,
        ResourceKind::TransactionalId => ErrorCode::TransactionalIdAccessDenied,
        ResourceKind::Cluster | ResourceKind::DelegationToken | ResourceKind::User => {
            ErrorCode::ServerAccessDenied
        }
    };
    let shown: String = name.chars().take(255).collect();
    let (user, operation, kind) = (caller.user(), operation.as_str(), kind.as_str());
    let detail =
        format!("user {user:?} may not {operation} the {kind} {shown:?}; a rule below /v1/acls can allow it");
    caller.denied(&format!("{operation} {kind} {shown}"));
    Refusal::new(code, detail)
}

impl LogTopic {
    /// Whether whoever got this handle may do something to the log.
    pub(crate) fn allow(&self, act: Act) -> Result<(), Refusal> {
        allow_within(&self.1, act, self.name().as_str(), &self.0.host)
    }
}

impl QueueTopic {
    /// Whether whoever got this handle may do something to the queue.
    pub(crate) fn allow(&self, act: Act) -> Result<(), Refusal> {
        allow_within(&self.pass, act, self.name.as_str(), &self.host)
    }
}

fn allow_within(pass: &Pass, act: Act, name: &str, host: &VirtualHost) -> Result<(), Refusal> {
    let (operation, kind) = act.needs();
    let allowed = match pass {
        Pass::Open => true,
        Pass::Nobody => false,
        Pass::As(caller) => {
            caller.may(operation, Resource { kind, name, within: Some((host.name(), host.local(name))) })
        }
    };
    if allowed { Ok(()) } else { Err(refused(pass, act, name)) }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const BEGIN: &str = "<!-- printed by a test from gateway/src/topics/authorization.rs -->\n";
    const END: &str = "<!-- end -->\n";

    #[test]
    fn the_printed_table_is_current() {
        let mut table = String::from("| to | needs | on |\n|---|---|---|\n");
        for (act, what) in Act::ALL {
            let (operation, kind) = act.needs();
            let _ = writeln!(table, "|{what} | `{}` | {} |", operation.as_str(), kind.as_str());
        }
        crate::printed::part("security.md", (BEGIN, END), &table);
    }
}
