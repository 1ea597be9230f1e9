use queue_engine::{
    ApplyTo, ExchangeKind, LinearRetry, Overflow, Policy, PolicyDefinition, PolicyKind, QueueError,
    QueueOptions, QueueType, RetryOn, RetryPolicy, SettleAction,
};

use crate::bench::{Bench, bodies, body, exchange, topic};

fn policy(pattern: &str, definition: PolicyDefinition) -> Policy {
    Policy { pattern: pattern.into(), apply_to: ApplyTo::All, priority: 0, definition }
}

fn length(most: u64) -> PolicyDefinition {
    PolicyDefinition { max_length: Some(most), ..PolicyDefinition::default() }
}

impl Bench {
    fn set_policy(&mut self, kind: PolicyKind, name: &str, policy: Policy) -> Result<bool, QueueError> {
        self.engine.set_policy(&mut self.block, kind, "/", name, policy, self.now)
    }

    fn in_force(&self, queue: &str) -> QueueOptions {
        self.engine.queue_info(&topic(queue)).unwrap().in_force
    }

    fn names(&self, queue: &str) -> (Option<String>, Option<String>) {
        let info = self.engine.queue_info(&topic(queue)).unwrap();
        (info.policy, info.operator_policy)
    }
}

#[test]
fn a_policy_is_in_force_at_once_for_what_is_there_and_what_comes() {
    let mut bench = Bench::new();
    bench.declare("orders.eu", QueueOptions::default());
    bench.declare("other", QueueOptions::default());
    for n in 0..5 {
        bench.publish("orders.eu", body(&n.to_string())).unwrap();
    }
    assert_eq!(bench.set_policy(PolicyKind::User, "short", policy("^orders", length(2))), Ok(true));
    assert_eq!(bench.ready("orders.eu"), 2, "the oldest gave way");
    bench.declare("orders.us", QueueOptions::default());
    assert_eq!(bench.in_force("orders.us").max_length, Some(2));
    assert_eq!(bench.in_force("other").max_length, None);
    assert_eq!(bench.names("orders.us"), (Some("short".into()), None));
    bench.commit();
    bench.crash();
    assert_eq!(bench.in_force("orders.eu").max_length, Some(2));
    assert_eq!(bench.engine.queue_options(&topic("orders.eu")).unwrap(), &QueueOptions::default());
    bench.declare("orders.eu", QueueOptions::default());
    bench.engine.delete_policy(&mut bench.block, PolicyKind::User, "/", "short", bench.now).unwrap();
    assert_eq!(bench.in_force("orders.eu").max_length, None);
    assert_eq!(bench.names("orders.eu"), (None, None));
}

#[test]
fn the_highest_priority_is_in_force_alone() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions::default());
    let ttl = PolicyDefinition { message_ttl_ms: Some(9), ..PolicyDefinition::default() };
    bench.set_policy(PolicyKind::User, "b", policy("q", length(5))).unwrap();
    bench.set_policy(PolicyKind::User, "c", Policy { priority: 3, ..policy("q", ttl) }).unwrap();
    bench.set_policy(PolicyKind::User, "a", Policy { priority: -1, ..policy("q", length(1)) }).unwrap();
    let now = bench.in_force("q");
    assert_eq!((now.max_length, now.message_ttl_ms), (None, Some(9)));
    bench.engine.delete_policy(&mut bench.block, PolicyKind::User, "/", "c", bench.now).unwrap();
    assert_eq!(bench.in_force("q").max_length, Some(5));
    assert_eq!(bench.set_policy(PolicyKind::User, "b", policy("q", length(4))), Ok(false), "it was there");
    assert_eq!(bench.in_force("q").max_length, Some(4));
}

#[test]
fn arguments_and_policies_are_merged_as_in_rabbitmq() {
    let mut bench = Bench::new();
    let declared = QueueOptions {
        max_length: Some(10),
        message_ttl_ms: Some(100),
        overflow: Overflow::RejectPublish,
        dead_letter_exchange: Some("mine".into()),
        ..QueueOptions::default()
    };
    bench.declare("q", declared);
    let definition = PolicyDefinition {
        max_length: Some(20),
        message_ttl_ms: Some(50),
        overflow: Some(Overflow::RejectPublishDlx),
        dead_letter_exchange: Some("theirs".into()),
        dead_letter_routing_key: Some("key".into()),
        ..PolicyDefinition::default()
    };
    bench.set_policy(PolicyKind::User, "p", policy("", definition)).unwrap();
    let now = bench.in_force("q");
    assert_eq!((now.max_length, now.message_ttl_ms), (Some(10), Some(50)), "the smaller one");
    assert_eq!(now.overflow, Overflow::RejectPublish, "the argument");
    assert_eq!(now.dead_letter_exchange.as_deref(), Some("mine"), "the argument");
    assert_eq!(now.dead_letter_routing_key.as_deref(), Some("key"), "what no argument says");
}

#[test]
fn an_operator_bounds_what_users_ask_for() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { max_length: Some(100), ..QueueOptions::default() });
    bench.set_policy(PolicyKind::User, "p", policy("q", length(50))).unwrap();
    bench.set_policy(PolicyKind::Operator, "o", policy("q", length(7))).unwrap();
    assert_eq!(bench.in_force("q").max_length, Some(7));
    assert_eq!(bench.names("q"), (Some("p".into()), Some("o".into())));
    bench.set_policy(PolicyKind::Operator, "o", policy("q", length(70))).unwrap();
    assert_eq!(bench.in_force("q").max_length, Some(50));
    let dlx = PolicyDefinition { dead_letter_exchange: Some("x".into()), ..PolicyDefinition::default() };
    let refused = bench.set_policy(PolicyKind::Operator, "o", policy("q", dlx));
    assert!(matches!(refused, Err(QueueError::InvalidOption { field: "dead_letter_exchange", .. })));
}

#[test]
fn what_it_applies_to_is_chosen() {
    let mut bench = Bench::new();
    bench.declare("classic", QueueOptions::default());
    bench.declare("quorum", QueueOptions { kind: QueueType::Quorum, ..QueueOptions::default() });
    let only = |apply_to| Policy { apply_to, ..policy("", length(3)) };
    for (apply_to, classic, quorum) in [
        (ApplyTo::All, true, true),
        (ApplyTo::Queues, true, true),
        (ApplyTo::ClassicQueues, true, false),
        (ApplyTo::QuorumQueues, false, true),
    ] {
        bench.set_policy(PolicyKind::User, "p", only(apply_to)).unwrap();
        let found = ["classic", "quorum"].map(|queue| bench.in_force(queue).max_length == Some(3));
        assert_eq!(found, [classic, quorum], "{apply_to:?}");
    }
    let refused = bench.set_policy(PolicyKind::User, "p", only(ApplyTo::Exchanges));
    assert!(matches!(refused, Err(QueueError::InvalidOption { field: "apply_to", .. })));
}

#[test]
fn an_alternate_exchange_by_policy_gives_way_to_the_exchange_s_own() {
    let mut bench = Bench::new();
    for queue in ["policy", "own"] {
        bench.declare(queue, QueueOptions::default());
    }
    bench.bind_queue("amq.fanout", "policy", "");
    bench.declare_exchange("second", ExchangeKind::Fanout);
    bench.bind_queue("second", "own", "");
    bench.declare_exchange("x.plain", ExchangeKind::Direct);
    let options = queue_engine::ExchangeOptions {
        alternate_exchange: Some("second".into()),
        ..queue_engine::ExchangeOptions::default()
    };
    bench
        .engine
        .declare_exchange(&mut bench.block, &exchange("x.own"), ExchangeKind::Direct, options)
        .unwrap();
    let alternate =
        PolicyDefinition { alternate_exchange: Some("amq.fanout".into()), ..PolicyDefinition::default() };
    let by_policy = Policy { apply_to: ApplyTo::Exchanges, ..policy("^x", alternate) };
    bench.set_policy(PolicyKind::User, "ae", by_policy).unwrap();
    bench.publish_to("x.plain", "k", body("a"));
    bench.publish_to("x.own", "k", body("b"));
    bench.commit();
    bench.crash();
    bench.publish_to("x.plain", "k", body("c"));
    assert_eq!(bodies(&bench.receive("policy", 9)), ["a", "c"]);
    assert_eq!(bodies(&bench.receive("own", 9)), ["b"]);
    let info = bench.engine.exchange(&exchange("x.plain")).unwrap();
    assert_eq!(
        (info.policy.as_deref(), info.alternate_exchange.as_deref()),
        (Some("ae"), Some("amq.fanout"))
    );
}

#[test]
fn a_dead_letter_exchange_by_policy_and_an_expiry_work_live() {
    let mut bench = Bench::new();
    bench.declare("work", QueueOptions::default());
    bench.declare("dead", QueueOptions::default());
    bench.publish("work", body("x")).unwrap();
    let definition = PolicyDefinition {
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some("dead".into()),
        expires_ms: Some(100),
        ..PolicyDefinition::default()
    };
    bench.set_policy(PolicyKind::User, "p", policy("^work$", definition)).unwrap();
    let letter = bench.one("work");
    bench.settle(&letter, SettleAction::Reject).unwrap();
    assert_eq!(bench.ready("dead"), 1);
    bench.pass(101);
    assert!(!bench.engine.has_queue(&topic("work")));
}

#[test]
fn what_is_no_policy_is_refused() {
    let mut bench = Bench::new();
    let mut refused = |name: &str, policy: Policy| match bench.set_policy(PolicyKind::User, name, policy) {
        Err(QueueError::InvalidOption { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused("p", policy("(", length(1))), "pattern");
    assert_eq!(refused("p", policy(&"x".repeat(1025), length(1))), "pattern");
    assert_eq!(refused("p", policy("x", PolicyDefinition::default())), "definition");
    assert_eq!(refused("", policy("x", length(1))), "name");
    let zero = PolicyDefinition { expires_ms: Some(0), ..PolicyDefinition::default() };
    assert_eq!(refused("p", policy("x", zero)), "expires_ms");
    let gone = bench.engine.delete_policy(&mut bench.block, PolicyKind::User, "/", "p", bench.now);
    assert_eq!(gone, Err(QueueError::UnknownPolicy("p".into())));
    let nowhere = bench.engine.set_policy(
        &mut bench.block,
        PolicyKind::User,
        "nowhere",
        "p",
        policy("x", length(1)),
        bench.now,
    );
    assert_eq!(nowhere, Err(QueueError::UnknownVirtualHost("nowhere".into())));
}

#[test]
fn a_delayed_retry_is_for_quorum_queues_that_have_no_retry_of_their_own() {
    let mut bench = Bench::new();
    let quorum = || QueueOptions { kind: QueueType::Quorum, ..QueueOptions::default() };
    let own = Some(RetryPolicy::Delays(vec![5]));
    bench.declare("plain", QueueOptions::default());
    bench.declare("quorum", quorum());
    bench.declare("own", QueueOptions { retry: own.clone(), ..quorum() });
    let retry = |min_ms, max_ms| PolicyDefinition {
        delayed_retry: Some(LinearRetry { on: RetryOn::Failed, min_ms, max_ms }),
        ..PolicyDefinition::default()
    };
    let refused = |set: Result<bool, QueueError>| {
        assert!(matches!(set, Err(QueueError::InvalidOption { field: "delayed_retry", .. })), "{set:?}");
    };
    refused(bench.set_policy(PolicyKind::User, "again", policy("", retry(0, None))));
    refused(bench.set_policy(PolicyKind::User, "again", policy("", retry(9, Some(8)))));
    refused(bench.set_policy(PolicyKind::Operator, "again", policy("", retry(9, None))));
    bench.set_policy(PolicyKind::User, "again", policy("", retry(1000, None))).unwrap();
    assert_eq!((bench.in_force("plain").retry, bench.in_force("own").retry), (None, own));
    bench.publish("quorum", body("a")).unwrap();
    bench.commit();
    bench.crash();
    for wait in [1000, 2000] {
        let taken = bench.one("quorum");
        bench.settle(&taken, SettleAction::Fail).unwrap();
        bench.pass(wait - 1);
        assert_eq!(bench.ready("quorum"), 0);
        bench.pass(1);
        assert_eq!(bench.ready("quorum"), 1);
    }
    bench.engine.delete_policy(&mut bench.block, PolicyKind::User, "/", "again", bench.now).unwrap();
    let taken = bench.one("quorum");
    bench.settle(&taken, SettleAction::Fail).unwrap();
    assert_eq!(bench.ready("quorum"), 1, "without the policy it is back at once");
}
