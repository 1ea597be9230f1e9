//! RabbitMQ's permissions, three regular expressions for a user in a virtual host, as a view of the rules.
//!
//! They are the user's own rules, from anywhere, that allow the same for topics and exchanges of the virtual host by the
//! same names; and that it may use the virtual host. Denials and rules for groups or addresses have no word there.

use std::collections::{BTreeMap, BTreeSet};

use super::identities::Identities;
use super::permission::{Effect, NameMatch, Operation, Operations, ResourceKind, RuleScope};
use super::subject::Subject;

/// What makes no difference between a queue and an exchange.
const KINDS: [ResourceKind; 2] = [ResourceKind::Topic, ResourceKind::Exchange];
/// `configure`, `write` and `read`.
const PARTS: [Operations; 3] =
    [Operations::CONFIGURE, Operations::of(Operation::Write), Operations::of(Operation::Read)];
/// What matches every name.
const EVERY: &str = ".*";

/// Which names may be made and deleted, written to and read from: expressions that are looked for in a name. An empty one
/// is for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPermissions {
    /// What may be made, changed and deleted.
    pub configure: String,
    /// What may be published and bound to.
    pub write: String,
    /// What may be consumed and bound from.
    pub read: String,
}

impl HostPermissions {
    /// Everything.
    #[must_use]
    pub fn everything() -> HostPermissions {
        HostPermissions { configure: EVERY.into(), write: EVERY.into(), read: EVERY.into() }
    }

    /// The expressions, in the order configure, write, read.
    #[must_use]
    pub fn expressions(&self) -> [&str; 3] {
        [&self.configure, &self.write, &self.read]
    }

    /// Those that a user's rules are in a virtual host; `None` where it may not use that.
    #[must_use]
    pub fn of(identities: &Identities, user: &str, vhost: &str) -> Option<HostPermissions> {
        let subject = Subject::User(user.into());
        let mut may_enter = false;
        // By kind and part, which names.
        let mut names: [[BTreeSet<String>; 3]; 2] = Default::default();
        for (scope, operations) in identities.rules_of(&subject) {
            may_enter |= lets_in(scope, operations, vhost);
            let kind = KINDS.iter().position(|kind| *kind == scope.kind && is_within(scope, vhost));
            let Some(of_kind) = kind.and_then(|at| names.get_mut(at)) else { continue };
            for (part, found) in PARTS.into_iter().zip(of_kind) {
                if part.without(operations).is_empty() {
                    found.insert(expression(&scope.name));
                }
            }
        }
        let [topics, exchanges] = &names;
        let mut joined = topics.iter().zip(exchanges).map(|(topics, exchanges)| joined(topics & exchanges));
        let mut next = || joined.next().unwrap_or_default();
        may_enter.then(|| HostPermissions { configure: next(), write: next(), read: next() })
    }

    /// What the rules are to be for a user to have these permissions in a virtual host; or none, and be kept from it. Its
    /// own rules for the names there are replaced.
    #[must_use]
    pub fn rules(
        permissions: Option<&HostPermissions>,
        identities: &Identities,
        user: &str,
        vhost: &str,
    ) -> Vec<(RuleScope, Operations)> {
        let subject = Subject::User(user.into());
        let all = PARTS.into_iter().fold(Operations::NONE, Operations::and);
        let mut rules: BTreeMap<RuleScope, Operations> = BTreeMap::new();
        for (scope, operations) in identities.rules_of(&subject) {
            if KINDS.contains(&scope.kind) && is_within(scope, vhost) {
                rules.insert(scope.clone(), operations.without(all));
            }
        }
        let parts = permissions.iter().flat_map(|given| PARTS.into_iter().zip(given.expressions()));
        for (part, expression) in parts.filter(|(_, expression)| !expression.is_empty()) {
            for kind in KINDS {
                let name = match expression {
                    EVERY => NameMatch::Literal("*".into()),
                    other => NameMatch::Pattern(other.into()),
                };
                let scope = allowing(&subject, kind, name, Some(vhost));
                let operations = rules.entry(scope).or_default();
                *operations = operations.and(part);
            }
        }
        let host = allowing(&subject, ResourceKind::VirtualHost, NameMatch::Literal(vhost.into()), None);
        let describe = Operations::of(Operation::Describe);
        let have = identities.rule(&host);
        let entering = if permissions.is_some() { have.and(describe) } else { have.without(describe) };
        rules.insert(host, entering);
        rules.into_iter().filter(|(scope, operations)| identities.rule(scope) != *operations).collect()
    }
}

fn allowing(subject: &Subject, kind: ResourceKind, name: NameMatch, vhost: Option<&str>) -> RuleScope {
    let vhost = vhost.map(Into::into);
    RuleScope { subject: subject.clone(), kind, name, vhost, address: None, effect: Effect::Allow }
}

fn is_within(scope: &RuleScope, vhost: &str) -> bool {
    scope.vhost.as_deref() == Some(vhost) && scope.address.is_none() && scope.effect == Effect::Allow
}

fn lets_in(scope: &RuleScope, operations: Operations, vhost: &str) -> bool {
    let named = matches!(&scope.name, NameMatch::Literal(name) if **name == *vhost || &**name == "*");
    scope.kind == ResourceKind::VirtualHost
        && named
        && scope.address.is_none()
        && scope.effect == Effect::Allow
        && operations.has_any(Operations::granting(Operation::Describe))
}

/// The expression that finds the same names.
fn expression(name: &NameMatch) -> String {
    match name {
        NameMatch::Literal(every) if &**every == "*" => EVERY.to_owned(),
        NameMatch::Literal(name) => format!("^{}$", regex::escape(name)),
        NameMatch::Prefix(prefix) => format!("^{}", regex::escape(prefix)),
        NameMatch::Pattern(pattern) => pattern.to_string(),
    }
}

fn joined(expressions: BTreeSet<String>) -> String {
    if expressions.len() > 1 && !expressions.contains(EVERY) {
        let each: Vec<String> = expressions.iter().map(|one| format!("(?:{one})")).collect();
        return each.join("|");
    }
    let every = expressions.get(EVERY).cloned();
    every.or_else(|| expressions.into_iter().next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::identity_record::Change;
    use super::*;

    fn set(identities: &mut Identities, permissions: Option<&HostPermissions>) {
        for (scope, operations) in HostPermissions::rules(permissions, identities, "alice", "shop") {
            identities.fold(Change::SetRule(scope, operations));
        }
    }

    fn given(configure: &str, write: &str, read: &str) -> HostPermissions {
        HostPermissions { configure: configure.into(), write: write.into(), read: read.into() }
    }

    #[test]
    fn what_is_set_is_shown_and_what_is_set_anew_replaces_it() {
        let mut identities = Identities::default();
        for wanted in [
            given("^a", ".*", ""),
            HostPermissions::everything(),
            given("", "", ""),
            given("^(a|b)$", "^(a|b)$", "(?i)x"),
        ] {
            set(&mut identities, Some(&wanted));
            assert_eq!(HostPermissions::of(&identities, "alice", "shop"), Some(wanted.clone()));
            assert!(HostPermissions::rules(Some(&wanted), &identities, "alice", "shop").is_empty());
            assert_eq!(HostPermissions::of(&identities, "alice", "other"), None);
        }
        set(&mut identities, None);
        assert_eq!(HostPermissions::of(&identities, "alice", "shop"), None);
        assert_eq!(identities.rules().count(), 0);
    }

    #[test]
    fn rules_that_fit_are_shown_and_others_are_not() {
        let mut identities = Identities::default();
        let subject = Subject::User("alice".into());
        let mut allow = |kind, name, vhost, operations| {
            identities.fold(Change::SetRule(allowing(&subject, kind, name, vhost), operations));
        };
        let (read, write) = (Operations::of(Operation::Read), Operations::of(Operation::Write));
        let literal = |name: &str| NameMatch::Literal(name.into());
        allow(ResourceKind::VirtualHost, literal("*"), None, Operations::of(Operation::Describe));
        for kind in KINDS {
            allow(kind, literal("a.b"), Some("shop"), read.and(write));
            allow(kind, NameMatch::Prefix("c+".into()), Some("shop"), read);
        }
        // Of queues alone, and of full names: RabbitMQ has no word for it.
        allow(ResourceKind::Topic, literal("queue"), Some("shop"), read);
        allow(ResourceKind::Topic, literal("*"), None, Operations::ALL);
        let shown = HostPermissions::of(&identities, "alice", "shop").unwrap();
        assert_eq!(shown, given("", r"^a\.b$", r"(?:^a\.b$)|(?:^c\+)"));
    }
}
