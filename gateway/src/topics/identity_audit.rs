//! What the audit log says of a change of users, rules, quotas and tokens. Nothing secret is in it.

use crate::auth::DelegationToken;
use crate::auth::identity_record::Change;
use crate::auth::permission::{Effect, RuleScope};
use crate::auth::quota::Measure;
use crate::auth::routing_keys::TopicScope;

/// A change in words.
pub(super) fn about(change: &Change) -> String {
    match change {
        Change::SetUser(user) => {
            let mechanisms: Vec<&str> =
                user.verifiers.iter().map(|verifier| verifier.hash.mechanism()).collect();
            let (name, admin, groups, keys) = (&user.name, user.admin, &user.groups, user.keys.len());
            format!(
                "user {name}, admin {admin}, groups {groups:?}, mechanisms {mechanisms:?}, {keys} API keys"
            )
        }
        Change::DeleteUser(name) => format!("user {name}"),
        Change::SetRule(scope, operations) => {
            let RuleScope { subject, kind, name, effect, .. } = scope;
            let operations = operations.names().join(" ");
            let effect = match effect {
                Effect::Allow => "allow",
                Effect::Deny => "deny",
            };
            format!("{effect} {subject} {} {} {:?}: {operations}", kind.as_str(), name.kind(), name.text())
        }
        Change::SetQuota(entity, limits) => {
            let limit = |measure: Measure| Some(format!("{} {}", measure.as_str(), limits.of(measure)?));
            let limits: Vec<String> = Measure::ALL.into_iter().filter_map(limit).collect();
            format!("{entity}: {}", limits.join(", "))
        }
        Change::SetToken(token) => {
            let DelegationToken { id, owner, renewers, expires_at, .. } = token;
            format!("delegation token {id} of {owner}, renewers {renewers:?}, until {expires_at:?}")
        }
        Change::DeleteToken(id) => format!("delegation token {id}"),
        Change::SetTopicPermission(TopicScope { user, vhost, exchange }, permission) => {
            let keys = permission.as_ref().map_or_else(
                || "none".to_owned(),
                |keys| format!("write {:?}, read {:?}", keys.write, keys.read),
            );
            format!("user {user}, exchange {exchange:?} of {vhost:?}: {keys}")
        }
    }
}
