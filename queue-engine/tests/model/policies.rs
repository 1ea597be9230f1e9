//! Policies in the model: of each kind the one of the highest priority that matches, and of numbers the smallest.
use std::cmp::Reverse;
use std::collections::BTreeMap;

use queue_engine::{
    ApplyTo, Overflow, Policy, PolicyDefinition, PolicyKind, QueueOptions, QueueType, RetryPolicy,
};

use crate::book::Book;

#[derive(Clone, Debug, Default)]
pub struct BookPolicies(BTreeMap<(bool, String), Policy>);

fn is_operator(kind: PolicyKind) -> bool {
    kind == PolicyKind::Operator
}

fn least<T: Ord>(values: [Option<T>; 3]) -> Option<T> {
    values.into_iter().flatten().min()
}

impl BookPolicies {
    fn chosen(&self, operator: bool, name: &str, kind: QueueType) -> PolicyDefinition {
        let matches = |policy: &&Policy| {
            // Patterns here are `^q` and some digits, or nothing.
            let digits = policy.pattern.trim_start_matches(['^', 'q', '[']).trim_end_matches(']');
            let named = digits.is_empty() || name.chars().any(|digit| digits.contains(digit));
            let typed = match policy.apply_to {
                ApplyTo::All | ApplyTo::Queues => true,
                ApplyTo::ClassicQueues => kind == QueueType::Classic,
                ApplyTo::QuorumQueues => kind == QueueType::Quorum,
                ApplyTo::Exchanges => false,
            };
            named && typed
        };
        let mine = self.0.iter().filter(|((of, _), _)| *of == operator).map(|(_, policy)| policy);
        let best = mine.filter(matches).min_by_key(|policy| Reverse(policy.priority));
        best.map(|policy| policy.definition.clone()).unwrap_or_default()
    }

    pub fn in_force(&self, name: &str, declared: &QueueOptions) -> QueueOptions {
        let user = self.chosen(false, name, declared.kind);
        let operator = self.chosen(true, name, declared.kind);
        let policy_overflow = operator.overflow.or(user.overflow).unwrap_or_default();
        QueueOptions {
            message_ttl_ms: least([declared.message_ttl_ms, user.message_ttl_ms, operator.message_ttl_ms]),
            max_length: least([declared.max_length, user.max_length, operator.max_length]),
            max_length_bytes: least([
                declared.max_length_bytes,
                user.max_length_bytes,
                operator.max_length_bytes,
            ]),
            expires_ms: least([declared.expires_ms, user.expires_ms, operator.expires_ms]),
            delivery_limit: least([declared.delivery_limit, user.delivery_limit, operator.delivery_limit]),
            overflow: match declared.overflow {
                Overflow::DropHead => policy_overflow,
                own => own,
            },
            dead_letter_exchange: declared.dead_letter_exchange.clone().or(user.dead_letter_exchange),
            dead_letter_strategy: declared.dead_letter_strategy.or(user.dead_letter_strategy),
            retry: match (&declared.retry, declared.kind) {
                (None, QueueType::Quorum) => user.delayed_retry.map(RetryPolicy::Linear),
                (own, _) => own.clone(),
            },
            ..declared.clone()
        }
    }
}

impl Book {
    /// Answers whether it is a new one.
    pub fn set_policy(&mut self, kind: PolicyKind, name: &str, policy: Policy, now: i64) -> bool {
        let place = (is_operator(kind), name.to_owned());
        let before = self.policies.0.insert(place, policy.clone());
        if before.as_ref() != Some(&policy) {
            self.enforce(now);
        }
        before.is_none()
    }

    /// Answers whether it was there.
    pub fn delete_policy(&mut self, kind: PolicyKind, name: &str, now: i64) -> bool {
        let had = self.policies.0.remove(&(is_operator(kind), name.to_owned())).is_some();
        if had {
            self.enforce(now);
        }
        had
    }

    fn enforce(&mut self, now: i64) {
        self.waiting.hurry();
        for (id, queue) in &mut self.queues {
            let in_force = self.policies.in_force(&queue.name, &queue.declared);
            if in_force != queue.options {
                if in_force.expires_ms != queue.options.expires_ms {
                    queue.used = now;
                }
                queue.options = in_force;
                self.touched.push(*id);
            }
        }
        self.wind_up(now);
    }
}
