use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::delegation_token::DelegationToken;
use super::identity_record::Change;
use super::permission::{Effect, NameMatch, Operations, ResourceKind, RuleScope};
use super::quota::{Consumer, InForce, QuotaEntity, QuotaLimits};
use super::routing_keys::{RoutingKeys, TopicPermission, TopicScope};
use super::rule_index::SubjectRules;
use super::subject::Subject;
use super::user::User;

/// Users, rules and quotas: a fold over changes, and what readers see of it.
///
/// The shard's owner holds one; everybody else holds an [`Identities`] that a clone of it made, which never changes.
/// Cloning copies references.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    users: BTreeMap<Box<str>, Arc<User>>,
    /// Whose each API key is.
    key_owners: HashMap<Box<str>, Box<str>>,
    rules: BTreeMap<Arc<RuleScope>, Operations>,
    quotas: HashMap<QuotaEntity, QuotaLimits>,
    topic_permissions: BTreeMap<TopicScope, TopicPermission>,
    /// Delegation tokens by id.
    tokens: BTreeMap<Box<str>, Arc<DelegationToken>>,
    /// The rules of each subject, arranged.
    arranged: HashMap<Subject, Arc<SubjectRules>>,
    /// Subjects whose rules changed since they were arranged.
    stale: HashSet<Subject>,
    /// The topic permissions of each user, arranged.
    routing_keys: HashMap<Box<str>, Arc<RoutingKeys>>,
    /// Users whose topic permissions changed since they were arranged.
    stale_keys: HashSet<Box<str>>,
}

impl Identities {
    /// Takes a change in.
    pub fn fold(&mut self, change: Change) {
        match change {
            Change::SetUser(user) => {
                self.forget_keys(&user.name);
                let keys = user.keys.iter().map(|key| (key.id.clone(), user.name.clone()));
                self.key_owners.extend(keys);
                self.users.insert(user.name.clone(), Arc::new(user));
            }
            Change::DeleteUser(name) => {
                self.forget_keys(&name);
                self.users.remove(&name);
                // Whoever is gone has given nobody a way in.
                self.tokens.retain(|_, token| token.owner != name && token.requester != name);
            }
            Change::SetRule(scope, operations) => {
                self.stale.insert(scope.subject.clone());
                if operations.is_empty() {
                    self.rules.remove(&scope);
                } else {
                    self.rules.insert(Arc::new(scope), operations);
                }
            }
            Change::SetQuota(entity, limits) => {
                if limits.is_empty() {
                    self.quotas.remove(&entity);
                } else {
                    self.quotas.insert(entity, limits);
                }
            }
            Change::SetTopicPermission(scope, permission) => {
                self.stale_keys.insert(scope.user.clone());
                match permission {
                    Some(permission) => self.topic_permissions.insert(scope, permission),
                    None => self.topic_permissions.remove(&scope),
                };
            }
            Change::SetToken(token) => {
                self.tokens.insert(token.id.clone(), Arc::new(token));
            }
            Change::DeleteToken(id) => {
                self.tokens.remove(&id);
            }
        }
    }

    fn forget_keys(&mut self, user: &str) {
        for key in self.users.get(user).into_iter().flat_map(|user| &user.keys) {
            self.key_owners.remove(&key.id);
        }
    }

    /// The user whose API key that is.
    #[must_use]
    pub fn owner_of_key(&self, id: &str) -> Option<&Arc<User>> {
        self.user(self.key_owners.get(id)?)
    }

    /// Arranges what changed, for readers.
    pub fn arrange(&mut self) {
        for subject in std::mem::take(&mut self.stale) {
            let rules: Vec<_> = self.rules_of(&subject).collect();
            if rules.is_empty() {
                self.arranged.remove(&subject);
            } else {
                let arranged = Arc::new(SubjectRules::of(rules.into_iter()));
                self.arranged.insert(subject, arranged);
            }
        }
        for user in std::mem::take(&mut self.stale_keys) {
            let arranged = RoutingKeys::of(self.topic_permissions_of(&user));
            if arranged.is_empty() {
                self.routing_keys.remove(&user);
            } else {
                self.routing_keys.insert(user, Arc::new(arranged));
            }
        }
    }

    /// Changes that make all of it anew.
    pub fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        let users = self.users.values().map(|user| Change::SetUser(User::clone(user)));
        let rules = self.rules.iter().map(|(scope, set)| Change::SetRule(RuleScope::clone(scope), *set));
        let quotas =
            self.quotas.iter().map(|(entity, limits)| Change::SetQuota(entity.clone(), limits.clone()));
        let topics = self.topic_permissions.iter();
        let topics = topics.map(|(scope, one)| Change::SetTopicPermission(scope.clone(), Some(one.clone())));
        let tokens = self.tokens.values().map(|token| Change::SetToken(DelegationToken::clone(token)));
        users.chain(rules).chain(quotas).chain(topics).chain(tokens)
    }

    /// The user of that name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    /// All users by name.
    pub fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// Whether there is any.
    #[must_use]
    pub fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// All rules in order.
    pub fn rules(&self) -> impl Iterator<Item = (&RuleScope, Operations)> {
        self.rules.iter().map(|(scope, operations)| (&**scope, *operations))
    }

    /// The operations of the rule of that scope.
    #[must_use]
    pub fn rule(&self, scope: &RuleScope) -> Operations {
        self.rules.get(scope).copied().unwrap_or_default()
    }

    /// The rules of a subject in order.
    pub fn rules_of<'a>(&'a self, subject: &'a Subject) -> impl Iterator<Item = (&'a RuleScope, Operations)> {
        // Scopes sort by subject first, and this is the least of a subject.
        let least = RuleScope {
            subject: subject.clone(),
            kind: ResourceKind::Topic,
            name: NameMatch::Literal("".into()),
            vhost: None,
            address: None,
            effect: Effect::Allow,
        };
        let from = self.rules.range::<RuleScope, _>(least..);
        let rules = from.map(|(scope, operations)| (&**scope, *operations));
        rules.take_while(move |(scope, _)| scope.subject == *subject)
    }

    /// The topic permissions of a user, by virtual host and exchange.
    pub fn topic_permissions_of<'a>(
        &'a self,
        user: &'a str,
    ) -> impl Iterator<Item = (&'a TopicScope, &'a TopicPermission)> {
        let least = TopicScope { user: user.into(), vhost: "".into(), exchange: "".into() };
        self.topic_permissions.range(least..).take_while(move |(scope, _)| &*scope.user == user)
    }

    /// All topic permissions, by user, virtual host and exchange.
    pub fn topic_permissions(&self) -> impl Iterator<Item = (&TopicScope, &TopicPermission)> {
        self.topic_permissions.iter()
    }

    /// The topic permissions of a user, arranged; `None` if there are none.
    #[must_use]
    pub fn routing_keys(&self, user: &str) -> Option<&Arc<RoutingKeys>> {
        self.routing_keys.get(user)
    }

    /// The delegation token of that id.
    #[must_use]
    pub fn token(&self, id: &str) -> Option<&Arc<DelegationToken>> {
        self.tokens.get(id)
    }

    /// All delegation tokens, by id.
    pub fn tokens(&self) -> impl ExactSizeIterator<Item = &Arc<DelegationToken>> {
        self.tokens.values()
    }

    /// The rules of a subject, arranged.
    #[must_use]
    pub fn arranged(&self, subject: &Subject) -> Option<&Arc<SubjectRules>> {
        self.arranged.get(subject)
    }

    /// The limits that count for somebody.
    #[must_use]
    pub fn limits_of(&self, consumer: &Consumer) -> Vec<InForce> {
        if self.quotas.is_empty() { Vec::new() } else { consumer.limits(&self.quotas) }
    }

    /// All quotas.
    pub fn quotas(&self) -> impl Iterator<Item = (&QuotaEntity, &QuotaLimits)> {
        self.quotas.iter()
    }

    /// The quota of an entity.
    #[must_use]
    pub fn quota(&self, entity: &QuotaEntity) -> Option<&QuotaLimits> {
        self.quotas.get(entity)
    }
}

#[cfg(test)]
mod tests {
    use super::super::permission::{Effect, NameMatch, Operation, ResourceKind};
    use super::*;
    use message::Timestamp;

    fn scope(subject: &str, name: &str) -> RuleScope {
        RuleScope {
            subject: Subject::parse(subject).unwrap(),
            kind: ResourceKind::Topic,
            name: NameMatch::Literal(name.into()),
            vhost: None,
            address: None,
            effect: Effect::Allow,
        }
    }

    #[test]
    fn the_changes_of_a_state_make_it_anew() {
        let read = Operations::of(Operation::Read);
        let mut first = Identities::default();
        first.fold(Change::SetUser(User { name: "alice".into(), ..User::default() }));
        first.fold(Change::SetUser(User { name: "bob".into(), ..User::default() }));
        first.fold(Change::DeleteUser("bob".into()));
        first.fold(Change::SetRule(scope("user:alice", "a"), read));
        first.fold(Change::SetRule(scope("user:alice", "b"), read));
        first.fold(Change::SetRule(scope("user:alice", "b"), Operations::NONE));
        let keys = TopicScope { user: "alice".into(), vhost: "/".into(), exchange: "x".into() };
        let permission = TopicPermission { write: "a".into(), read: "b".into() };
        first.fold(Change::SetTopicPermission(keys.clone(), Some(permission.clone())));
        let other = TopicScope { user: "bob".into(), ..keys };
        first.fold(Change::SetTopicPermission(other.clone(), Some(permission)));
        first.fold(Change::SetTopicPermission(other, None));
        let token = |id: &str, owner: &str, requester: &str| DelegationToken {
            id: id.into(),
            owner: owner.into(),
            requester: requester.into(),
            renewers: Vec::new(),
            issued_at: Timestamp(0),
            expires_at: Timestamp(1),
            max_at: Timestamp(2),
        };
        for (id, owner, requester) in
            [("1", "alice", "alice"), ("2", "carol", "alice"), ("3", "alice", "carol")]
        {
            first.fold(Change::SetToken(token(id, owner, requester)));
        }
        first.fold(Change::SetToken(token("4", "alice", "alice")));
        first.fold(Change::DeleteToken("4".into()));
        first.fold(Change::SetUser(User { name: "carol".into(), ..User::default() }));
        first.fold(Change::DeleteUser("carol".into()));
        assert_eq!(first.tokens().map(|token| &*token.id).collect::<Vec<_>>(), ["1"]);
        let mut second = Identities::default();
        first.changes().for_each(|change| second.fold(change));
        assert!(second.users().eq(first.users()) && second.rules().eq(first.rules()));
        assert_eq!(second.rules().count(), 1);
        assert!(second.topic_permissions().eq(first.topic_permissions()));
        assert!(second.tokens().eq(first.tokens()));
        second.arrange();
        assert!(second.routing_keys("alice").is_some() && second.routing_keys("bob").is_none());
        assert!(second.arranged(&Subject::User("alice".into())).is_some());
        assert!(second.arranged(&Subject::Everyone).is_none());
        second.fold(Change::SetRule(scope("user:alice", "a"), Operations::NONE));
        second.arrange();
        assert!(second.arranged(&Subject::User("alice".into())).is_none());
    }
}
