//! Policies: set, read, taken away.

use queue_engine::{Policy, PolicyInfo};

use super::Topics;
use super::authorization::Act;
use super::deeds::Deed;
use super::exchanges::in_body;
use super::outgoing::Acks;
use super::policy_spec::{ApplyTo, PolicyDefinition, PolicyDescription, PolicyKind, PolicySpec};
use super::queue_topic::LOOK;
use super::shard::{Room, Terms, Turn};
use super::spec::Created;
use crate::refusal::Refusal;

const DEFINE: Terms = Terms { acks: Acks::All, weight: 128 << 10, room: Room::Ordinary };
const UNDEFINE: Terms = Terms { room: Room::Reserved, ..DEFINE };

impl Topics {
    /// Sets a policy, in place of one of that name. It is in force at once.
    pub async fn put_policy(
        &self,
        kind: PolicyKind,
        vhost: &str,
        name: &str,
        spec: PolicySpec,
    ) -> Result<Created, Refusal> {
        self.allow(Act::ChangePolicies, vhost)?;
        self.check_not_draining()?;
        let (vhost, name, policy) = (vhost.to_owned(), name.to_owned(), Policy::from(spec));
        let topics = self.clone();
        let set = move |turn: &mut Turn<'_>| {
            let before = turn.engines.queue.policy(kind.into(), &vhost, &name).ok();
            let (block, now) = (turn.journal.block(), turn.now);
            let made = turn.engines.queue.set_policy(block, kind.into(), &vhost, &name, policy, now);
            let made = made.map_err(in_body)?;
            if before.as_ref() != turn.engines.queue.policy(kind.into(), &vhost, &name).ok().as_ref() {
                topics.did(Deed::SetPolicy, &in_words(kind, &vhost, &name));
            }
            Ok(if made { Created::Made } else { Created::Same })
        };
        self.shard().call(DEFINE, set).await?
    }

    /// Takes a policy away: what it set is as it was declared again.
    pub async fn delete_policy(&self, kind: PolicyKind, vhost: &str, name: &str) -> Result<(), Refusal> {
        self.allow(Act::ChangePolicies, vhost)?;
        let (vhost, name, topics) = (vhost.to_owned(), name.to_owned(), self.clone());
        let delete = move |turn: &mut Turn<'_>| {
            let (block, now) = (turn.journal.block(), turn.now);
            turn.engines.queue.delete_policy(block, kind.into(), &vhost, &name, now)?;
            topics.did(Deed::DeletePolicy, &in_words(kind, &vhost, &name));
            Ok(())
        };
        self.shard().call(UNDEFINE, delete).await?
    }

    /// A policy as it stands.
    pub async fn policy(
        &self,
        kind: PolicyKind,
        vhost: &str,
        name: &str,
    ) -> Result<PolicyDescription, Refusal> {
        self.allow(Act::EnterHost, vhost)?;
        let (virtual_host, name) = (vhost.to_owned(), name.to_owned());
        let look = move |turn: &mut Turn<'_>| {
            let policy = turn.engines.queue.policy(kind.into(), &virtual_host, &name)?;
            Ok(PolicyDescription::from(PolicyInfo { virtual_host, name, policy }))
        };
        self.shard().call(LOOK, look).await?
    }

    /// Policies sorted by [`PolicyDescription::sort_key`], from after `after`, of one virtual host if asked.
    pub async fn list_policies(
        &self,
        kind: PolicyKind,
        vhost: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PolicyDescription>, Refusal> {
        let [vhost, after] = [vhost, after].map(|text| text.map(str::to_owned));
        let topics = self.clone();
        let look = move |turn: &mut Turn<'_>| {
            let all = turn.engines.queue.policies(kind.into()).into_iter().map(PolicyDescription::from);
            let mut found: Vec<PolicyDescription> = all
                .filter(|policy| topics.may(Act::EnterHost, &policy.vhost))
                .filter(|policy| vhost.as_ref().is_none_or(|vhost| policy.vhost == *vhost))
                .filter(|policy| after.as_ref().is_none_or(|after| policy.sort_key() > *after))
                .collect();
            found.sort_by_key(PolicyDescription::sort_key);
            found.truncate(limit);
            found
        };
        self.shard().call(LOOK, look).await
    }
}

/// A policy for the audit log.
fn in_words(kind: PolicyKind, vhost: &str, name: &str) -> String {
    let kind = match kind {
        PolicyKind::User => "policy",
        PolicyKind::Operator => "operator policy",
    };
    format!("{kind} {name:?} of {vhost:?}")
}

impl PolicyDescription {
    /// What lists are sorted by: virtual host, then name.
    #[must_use]
    pub fn sort_key(&self) -> String {
        format!("{}\u{0}{}", self.vhost, self.name)
    }
}

impl From<PolicyKind> for queue_engine::PolicyKind {
    fn from(kind: PolicyKind) -> queue_engine::PolicyKind {
        match kind {
            PolicyKind::User => queue_engine::PolicyKind::User,
            PolicyKind::Operator => queue_engine::PolicyKind::Operator,
        }
    }
}

impl From<PolicySpec> for Policy {
    fn from(spec: PolicySpec) -> Policy {
        let PolicySpec { pattern, apply_to, priority, definition } = spec;
        let apply_to = match apply_to {
            ApplyTo::All => queue_engine::ApplyTo::All,
            ApplyTo::Queues => queue_engine::ApplyTo::Queues,
            ApplyTo::ClassicQueues => queue_engine::ApplyTo::ClassicQueues,
            ApplyTo::QuorumQueues => queue_engine::ApplyTo::QuorumQueues,
            ApplyTo::Exchanges => queue_engine::ApplyTo::Exchanges,
        };
        let definition = queue_engine::PolicyDefinition {
            message_ttl_ms: definition.message_ttl_ms,
            expires_ms: definition.expires_ms,
            max_length: definition.max_length,
            max_length_bytes: definition.max_length_bytes,
            delivery_limit: definition.delivery_limit,
            overflow: definition.overflow.map(Into::into),
            dead_letter_exchange: definition.dead_letter_exchange,
            dead_letter_routing_key: definition.dead_letter_routing_key,
            dead_letter_strategy: definition.dead_letter_strategy.map(Into::into),
            consumer_timeout_ms: definition.consumer_timeout_ms,
            delayed_retry: definition.delayed_retry.map(Into::into),
            alternate_exchange: definition.alternate_exchange,
        };
        Policy { pattern, apply_to, priority, definition }
    }
}

impl From<PolicyInfo> for PolicyDescription {
    fn from(info: PolicyInfo) -> PolicyDescription {
        let Policy { pattern, apply_to, priority, definition } = info.policy;
        let apply_to = match apply_to {
            queue_engine::ApplyTo::All => ApplyTo::All,
            queue_engine::ApplyTo::Queues => ApplyTo::Queues,
            queue_engine::ApplyTo::ClassicQueues => ApplyTo::ClassicQueues,
            queue_engine::ApplyTo::QuorumQueues => ApplyTo::QuorumQueues,
            queue_engine::ApplyTo::Exchanges => ApplyTo::Exchanges,
        };
        let definition = PolicyDefinition {
            message_ttl_ms: definition.message_ttl_ms,
            expires_ms: definition.expires_ms,
            max_length: definition.max_length,
            max_length_bytes: definition.max_length_bytes,
            delivery_limit: definition.delivery_limit,
            overflow: definition.overflow.map(Into::into),
            dead_letter_exchange: definition.dead_letter_exchange,
            dead_letter_routing_key: definition.dead_letter_routing_key,
            dead_letter_strategy: definition.dead_letter_strategy.map(Into::into),
            consumer_timeout_ms: definition.consumer_timeout_ms,
            delayed_retry: definition.delayed_retry.map(Into::into),
            alternate_exchange: definition.alternate_exchange,
        };
        let (name, vhost) = (info.name, info.virtual_host);
        PolicyDescription { name, vhost, pattern, apply_to, priority, definition }
    }
}
