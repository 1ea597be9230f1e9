//! RabbitMQ's topic permissions: which routing keys a user may publish with to an exchange, and bind from it.
//!
//! Unlike a rule one takes away: an exchange without one for the user is free for every key.

use std::collections::HashMap;

use regex::Regex;

use super::rule_index;

/// Whose keys of which exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicScope {
    /// The user.
    pub user: Box<str>,
    /// The virtual host.
    pub vhost: Box<str>,
    /// The exchange's name there; empty is the default one.
    pub exchange: Box<str>,
}

/// Expressions that are looked for in a routing key, in which `{username}` and `{vhost}` stand for themselves. An empty one
/// is for the empty key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPermission {
    /// Keys that may be published with.
    pub write: Box<str>,
    /// Keys that may be bound.
    pub read: Box<str>,
}

/// What is done with a routing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// A message is published with it.
    Publish,
    /// A binding is made or taken away.
    Bind,
}

/// A permission's expression, ready for a user in a virtual host. What stands for a name is that name literally.
pub fn compile(expression: &str, user: &str, vhost: &str) -> Result<Regex, regex::Error> {
    if expression.is_empty() {
        return rule_index::pattern("^$");
    }
    let filled =
        expression.replace("{username}", &regex::escape(user)).replace("{vhost}", &regex::escape(vhost));
    rule_index::pattern(&filled)
}

/// The topic permissions of one user, by virtual host and exchange.
#[derive(Debug, Default)]
pub struct RoutingKeys(HashMap<Box<str>, HashMap<Box<str>, Keys>>);

/// `None` is an expression that does not compile, which was refused when it was set: it lets nothing through.
#[derive(Debug)]
struct Keys {
    write: Option<Regex>,
    read: Option<Regex>,
}

impl RoutingKeys {
    /// Those of one user, ready to be asked.
    #[must_use]
    pub fn of<'a>(permissions: impl Iterator<Item = (&'a TopicScope, &'a TopicPermission)>) -> RoutingKeys {
        let mut all = RoutingKeys::default();
        for (TopicScope { user, vhost, exchange }, TopicPermission { write, read }) in permissions {
            let compile = |expression: &str| compile(expression, user, vhost).ok();
            let keys = Keys { write: compile(write), read: compile(read) };
            all.0.entry(vhost.clone()).or_default().insert(exchange.clone(), keys);
        }
        all
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something may be done with a routing key; without one, with every key that there is.
    #[must_use]
    pub fn permit(&self, exchange: (&str, &str), use_of: KeyUse, key: Option<&str>) -> bool {
        let (vhost, local) = exchange;
        let Some(keys) = self.0.get(vhost).and_then(|exchanges| exchanges.get(local)) else { return true };
        let expression = match use_of {
            KeyUse::Publish => &keys.write,
            KeyUse::Bind => &keys.read,
        };
        key.zip(expression.as_ref()).is_some_and(|(key, expression)| expression.is_match(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_for_its_exchange_alone_and_names_stand_for_themselves() {
        let scope = TopicScope { user: "a.b".into(), vhost: "/".into(), exchange: "x".into() };
        let permission = TopicPermission { write: "^{username}[.]".into(), read: "".into() };
        let keys = RoutingKeys::of([(&scope, &permission)].into_iter());
        let may = |exchange, use_of, key| keys.permit(exchange, use_of, Some(key));
        assert!(may(("/", "x"), KeyUse::Publish, "a.b.c") && !may(("/", "x"), KeyUse::Publish, "aXb.c"));
        assert!(!may(("/", "x"), KeyUse::Bind, "a.b.c") && may(("/", "x"), KeyUse::Bind, ""));
        assert!(may(("/", "y"), KeyUse::Publish, "c") && may(("v", "x"), KeyUse::Publish, "c"));
        assert!(!keys.permit(("/", "x"), KeyUse::Publish, None));
        assert!(keys.permit(("/", "y"), KeyUse::Publish, None));
        let broken = TopicPermission { write: "(".into(), read: "(".into() };
        let keys = RoutingKeys::of([(&scope, &broken)].into_iter());
        assert!(!keys.permit(("/", "x"), KeyUse::Publish, Some("a.b.c")));
    }
}
