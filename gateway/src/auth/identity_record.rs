//! Users, rules, topic permissions, quotas and delegation tokens, and who made which topic, as records of the journal: one JSON object a change.
//! They are few and rarely change; what counts is that a later version can read them.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use message::{Timestamp, TopicName};
use serde::{Deserialize, Serialize};

use super::api_key::ApiKey;
use super::delegation_token::DelegationToken;
use super::permission::{Effect, NameMatch, Operations, ResourceKind, RuleScope};
use super::quota::{Consumer, QuotaEntity, QuotaLimits};
use super::routing_keys::{TopicPermission, TopicScope};
use super::subject::Subject;
use super::user::User;
use super::verifier::{ScramHash, Verifier};

/// One change, as it is journaled and folded.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A user is there, and so.
    SetUser(User),
    /// A user is gone.
    DeleteUser(Box<str>),
    /// A rule has these operations; without any it is gone.
    SetRule(RuleScope, Operations),
    /// A quota is there, and so; without any limit it is gone.
    SetQuota(QuotaEntity, QuotaLimits),
    /// A topic permission is there, and so; or it is gone.
    SetTopicPermission(TopicScope, Option<TopicPermission>),
    /// A delegation token is there, and so.
    SetToken(DelegationToken),
    /// A delegation token is gone.
    DeleteToken(Box<str>),
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// Users, rules or quotas changed.
    Change(Change),
    /// Somebody made a topic, or nobody in particular.
    Maker(TopicName, Option<Consumer>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    User(UserRecord),
    DeletedUser(Box<str>),
    Rule(RuleRecord),
    Quota(QuotaEntity, QuotaLimits),
    TopicPermission(TopicRecord),
    Maker(Box<str>, Option<Consumer>),
    DelegationToken(TokenRecord),
    DeletedDelegationToken(Box<str>),
}

#[derive(Serialize, Deserialize)]
struct UserRecord {
    name: Box<str>,
    admin: bool,
    groups: Vec<Box<str>>,
    tags: Vec<Box<str>>,
    verifiers: Vec<VerifierRecord>,
    password_version: u64,
    keys: Vec<KeyRecord>,
}

#[derive(Serialize, Deserialize)]
struct VerifierRecord {
    mechanism: String,
    iterations: u32,
    salt: String,
    stored_key: String,
    server_key: String,
}

#[derive(Serialize, Deserialize)]
struct KeyRecord {
    id: Box<str>,
    note: String,
    hash: String,
    made_at: i64,
    expires_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct RuleRecord {
    subject: String,
    kind: String,
    #[serde(rename = "match")]
    name_match: String,
    name: Box<str>,
    vhost: Option<Box<str>>,
    address: Option<IpAddr>,
    allow: bool,
    operations: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct TopicRecord {
    user: Box<str>,
    vhost: Box<str>,
    exchange: Box<str>,
    /// The expressions for writing and reading; none where the permission is gone.
    expressions: Option<(Box<str>, Box<str>)>,
}

#[derive(Serialize, Deserialize)]
struct TokenRecord {
    id: Box<str>,
    owner: Box<str>,
    requester: Box<str>,
    renewers: Vec<Box<str>>,
    issued_at: i64,
    expires_at: i64,
    max_at: i64,
}

/// A change as bytes.
#[must_use]
pub fn encode(change: &Change) -> Vec<u8> {
    let record = match change {
        Change::SetUser(user) => Record::User(of_user(user)),
        Change::DeleteUser(name) => Record::DeletedUser(name.clone()),
        Change::SetRule(scope, operations) => Record::Rule(of_rule(scope, *operations)),
        Change::SetQuota(entity, limits) => Record::Quota(entity.clone(), limits.clone()),
        Change::SetTopicPermission(TopicScope { user, vhost, exchange }, permission) => {
            let [user, vhost, exchange] = [user, vhost, exchange].map(Clone::clone);
            let expressions = permission.clone().map(|TopicPermission { write, read }| (write, read));
            Record::TopicPermission(TopicRecord { user, vhost, exchange, expressions })
        }
        Change::SetToken(token) => Record::DelegationToken(of_token(token.clone())),
        Change::DeleteToken(id) => Record::DeletedDelegationToken(id.clone()),
    };
    written(&record)
}

/// Any entry as bytes.
#[must_use]
pub fn encode_entry(entry: &Entry) -> Vec<u8> {
    match entry {
        Entry::Change(change) => encode(change),
        Entry::Maker(topic, by) => written(&Record::Maker(topic.as_str().into(), by.clone())),
    }
}

fn written(record: &Record) -> Vec<u8> {
    // Strings, numbers and lists cannot fail to serialize.
    serde_json::to_vec(record).unwrap_or_default()
}

/// What bytes say; `None` when a newer version wrote what this one does not know.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Entry> {
    Some(Entry::Change(match serde_json::from_slice(bytes).ok()? {
        Record::Maker(topic, by) => return Some(Entry::Maker(TopicName::new(&topic).ok()?, by)),
        Record::User(record) => Change::SetUser(user(record)?),
        Record::DeletedUser(name) => Change::DeleteUser(name),
        Record::Rule(record) => {
            let (scope, operations) = rule(record)?;
            Change::SetRule(scope, operations)
        }
        Record::Quota(entity, limits) => Change::SetQuota(entity, limits),
        Record::TopicPermission(TopicRecord { user, vhost, exchange, expressions }) => {
            let permission = expressions.map(|(write, read)| TopicPermission { write, read });
            Change::SetTopicPermission(TopicScope { user, vhost, exchange }, permission)
        }
        Record::DelegationToken(record) => Change::SetToken(token(record)),
        Record::DeletedDelegationToken(id) => Change::DeleteToken(id),
    }))
}

fn of_user(user: &User) -> UserRecord {
    let verifier = |verifier: &Verifier| VerifierRecord {
        mechanism: verifier.hash.mechanism().to_owned(),
        iterations: verifier.iterations,
        salt: BASE64.encode(&verifier.salt),
        stored_key: BASE64.encode(&verifier.stored_key),
        server_key: BASE64.encode(&verifier.server_key),
    };
    let key = |key: &ApiKey| KeyRecord {
        id: key.id.clone(),
        note: key.note.clone(),
        hash: BASE64.encode(key.hash),
        made_at: key.made_at.0,
        expires_at: key.expires_at.map(|at| at.0),
    };
    UserRecord {
        name: user.name.clone(),
        admin: user.admin,
        groups: user.groups.clone(),
        tags: user.tags.clone(),
        verifiers: user.verifiers.iter().map(verifier).collect(),
        password_version: user.password_version,
        keys: user.keys.iter().map(key).collect(),
    }
}

fn user(record: UserRecord) -> Option<User> {
    let verifier = |record: VerifierRecord| {
        Some(Verifier {
            hash: ScramHash::of_mechanism(&record.mechanism)?,
            iterations: record.iterations,
            salt: BASE64.decode(record.salt).ok()?,
            stored_key: BASE64.decode(record.stored_key).ok()?,
            server_key: BASE64.decode(record.server_key).ok()?,
        })
    };
    let key = |record: KeyRecord| {
        Some(ApiKey {
            id: record.id,
            note: record.note,
            hash: BASE64.decode(record.hash).ok()?.try_into().ok()?,
            made_at: Timestamp(record.made_at),
            expires_at: record.expires_at.map(Timestamp),
        })
    };
    Some(User {
        name: record.name,
        admin: record.admin,
        groups: record.groups,
        tags: record.tags,
        verifiers: record.verifiers.into_iter().map(verifier).collect::<Option<_>>()?,
        password_version: record.password_version,
        keys: record.keys.into_iter().map(key).collect::<Option<_>>()?,
    })
}

fn of_rule(scope: &RuleScope, operations: Operations) -> RuleRecord {
    RuleRecord {
        subject: scope.subject.to_string(),
        kind: scope.kind.as_str().to_owned(),
        name_match: scope.name.kind().to_owned(),
        name: scope.name.text().into(),
        vhost: scope.vhost.clone(),
        address: scope.address,
        allow: scope.effect == Effect::Allow,
        operations: operations.names().into_iter().map(str::to_owned).collect(),
    }
}

fn rule(record: RuleRecord) -> Option<(RuleScope, Operations)> {
    let name = match record.name_match.as_str() {
        "literal" => NameMatch::Literal(record.name),
        "prefix" => NameMatch::Prefix(record.name),
        "pattern" => NameMatch::Pattern(record.name),
        _ => return None,
    };
    let scope = RuleScope {
        subject: Subject::parse(&record.subject)?,
        kind: ResourceKind::parse(&record.kind)?,
        name,
        vhost: record.vhost,
        address: record.address,
        effect: if record.allow { Effect::Allow } else { Effect::Deny },
    };
    let each = record.operations.iter().map(|name| Operations::parse(name));
    let operations = each.collect::<Option<Vec<_>>>()?.into_iter().fold(Operations::NONE, Operations::and);
    Some((scope, operations))
}

fn of_token(token: DelegationToken) -> TokenRecord {
    let DelegationToken { id, owner, requester, renewers, issued_at, expires_at, max_at } = token;
    let [issued_at, expires_at, max_at] = [issued_at, expires_at, max_at].map(|at| at.0);
    TokenRecord { id, owner, requester, renewers, issued_at, expires_at, max_at }
}

fn token(record: TokenRecord) -> DelegationToken {
    let TokenRecord { id, owner, requester, renewers, issued_at, expires_at, max_at } = record;
    let [issued_at, expires_at, max_at] = [issued_at, expires_at, max_at].map(Timestamp);
    DelegationToken { id, owner, requester, renewers, issued_at, expires_at, max_at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::permission::Operation;
    use crate::auth::quota::Part;

    #[test]
    fn what_is_written_is_read() {
        let (key, _) = ApiKey::make([9; 41], "ci".into(), Timestamp(5), Some(Timestamp(6)));
        let user = User {
            name: "alice".into(),
            admin: true,
            groups: vec!["ops".into()],
            tags: vec!["monitoring".into()],
            verifiers: vec![Verifier::of_password(ScramHash::Sha512, b"x", b"salt".to_vec(), 1)],
            password_version: 3,
            keys: vec![key],
        };
        let scope = RuleScope {
            subject: Subject::Group("ops".into()),
            kind: ResourceKind::Exchange,
            name: NameMatch::Pattern("^a".into()),
            vhost: Some("shop".into()),
            address: Some([10, 0, 0, 1].into()),
            effect: Effect::Deny,
        };
        let operations = Operations::of(Operation::Read).and(Operations::of(Operation::Write));
        let entity = QuotaEntity {
            user: Some(Part::Default),
            client_id: Some(Part::Named("c".into())),
            address: None,
        };
        let limits = QuotaLimits { produce_bytes_per_s: Some(10), ..QuotaLimits::default() };
        let topics = TopicScope { user: "alice".into(), vhost: "/".into(), exchange: "x".into() };
        let expressions = TopicPermission { write: "^{username}".into(), read: "".into() };
        let token = DelegationToken {
            id: "t".into(),
            owner: "alice".into(),
            requester: "bob".into(),
            renewers: vec!["carol".into()],
            issued_at: Timestamp(1),
            expires_at: Timestamp(2),
            max_at: Timestamp(3),
        };
        for change in [
            Change::SetToken(token),
            Change::DeleteToken("t".into()),
            Change::SetUser(user),
            Change::DeleteUser("bob".into()),
            Change::SetRule(scope.clone(), operations),
            Change::SetRule(scope, Operations::NONE),
            Change::SetQuota(entity, limits),
            Change::SetTopicPermission(topics.clone(), Some(expressions)),
            Change::SetTopicPermission(topics, None),
        ] {
            assert_eq!(decode(&encode(&change)), Some(Entry::Change(change)));
        }
        assert_eq!(decode(b"{\"passkey\":{}}"), None);
    }
}
