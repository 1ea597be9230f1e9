//! What RabbitMQ's tools set of permissions: a view of the rules, and the topic permissions beside them.

use message::ErrorCode;

use super::Topics;
use super::authorization::Act;
use super::deeds::Author;
use super::identities::{Becomes, CHANGES_MAX, too_many, unknown_user};
use super::shard::Turn;
use super::spec::Created;
use crate::auth::identity_record::Change;
use crate::auth::permission::{Operations, ResourceKind, RuleScope};
use crate::auth::routing_keys::{self, TopicPermission, TopicScope};
use crate::auth::{HostPermissions, Identities, Subject, rule_index};
use crate::refusal::Refusal;

/// Topic permissions kept at most, and those of one user.
const TOPIC_PERMISSIONS_MAX: usize = 100_000;
const TOPIC_PERMISSIONS_OF_USER: usize = 1000;
/// Longest expression of a permission, in bytes.
const EXPRESSION_BYTES: usize = 1024;

impl Topics {
    /// Sets the permissions of a user in a virtual host, whatever they were; `None` keeps it from there.
    ///
    /// Fails with [`ErrorCode::ConflictingSettings`] for an administrator, whom less than everything would not hold.
    pub async fn set_host_permissions(
        &self,
        user: &str,
        vhost: &str,
        permissions: Option<HostPermissions>,
    ) -> Result<Created, Refusal> {
        self.allow_on_server(Act::ChangeServer)?;
        for expression in permissions.iter().flat_map(|given| given.expressions()) {
            check_expression(expression, rule_index::pattern(expression))?;
        }
        let (user, vhost, by) = (user.to_owned(), vhost.to_owned(), self.author());
        let set = move |turn: &mut Turn<'_>| {
            let identities = &turn.engines.identities;
            let is_admin = check_user(identities, &user)?;
            if is_admin && permissions.as_ref().is_some_and(|given| *given != HostPermissions::everything()) {
                return Err(not_an_admin(&user));
            }
            let had = HostPermissions::of(identities, &user, &vhost).is_some();
            let rules = HostPermissions::rules(permissions.as_ref(), identities, &user, &vhost);
            turn.set_rules(rules, &by)?;
            Ok(if had { Created::Same } else { Created::Made })
        };
        self.identity_call(CHANGES_MAX, set).await
    }

    /// Sets the topic permission of a user for an exchange, whatever it was; `None` makes every routing key free again.
    pub async fn set_topic_permission(
        &self,
        scope: TopicScope,
        permission: Option<TopicPermission>,
    ) -> Result<(), Refusal> {
        self.allow_on_server(Act::ChangeServer)?;
        let TopicScope { user, vhost, .. } = &scope;
        for expression in permission.iter().flat_map(|given| [&given.write, &given.read]) {
            check_expression(expression, routing_keys::compile(expression, user, vhost))?;
        }
        let by = self.author();
        let set = move |turn: &mut Turn<'_>| {
            let identities = &turn.engines.identities;
            let is_admin = check_user(identities, &scope.user)?;
            let is_free =
                |given: &TopicPermission| [&given.write, &given.read].iter().all(|one| &***one == ".*");
            if is_admin && permission.as_ref().is_some_and(|given| !is_free(given)) {
                return Err(not_an_admin(&scope.user));
            }
            let had = identities.topic_permissions_of(&scope.user).any(|(other, _)| *other == scope);
            if permission.is_some() && !had {
                if identities.topic_permissions().count() >= TOPIC_PERMISSIONS_MAX {
                    return Err(too_many("topic permissions", TOPIC_PERMISSIONS_MAX));
                }
                if identities.topic_permissions_of(&scope.user).count() >= TOPIC_PERMISSIONS_OF_USER {
                    return Err(too_many("topic permissions of one user", TOPIC_PERMISSIONS_OF_USER));
                }
            }
            turn.change(Change::SetTopicPermission(scope, permission), &by, "topic_permission_set")
        };
        self.identity_call(1, set).await
    }

    /// Deletes users with their own rules and topic permissions; all of them or none. Their connections end.
    pub async fn delete_users_with_rules(&self, names: Vec<String>) -> Result<(), Refusal> {
        self.allow_on_server(Act::ChangeServer)?;
        let by = self.author();
        let delete = move |turn: &mut Turn<'_>| {
            let mut changes = Vec::new();
            let identities = &turn.engines.identities;
            for name in &names {
                check_user(identities, name)?;
                changes.extend(own_rules(identities, name));
                changes.push(Change::DeleteUser(name.as_str().into()));
            }
            if changes.len() > CHANGES_MAX {
                let detail = format!("at most {CHANGES_MAX} users, rules and topic permissions at a time");
                return Err(Refusal::new(ErrorCode::TooLarge, detail));
            }
            turn.check_an_admin_stays(&names, Becomes::Nobody)?;
            changes.into_iter().for_each(|change| turn.note(change, &by, "user_deleted"));
            turn.engines.show_identities();
            Ok(())
        };
        self.identity_call(CHANGES_MAX, delete).await
    }

    /// Takes away what anybody may do in a virtual host that is gone: another one of its name begins without.
    pub(super) async fn forget_rules_within(&self, vhost: &str) -> Result<(), Refusal> {
        let by = self.author();
        while !rules_within(&self.guard().seen().1, vhost).is_empty() {
            let (vhost, by) = (vhost.to_owned(), by.clone());
            let forget = move |turn: &mut Turn<'_>| {
                let changes = rules_within(&turn.engines.identities, &vhost);
                changes.into_iter().for_each(|change| turn.note(change, &by, "vhost_deleted"));
                turn.engines.show_identities();
                Ok(())
            };
            self.identity_call(CHANGES_MAX, forget).await?;
        }
        Ok(())
    }
}

impl Turn<'_> {
    fn set_rules(&mut self, rules: Vec<(RuleScope, Operations)>, by: &Author) -> Result<(), Refusal> {
        if rules.len() > CHANGES_MAX {
            let detail = format!("that changes more than {CHANGES_MAX} rules; delete some at /v1/acls first");
            return Err(Refusal::new(ErrorCode::TooLarge, detail));
        }
        self.check_room_for_rules(rules.len())?;
        for (scope, operations) in rules {
            self.note(Change::SetRule(scope, operations), by, "rule_set");
        }
        self.engines.show_identities();
        Ok(())
    }
}

/// Whether the user is there; and whether it is an administrator.
fn check_user(identities: &Identities, name: &str) -> Result<bool, Refusal> {
    identities.user(name).map(|user| user.admin).ok_or_else(|| unknown_user(name))
}

fn not_an_admin(user: &str) -> Refusal {
    let detail = format!(
        "{user} is an administrator, who may do everything; take the tag `administrator` away, or allow `.*`"
    );
    Refusal::new(ErrorCode::ConflictingSettings, detail)
}

fn check_expression<T>(expression: &str, compiled: Result<T, regex::Error>) -> Result<(), Refusal> {
    if expression.len() > EXPRESSION_BYTES {
        let detail = format!("an expression has at most {EXPRESSION_BYTES} bytes");
        return Err(Refusal::new(ErrorCode::InvalidPattern, detail));
    }
    compiled.map(drop).map_err(|error| Refusal::new(ErrorCode::InvalidPattern, error.to_string()))
}

/// What takes a user's own rules and topic permissions away.
fn own_rules(identities: &Identities, user: &str) -> Vec<Change> {
    let subject = Subject::User(user.into());
    let rules =
        identities.rules_of(&subject).map(|(scope, _)| Change::SetRule(scope.clone(), Operations::NONE));
    let topics = identities.topic_permissions_of(user);
    rules.chain(topics.map(|(scope, _)| Change::SetTopicPermission(scope.clone(), None))).collect()
}

/// What takes the first rules and topic permissions for a virtual host away.
fn rules_within(identities: &Identities, vhost: &str) -> Vec<Change> {
    let is_about = |scope: &RuleScope| {
        let is_it = scope.kind == ResourceKind::VirtualHost && scope.name.text() == vhost;
        scope.vhost.as_deref() == Some(vhost) || is_it
    };
    let rules = identities.rules().filter(|(scope, _)| is_about(scope));
    let rules = rules.map(|(scope, _)| Change::SetRule(scope.clone(), Operations::NONE));
    let topics = identities.topic_permissions().filter(|(scope, _)| *scope.vhost == *vhost);
    let topics = topics.map(|(scope, _)| Change::SetTopicPermission(scope.clone(), None));
    rules.chain(topics).take(CHANGES_MAX).collect()
}
