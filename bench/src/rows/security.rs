//! What permissions and quotas cost, without a socket.

use std::hint::black_box;
use std::time::Instant;

use sluice::auth::identity_record::Change;
use sluice::auth::permission::{Effect, NameMatch, Operation, Operations, Resource, ResourceKind, RuleScope};
use sluice::auth::quota::{Measure, Part, QuotaEntity, QuotaLimits};
use sluice::auth::{Caller, ConnectionUsage, Guard, GuardSettings, Identities, Origin, Subject, User};

use crate::table::Line;

const RULES: usize = 10_000;
const QUOTAS: usize = 10_000;
const HOME: Origin = Origin { door: "bench", address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) };

fn rule(name: NameMatch) -> Change {
    let scope = RuleScope {
        subject: Subject::User("alice".into()),
        kind: ResourceKind::Topic,
        name,
        vhost: None,
        address: None,
        effect: Effect::Allow,
    };
    Change::SetRule(scope, Operations::of(Operation::Write))
}

/// A user with ten thousand rules, half of them for one name, half for a prefix.
fn alice() -> Caller {
    let mut identities = Identities::default();
    identities.fold(Change::SetUser(User { name: "alice".into(), ..User::default() }));
    for number in 0..RULES / 2 {
        identities.fold(rule(NameMatch::Literal(format!("orders-{number}").into())));
        identities.fold(rule(NameMatch::Prefix(format!("events-{number}-").into())));
    }
    identities.arrange();
    let guard = Guard::new(GuardSettings::default());
    guard.show(identities);
    guard.proved("alice", sluice::auth::Proof::Password(0), HOME).expect("alice is known")
}

/// One question to ten thousand rules.
pub fn permission() -> Vec<Line> {
    let alice = alice();
    let cases = [
        ("by name", "orders-{}", true),
        ("by prefix", "events-{}-eu", true),
        ("denied", "secrets-{}", false),
    ];
    let mut lines = Vec::new();
    for (what, pattern, expected) in cases {
        let names: Vec<String> =
            (0..RULES / 2).map(|number| pattern.replace("{}", &number.to_string())).collect();
        let ask = |name: &str| {
            let resource = Resource { kind: ResourceKind::Topic, name, within: Some(("/", name)) };
            alice.may(Operation::Write, resource)
        };
        assert!(names.iter().all(|name| ask(name) == expected));
        let mut best = f64::MAX;
        for _ in 0..50 {
            let began = Instant::now();
            for name in &names {
                black_box(ask(black_box(name)));
            }
            best = best.min(began.elapsed().as_nanos() as f64 / names.len() as f64);
        }
        let line =
            Line::new(format!("permission with 10,000 rules, {what}"), "< 200 ns", format!("{best:.0} ns"));
        lines.push(line.met(best < 200.0));
    }
    lines
}

/// What measuring one produce request costs: whose it is, that it is a request, and its bytes.
pub fn quotas() -> Vec<Line> {
    const REQUESTS: u32 = 100_000;
    let others = || (0..QUOTAS).map(|number| format!("somebody-{number}"));
    let cases: [(&str, Vec<String>); 3] = [
        ("there are none", Vec::new()),
        ("10,000 others have some", others().collect()),
        ("one has one that is never reached", vec!["alice".to_owned()]),
    ];
    let mut lines = Vec::new();
    for (what, users) in cases {
        let guard = guard_with(users);
        let mut connection = ConnectionUsage::default();
        let mut best = f64::MAX;
        for _ in 0..50 {
            let began = Instant::now();
            for _ in 0..REQUESTS {
                let usage = connection.of(&guard, black_box(Some("alice")), black_box(Some("app")), HOME);
                let usage = usage.expect("connections are not bounded");
                let waits = usage.take(Measure::Requests, 1) + usage.take(Measure::Produce, black_box(1024));
                assert!(waits.is_zero());
            }
            best = best.min(began.elapsed().as_nanos() as f64 / f64::from(REQUESTS));
        }
        lines.push(Line::new(format!("quotas, of one request, where {what}"), "", format!("{best:.0} ns")));
    }
    lines
}

fn guard_with(users: impl IntoIterator<Item = String>) -> Guard {
    let plenty = Some(u64::MAX / 2);
    let limits =
        QuotaLimits { produce_bytes_per_s: plenty, requests_per_s: plenty, ..QuotaLimits::default() };
    let mut identities = Identities::default();
    for user in users {
        let entity = QuotaEntity { user: Some(Part::of(&user)), ..QuotaEntity::default() };
        identities.fold(Change::SetQuota(entity, limits.clone()));
    }
    let guard = Guard::new(GuardSettings::default());
    guard.show(identities);
    guard
}
