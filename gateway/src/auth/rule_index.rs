//! Rules, arranged so that a question takes as long with ten thousand of them as with ten.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use regex::{Regex, RegexBuilder};

use super::permission::{Effect, NameMatch, Operation, Operations, Resource, ResourceKind, RuleScope};

/// Bytes that a compiled expression may take.
const PATTERN_BYTES: usize = 1 << 20;

/// What rules say together about one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    allowed: Operations,
    denied: Operations,
}

impl Verdict {
    /// What two sets of rules say together.
    #[must_use]
    pub fn and(self, other: Verdict) -> Verdict {
        Verdict { allowed: self.allowed.and(other.allowed), denied: self.denied.and(other.denied) }
    }

    /// Whether it lets an operation be done. What no rule allows is denied, and a denial wins.
    #[must_use]
    pub fn permits(self, operation: Operation) -> bool {
        self.allowed.has_any(Operations::granting(operation))
            && !self.denied.has_any(Operations::of(operation))
    }

    fn add(&mut self, effect: Effect, operations: Operations) {
        let side = match effect {
            Effect::Allow => &mut self.allowed,
            Effect::Deny => &mut self.denied,
        };
        *side = side.and(operations);
    }
}

/// All rules of one subject.
#[derive(Debug, Default)]
pub struct SubjectRules {
    anywhere: ByKind,
    from: HashMap<IpAddr, ByKind>,
}

#[derive(Debug, Default)]
struct ByKind([OneKind; ResourceKind::ALL.len()]);

#[derive(Debug, Default)]
struct OneKind {
    full: Names,
    within: HashMap<Box<str>, Names>,
}

/// Verdicts by name.
#[derive(Debug, Default)]
struct Names {
    every: Verdict,
    literal: HashMap<Box<str>, Verdict>,
    prefixes: Prefixes,
    patterns: Vec<(Regex, Verdict)>,
}

/// Rules that are looked through together: a kind, a virtual host, an address.
type Place<'a> = (ResourceKind, Option<&'a str>, Option<IpAddr>);

/// A regular expression as rules may have it.
pub fn pattern(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(PATTERN_BYTES).build()
}

impl SubjectRules {
    /// Arranges rules; their subjects are not looked at.
    #[must_use]
    pub fn of<'a>(rules: impl Iterator<Item = (&'a RuleScope, Operations)>) -> SubjectRules {
        let mut index = SubjectRules::default();
        let mut prefixes: Vec<(&RuleScope, Operations)> = Vec::new();
        for (scope, operations) in rules {
            match &scope.name {
                NameMatch::Prefix(_) => prefixes.push((scope, operations)),
                NameMatch::Literal(name) if &**name == "*" => {
                    index.names(scope).every.add(scope.effect, operations);
                }
                NameMatch::Literal(name) => {
                    let literal = &mut index.names(scope).literal;
                    literal.entry(name.clone()).or_default().add(scope.effect, operations);
                }
                NameMatch::Pattern(text) => {
                    // What does not compile was refused when the rule was made.
                    let Ok(regex) = pattern(text) else { continue };
                    let mut verdict = Verdict::default();
                    verdict.add(scope.effect, operations);
                    index.names(scope).patterns.push((regex, verdict));
                }
            }
        }
        let mut gathered: BTreeMap<Place<'_>, BTreeMap<&str, Verdict>> = BTreeMap::new();
        let mut sample: HashMap<Place<'_>, &RuleScope> = HashMap::new();
        for (scope, operations) in prefixes {
            let place = (scope.kind, scope.vhost.as_deref(), scope.address);
            sample.insert(place, scope);
            let verdicts = gathered.entry(place).or_default();
            verdicts.entry(scope.name.text()).or_default().add(scope.effect, operations);
        }
        for (place, verdicts) in gathered {
            if let Some(scope) = sample.get(&place) {
                index.names(scope).prefixes = Prefixes::of(verdicts);
            }
        }
        index
    }

    fn names(&mut self, scope: &RuleScope) -> &mut Names {
        let by_kind = match scope.address {
            None => &mut self.anywhere,
            Some(address) => self.from.entry(address).or_default(),
        };
        let one = &mut by_kind.0[scope.kind as usize];
        match &scope.vhost {
            None => &mut one.full,
            Some(vhost) => one.within.entry(vhost.clone()).or_default(),
        }
    }

    /// What the rules say to somebody who comes from `address`.
    #[must_use]
    pub fn verdict(&self, resource: Resource<'_>, address: IpAddr) -> Verdict {
        let mut verdict = self.anywhere.verdict(resource);
        if !self.from.is_empty()
            && let Some(from) = self.from.get(&address)
        {
            verdict = verdict.and(from.verdict(resource));
        }
        verdict
    }

    /// Whether an operation is allowed on some resource of a kind; a denial of all of them is heeded.
    #[must_use]
    pub fn permits_somewhere(&self, kind: ResourceKind, operation: Operation, address: IpAddr) -> bool {
        let from = self.from.get(&address);
        let kinds =
            [Some(&self.anywhere), from].into_iter().flatten().map(|by_kind| &by_kind.0[kind as usize]);
        let names = kinds.flat_map(|one| std::iter::once(&one.full).chain(one.within.values()));
        let (mut allowed, mut denied) = (false, false);
        for names in names {
            denied |= names.every.denied.has_any(Operations::of(operation));
            allowed |=
                names.verdicts().any(|verdict| verdict.allowed.has_any(Operations::granting(operation)));
        }
        allowed && !denied
    }
}

impl ByKind {
    fn verdict(&self, resource: Resource<'_>) -> Verdict {
        let one = &self.0[resource.kind as usize];
        let mut verdict = one.full.verdict(resource.name);
        if !one.within.is_empty()
            && let Some((vhost, local)) = resource.within
            && let Some(names) = one.within.get(vhost)
        {
            verdict = verdict.and(names.verdict(local));
        }
        verdict
    }
}

impl Names {
    fn verdict(&self, name: &str) -> Verdict {
        let mut verdict = self.every;
        if let Some(one) = self.literal.get(name) {
            verdict = verdict.and(*one);
        }
        verdict = verdict.and(self.prefixes.verdict(name));
        for (pattern, one) in &self.patterns {
            if pattern.is_match(name) {
                verdict = verdict.and(*one);
            }
        }
        verdict
    }

    fn verdicts(&self) -> impl Iterator<Item = Verdict> + '_ {
        let prefixes = self.prefixes.0.iter().map(|entry| entry.verdict);
        let patterns = self.patterns.iter().map(|(_, verdict)| *verdict);
        std::iter::once(self.every).chain(self.literal.values().copied()).chain(prefixes).chain(patterns)
    }
}

/// Prefixes in order. The longest that fits a name is at, or above, the last one that is not greater than the name:
/// each knows its own longest prefix among the others, and what all of those say with it.
#[derive(Debug, Default)]
struct Prefixes(Vec<PrefixEntry>);

#[derive(Debug)]
struct PrefixEntry {
    prefix: Box<str>,
    verdict: Verdict,
    above: Option<usize>,
}

impl Prefixes {
    fn of(verdicts: BTreeMap<&str, Verdict>) -> Prefixes {
        let mut entries: Vec<PrefixEntry> = Vec::with_capacity(verdicts.len());
        for (prefix, own) in verdicts {
            let mut above = entries.len().checked_sub(1);
            while let Some(at) = above.filter(|at| !prefix.starts_with(&*entries[*at].prefix)) {
                above = entries[at].above;
            }
            let verdict = above.map_or(own, |at| own.and(entries[at].verdict));
            entries.push(PrefixEntry { prefix: prefix.into(), verdict, above });
        }
        Prefixes(entries)
    }

    fn verdict(&self, name: &str) -> Verdict {
        let mut at = self.0.partition_point(|entry| &*entry.prefix <= name).checked_sub(1);
        while let Some(entry) = at.and_then(|at| self.0.get(at)) {
            if name.starts_with(&*entry.prefix) {
                return entry.verdict;
            }
            at = entry.above;
        }
        Verdict::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::subject::Subject;
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn scope(name: NameMatch, effect: Effect) -> RuleScope {
        RuleScope {
            subject: Subject::Everyone,
            kind: ResourceKind::Topic,
            name,
            vhost: None,
            address: None,
            effect,
        }
    }

    fn topic(name: &str) -> Resource<'_> {
        Resource { kind: ResourceKind::Topic, name, within: Some(("/", name)) }
    }

    #[test]
    fn a_rule_of_a_virtual_host_or_address_is_for_that_alone() {
        let read = Operations::of(Operation::Read);
        let inside =
            RuleScope { vhost: Some("shop".into()), ..scope(NameMatch::Pattern("^o".into()), Effect::Allow) };
        let from = RuleScope { address: Some(HOME), ..scope(NameMatch::Literal("x".into()), Effect::Allow) };
        let rules = SubjectRules::of([(&inside, read), (&from, read)].into_iter());
        let may = |resource, address| rules.verdict(resource, address).permits(Operation::Read);
        let within = |host, local| Resource {
            kind: ResourceKind::Topic,
            name: "shop/orders",
            within: Some((host, local)),
        };
        assert!(may(within("shop", "orders"), HOME));
        assert!(!may(within("/", "shop/orders"), HOME));
        assert!(may(topic("x"), HOME) && !may(topic("x"), IpAddr::from([10, 0, 0, 1])));
        assert!(rules.permits_somewhere(ResourceKind::Topic, Operation::Describe, HOME));
        assert!(!rules.permits_somewhere(ResourceKind::Group, Operation::Describe, HOME));
    }

    fn any_match() -> impl Strategy<Value = NameMatch> {
        let name = "[ab]{0,4}";
        prop_oneof![
            name.prop_map(|text| NameMatch::Literal(text.into())),
            Just(NameMatch::Literal("*".into())),
            name.prop_map(|text| NameMatch::Prefix(text.into())),
            "[ab]{1,3}".prop_map(|text| NameMatch::Pattern(format!("^{text}").into())),
        ]
    }

    fn fits(name: &NameMatch, text: &str) -> bool {
        match name {
            NameMatch::Literal(all) if &**all == "*" => true,
            NameMatch::Literal(one) => &**one == text,
            NameMatch::Prefix(prefix) => text.starts_with(&**prefix),
            NameMatch::Pattern(pattern) => text.starts_with(&pattern[1..]),
        }
    }

    proptest! {
        #[test]
        fn the_index_says_what_reading_every_rule_says(
            rules in proptest::collection::vec((any_match(), any::<bool>(), 0usize..10), 0..40),
            asked in "[ab]{0,5}",
        ) {
            let rules: Vec<(RuleScope, Operations)> = rules.into_iter().map(|(name, allow, operation)| {
                let effect = if allow { Effect::Allow } else { Effect::Deny };
                (scope(name, effect), Operations::of(Operation::ALL[operation]))
            }).collect();
            let index = SubjectRules::of(rules.iter().map(|(scope, operations)| (scope, *operations)));
            for operation in Operation::ALL {
                let fitting = || rules.iter().filter(|(scope, _)| fits(&scope.name, &asked));
                let allowed = fitting().any(|(scope, set)| {
                    scope.effect == Effect::Allow && set.has_any(Operations::granting(operation))
                });
                let denied = fitting().any(|(scope, set)| {
                    scope.effect == Effect::Deny && set.has_any(Operations::of(operation))
                });
                let verdict = index.verdict(topic(&asked), HOME);
                prop_assert_eq!(verdict.permits(operation), allowed && !denied);
            }
        }
    }
}
