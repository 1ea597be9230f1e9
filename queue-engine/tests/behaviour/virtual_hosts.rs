use queue_engine::{BindingTarget, ExchangeKind, IfEmpty, QueueError, QueueOptions, SettleAction};

use crate::bench::{Bench, bodies, body, exchange, topic};

fn hosts(names: &[&str]) -> Bench {
    let mut bench = Bench::new();
    for name in names {
        assert_eq!(bench.engine.create_virtual_host(&mut bench.block, name), Ok(true));
    }
    bench
}

fn dead_into(exchange: &str, key: Option<&str>) -> QueueOptions {
    QueueOptions {
        dead_letter_exchange: Some(exchange.into()),
        dead_letter_routing_key: key.map(str::to_owned),
        ..QueueOptions::default()
    }
}

#[test]
fn each_has_its_own_default_exchange_and_predeclared_ones() {
    let mut bench = hosts(&["a"]);
    bench.declare("q", QueueOptions::default());
    bench.declare("a/q", QueueOptions::default());
    bench.bind_queue("a/amq.fanout", "a/q", "");
    assert_eq!(bench.publish_to("a/", "q", body("here")).queues, 1);
    assert_eq!(bench.publish_to("", "q", body("there")).queues, 1);
    assert_eq!(bench.publish_to("a/amq.fanout", "x", body("all")).queues, 1);
    assert!(!bench.publish_to("amq.fanout", "x", body("none")).is_routed());
    assert_eq!(bodies(&bench.receive("q", 9)), ["there"]);
    let taken = bench.receive("a/q", 9);
    assert_eq!(bodies(&taken), ["here", "all"]);
    // Inside, names are those of the inside.
    assert_eq!(&*taken[0].message.origin.routing_key, "q");
    assert_eq!(taken[1].message.origin.exchange_name(), "amq.fanout");
}

#[test]
fn names_are_resolved_in_the_virtual_host_of_who_has_them() {
    let mut bench = hosts(&["a"]);
    bench.declare("dead", QueueOptions::default());
    bench.declare("a/dead", QueueOptions::default());
    bench.declare("a/work", dead_into("", Some("dead")));
    bench.publish_to("a/", "work", body("letter"));
    let letter = bench.one("a/work");
    bench.settle(&letter, SettleAction::Reject).unwrap();
    assert_eq!((bench.ready("dead"), bench.ready("a/dead")), (0, 1));
    let dead = bench.one("a/dead").message;
    assert_eq!(dead.headers.get("x-first-death-queue"), Some(crate::bench::text("work")));

    let options = queue_engine::ExchangeOptions {
        alternate_exchange: Some("amq.fanout".into()),
        ..queue_engine::ExchangeOptions::default()
    };
    bench.engine.declare_exchange(&mut bench.block, &exchange("a/x"), ExchangeKind::Direct, options).unwrap();
    bench.bind_queue("a/amq.fanout", "a/dead", "");
    bench.bind_queue("amq.fanout", "dead", "");
    assert_eq!(bench.publish_to("a/x", "nobody", body("stray")).queues, 1);
    assert_eq!(bodies(&bench.receive("a/dead", 9)), ["stray"]);
}

#[test]
fn nothing_leads_from_one_to_another() {
    let mut bench = hosts(&["a", "b"]);
    bench.declare("a/q", QueueOptions::default());
    let bound = bench.try_bind("b/amq.direct", BindingTarget::Queue(topic("a/q")), "k", &[]);
    assert!(matches!(bound, Err(QueueError::InvalidOption { field: "destination", .. })));
    let bound = bench.try_bind("amq.direct", BindingTarget::Exchange(exchange("a/amq.topic")), "k", &[]);
    assert!(matches!(bound, Err(QueueError::InvalidOption { field: "destination", .. })));
    let log = bench.try_bind("a/amq.direct", BindingTarget::Log(topic("log")), "k", &[]);
    assert!(matches!(log, Err(QueueError::InvalidOption { field: "destination", .. })));
}

#[test]
fn reserved_names_are_reserved_everywhere() {
    let mut bench = hosts(&["a"]);
    let mut declare = |name: &str| {
        bench.engine.declare_queue(&mut bench.block, &topic(name), QueueOptions::default(), bench.now)
    };
    assert!(matches!(declare("a/amq.mine"), Err(QueueError::Reserved(_))));
    assert!(matches!(declare("a/"), Err(QueueError::Reserved(_))));
    let deleted = bench.engine.delete_exchange(&mut bench.block, &exchange("a/amq.topic"), false);
    assert!(matches!(deleted, Err(QueueError::Reserved(_))));
}

#[test]
fn a_name_never_changes_hands() {
    let mut bench = Bench::new();
    bench.declare("a/q", QueueOptions::default());
    let made = bench.engine.create_virtual_host(&mut bench.block, "a");
    assert!(matches!(made, Err(QueueError::InUse(_))));
    bench.engine.delete_queue(&mut bench.block, &topic("a/q"), false, IfEmpty::Never).unwrap();
    for (name, made) in [("a", true), ("a", false), ("/", false), ("a/b", true)] {
        assert_eq!(bench.engine.create_virtual_host(&mut bench.block, name), Ok(made), "{name}");
    }
    bench.declare("a/b/q", QueueOptions::default());
    assert_eq!(bench.engine.virtual_host_of("a/b/q"), "a/b");
    for bad in ["", "a/", "x\n", "..", &"x".repeat(128)] {
        let made = bench.engine.create_virtual_host(&mut bench.block, bad);
        assert!(matches!(made, Err(QueueError::InvalidOption { field: "vhost", .. })), "{bad:?}");
    }
}

#[test]
fn they_survive_a_restart_and_go_with_all_that_is_in_them() {
    let mut bench = hosts(&["a"]);
    bench.declare("q", QueueOptions::default());
    bench.declare("a/q", QueueOptions::default());
    bench.declare_exchange("a/x", ExchangeKind::RecentHistory);
    bench.bind_queue("a/x", "a/q", "");
    bench.publish_to("a/x", "", body("one"));
    bench.publish_to("", "q", body("other"));
    bench.commit();
    bench.crash();
    assert_eq!(bench.engine.virtual_hosts(), ["/", "a"]);
    assert_eq!(bench.publish_to("a/x", "", body("two")).queues, 1);
    assert_eq!(bench.ready("a/q"), 2);
    let gone = bench.engine.delete_virtual_host(&mut bench.block, "a").unwrap();
    assert_eq!(gone, [topic("a/q")]);
    for _ in 0..2 {
        assert_eq!(bench.engine.virtual_hosts(), ["/"]);
        assert!(!bench.engine.has_queue(&topic("a/q")));
        assert!(bench.engine.exchange(&exchange("a/amq.direct")).is_err());
        assert_eq!(bench.engine.queues().count(), 1);
        assert_eq!(bench.ready("q"), 1);
        bench.commit();
        bench.crash();
    }
    let again = bench.engine.delete_virtual_host(&mut bench.block, "a");
    assert_eq!(again, Err(QueueError::UnknownVirtualHost("a".into())));
    let default = bench.engine.delete_virtual_host(&mut bench.block, "/");
    assert!(matches!(default, Err(QueueError::Reserved(_))));
}
