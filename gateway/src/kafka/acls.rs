//! Kafka's ACLs as a view of the rules: each operation of a rule is an ACL of its own.

use std::net::IpAddr;

use crate::auth::Subject;
use crate::auth::permission::{Effect, NameMatch, Operation, Operations, ResourceKind, RuleScope};

/// One ACL, in Kafka's numbers (`ResourceType`, `PatternType`, `AclOperation`, `AclPermissionType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub resource_type: i8,
    pub resource_name: String,
    pub pattern_type: i8,
    pub principal: String,
    pub host: String,
    pub operation: i8,
    pub permission_type: i8,
}

/// Which ACLs are meant; what is absent or `ANY` is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclFilter {
    pub resource_type: i8,
    pub resource_name: Option<String>,
    pub pattern_type: i8,
    pub principal: Option<String>,
    pub host: Option<String>,
    pub operation: i8,
    pub permission_type: i8,
}

const ANY: i8 = 1;
const MATCH: i8 = 2;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const ALL_OPERATIONS: i8 = 2;
const DENY: i8 = 2;
const ALLOW: i8 = 3;

const KINDS: [(i8, ResourceKind); 6] = [
    (2, ResourceKind::Topic),
    (3, ResourceKind::Group),
    (4, ResourceKind::Cluster),
    (5, ResourceKind::TransactionalId),
    (6, ResourceKind::DelegationToken),
    (7, ResourceKind::User),
];

/// The number that Kafka's protocol has for it.
pub fn code_of(operation: Operation) -> i8 {
    match operation {
        Operation::Read => 3,
        Operation::Write => 4,
        Operation::Create => 5,
        Operation::Delete => 6,
        Operation::Alter => 7,
        Operation::Describe => 8,
        Operation::ClusterAction => 9,
        Operation::DescribeConfigs => 10,
        Operation::AlterConfigs => 11,
        Operation::IdempotentWrite => 12,
        Operation::CreateTokens => 13,
        Operation::DescribeTokens => 14,
    }
}

fn operations_of(code: i8) -> Option<Operations> {
    if code == ALL_OPERATIONS {
        return Some(Operations::ALL);
    }
    Operation::ALL.into_iter().find(|operation| code_of(*operation) == code).map(Operations::of)
}

fn principal(subject: &Subject) -> String {
    match subject {
        Subject::User(name) => format!("User:{name}"),
        Subject::Group(name) => format!("Group:{name}"),
        Subject::Everyone => "User:*".to_owned(),
    }
}

fn subject(principal: &str) -> Option<Subject> {
    let (kind, name) = principal.split_once(':')?;
    Subject::parse(&format!("{}:{name}", kind.to_ascii_lowercase()))
}

impl Acl {
    /// The rule that it is a part of, or what is wrong with it.
    pub fn rule(&self) -> Result<(RuleScope, Operations), String> {
        let kind = KINDS.iter().find(|(code, _)| *code == self.resource_type).map(|(_, kind)| *kind);
        let kind = kind.ok_or(
            "ACLs are for topics, groups, the cluster, transactional ids, delegation tokens and users",
        )?;
        let name: Box<str> = match kind.only_name() {
            Some(only) if self.resource_name != only => return Err(format!("the cluster is called {only}")),
            _ => self.resource_name.as_str().into(),
        };
        let name = match self.pattern_type {
            LITERAL => NameMatch::Literal(name),
            PREFIXED => NameMatch::Prefix(name),
            _ => return Err("an ACL's pattern is literal or prefixed".into()),
        };
        let address = match self.host.as_str() {
            "*" => None,
            host => {
                Some(host.parse::<IpAddr>().map_err(|_| format!("{host:?} is no address"))?.to_canonical())
            }
        };
        let effect = match self.permission_type {
            ALLOW => Effect::Allow,
            DENY => Effect::Deny,
            _ => return Err("an ACL allows or denies".into()),
        };
        let subject = subject(&self.principal).ok_or("a principal is User:NAME or Group:NAME")?;
        let operations = operations_of(self.operation).ok_or("an ACL is for one operation, or for all")?;
        Ok((RuleScope { subject, kind, name, vhost: None, address, effect }, operations))
    }

    /// The ACLs that a rule is; none where Kafka has no word for it.
    pub fn of_rule(scope: &RuleScope, operations: Operations) -> Vec<Acl> {
        let resource_type = KINDS.iter().find(|(_, kind)| *kind == scope.kind).map(|(code, _)| *code);
        let pattern_type = match &scope.name {
            NameMatch::Literal(_) => LITERAL,
            NameMatch::Prefix(_) => PREFIXED,
            NameMatch::Pattern(_) => return Vec::new(),
        };
        let Some(resource_type) = resource_type.filter(|_| scope.vhost.is_none()) else { return Vec::new() };
        let codes: Vec<i8> = if operations == Operations::ALL {
            vec![ALL_OPERATIONS]
        } else {
            let each = Operation::ALL.into_iter().filter(|one| operations.has_any(Operations::of(*one)));
            each.map(code_of).collect()
        };
        let acl = |operation| Acl {
            resource_type,
            resource_name: scope.name.text().to_owned(),
            pattern_type,
            principal: principal(&scope.subject),
            host: scope.address.map_or_else(|| "*".to_owned(), |address| address.to_string()),
            operation,
            permission_type: if scope.effect == Effect::Allow { ALLOW } else { DENY },
        };
        codes.into_iter().map(acl).collect()
    }
}

impl AclFilter {
    /// Whether an ACL is meant.
    pub fn takes(&self, acl: &Acl) -> bool {
        let is = |wanted: i8, have: i8| wanted == ANY || wanted == have;
        let same =
            |wanted: &Option<String>, have: &str| wanted.as_deref().is_none_or(|wanted| wanted == have);
        is(self.resource_type, acl.resource_type)
            && is(self.operation, acl.operation)
            && is(self.permission_type, acl.permission_type)
            && same(&self.principal, &acl.principal)
            && same(&self.host, &acl.host)
            && self.takes_name(acl)
    }

    /// `MATCH` means every ACL that counts for the name.
    fn takes_name(&self, acl: &Acl) -> bool {
        let same = self.resource_name.as_deref().is_none_or(|wanted| wanted == acl.resource_name);
        match (self.pattern_type, self.resource_name.as_deref()) {
            (MATCH, Some(name)) if acl.pattern_type == PREFIXED => name.starts_with(&acl.resource_name),
            (MATCH, Some(_)) => same || acl.resource_name == "*",
            (ANY | MATCH, _) => same,
            (wanted, _) => same && wanted == acl.pattern_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(name: &str, pattern_type: i8, operation: i8) -> Acl {
        Acl {
            resource_type: 2,
            resource_name: name.into(),
            pattern_type,
            principal: "User:alice".into(),
            host: "*".into(),
            operation,
            permission_type: ALLOW,
        }
    }

    #[test]
    fn an_acl_comes_back_from_its_rule() {
        for one in [acl("orders", LITERAL, 3), acl("or", PREFIXED, ALL_OPERATIONS), acl("*", LITERAL, 12)] {
            let (scope, operations) = one.rule().unwrap();
            assert_eq!(Acl::of_rule(&scope, operations), [one]);
        }
        assert!(Acl { resource_type: 8, ..acl("x", LITERAL, 3) }.rule().is_err());
        assert!(Acl { operation: ANY, ..acl("x", LITERAL, 3) }.rule().is_err());
        assert!(Acl { pattern_type: MATCH, ..acl("x", LITERAL, 3) }.rule().is_err());
        assert!(Acl { host: "here".into(), ..acl("x", LITERAL, 3) }.rule().is_err());
    }

    #[test]
    fn filters_take_what_they_name() {
        let any = AclFilter {
            resource_type: ANY,
            resource_name: None,
            pattern_type: ANY,
            principal: None,
            host: None,
            operation: ANY,
            permission_type: ANY,
        };
        let (literal, prefixed, all) =
            (acl("orders", LITERAL, 3), acl("or", PREFIXED, 3), acl("*", LITERAL, 3));
        assert!([&literal, &prefixed, &all].iter().all(|acl| any.takes(acl)));
        let named =
            |pattern_type| AclFilter { resource_name: Some("orders".into()), pattern_type, ..any.clone() };
        let taken = |filter: &AclFilter| [&literal, &prefixed, &all].map(|acl| filter.takes(acl));
        assert_eq!(taken(&named(MATCH)), [true, true, true]);
        assert_eq!(taken(&named(LITERAL)), [true, false, false]);
        assert_eq!(taken(&named(ANY)), [true, false, false]);
        assert!(!AclFilter { principal: Some("User:bob".into()), ..any }.takes(&literal));
    }
}
