use queue_engine::{NewMessage, Overflow, QueueError, QueueOptions};

use crate::bench::{Bench, bodies, body, ms, topic};

#[test]
fn drop_head_keeps_the_newest_and_counts_only_ready_messages() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { max_length: Some(2), ..QueueOptions::default() });
    bench.publish("q", body("held")).unwrap();
    let held = bench.one("q");
    for name in ["a", "b", "c"] {
        bench.publish("q", body(name)).unwrap();
    }
    assert!(bench.engine.lease_queue(held.lease.unwrap()).is_some());
    assert_eq!(bodies(&bench.receive("q", 9)), ["b", "c"]);
}

#[test]
fn bytes_limit_bodies() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { max_length_bytes: Some(6), ..QueueOptions::default() });
    for name in ["aaa", "bbb", "c"] {
        bench.publish("q", body(name)).unwrap();
    }
    assert_eq!(bodies(&bench.receive("q", 9)), ["bbb", "c"]);
}

#[test]
fn a_full_queue_refuses_and_others_take_it() {
    let mut bench = Bench::new();
    let overflow = Overflow::RejectPublish;
    bench.declare("q", QueueOptions { max_length: Some(1), overflow, ..QueueOptions::default() });
    bench.declare("roomy", QueueOptions::default());
    bench.bind_queue("amq.fanout", "q", "");
    bench.bind_queue("amq.fanout", "roomy", "");
    bench.publish("q", body("a")).unwrap();
    assert_eq!(bench.publish("q", body("b")), Err(QueueError::QueueFull(topic("q"))));
    let to = queue_engine::Destination::Exchange { name: "amq.fanout", routing_key: "" };
    let batch = vec![body("c"), body("d")];
    let results = bench.engine.publish_batch(&mut bench.block, to, batch, bench.now).unwrap();
    assert!(results.iter().all(|result| *result == Err(QueueError::QueueFull(topic("q")))));
    assert_eq!((bench.ready("q"), bench.ready("roomy")), (1, 2));
    assert_eq!(bench.engine.queue_info(&topic("q")).unwrap().totals.refused, 3);
}

#[test]
fn a_refused_message_can_be_dead_lettered() {
    let mut bench = Bench::new();
    bench.declare("dead", QueueOptions::default());
    let options = QueueOptions {
        max_length: Some(0),
        overflow: Overflow::RejectPublishDlx,
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some("dead".to_owned()),
        ..QueueOptions::default()
    };
    bench.declare("q", options);
    assert!(bench.publish("q", body("a")).is_err());
    let dead = bench.one("dead");
    assert_eq!(dead.message.headers.get("x-last-death-reason"), Some(crate::bench::text("maxlen")));
}

#[test]
fn messages_expire_at_the_head_and_never_reach_a_consumer_late() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { message_ttl_ms: Some(100), ..QueueOptions::default() });
    bench.publish("q", NewMessage { ttl: Some(ms(500)), ..body("first") }).unwrap();
    bench.publish("q", NewMessage { ttl: Some(ms(10)), ..body("second") }).unwrap();
    bench.pass(50);
    assert_eq!(bench.ready("q"), 2, "the second waits behind the first");
    assert_eq!(bodies(&bench.receive("q", 1)), ["first"]);
    assert!(bench.receive("q", 1).is_empty());
    assert_eq!(bench.engine.queue_info(&topic("q")).unwrap().totals.dead_expired, 1);
    bench.publish("q", body("third")).unwrap();
    bench.pass(100);
    assert_eq!(bench.ready("q"), 0, "the queue's own limit is the shorter one");
}

#[test]
fn a_ttl_of_nothing_means_now_or_never() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { message_ttl_ms: Some(0), ..QueueOptions::default() });
    bench.publish("q", body("missed")).unwrap();
    assert_eq!(bench.ready("q"), 0);
    let wish = queue_engine::ConsumerOptions { credit_messages: 1, ..Default::default() };
    bench.engine.subscribe(&mut bench.block, &topic("q"), wish, bench.now).unwrap();
    bench.publish("q", body("caught")).unwrap();
    assert_eq!(bench.commit().deliveries.len(), 1);
}

#[test]
fn an_unused_queue_goes() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { expires_ms: Some(1000), ..QueueOptions::default() });
    bench.pass(900);
    bench.receive("q", 1);
    bench.pass(900);
    assert!(bench.engine.has_queue(&topic("q")));
    bench.pass(100);
    assert!(!bench.engine.has_queue(&topic("q")));
    let outbox = bench.commit();
    assert_eq!(outbox.deleted_queues.len(), 1);
    bench.crash();
    assert!(!bench.engine.has_queue(&topic("q")));
}

#[test]
fn options_change_while_the_queue_lives() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions::default());
    for (name, priority) in [("a", 0), ("b", 3), ("c", 7)] {
        bench.publish("q", NewMessage { priority: Some(priority), ..body(name) }).unwrap();
    }
    let options = QueueOptions { max_priority: Some(5), max_length: Some(2), ..QueueOptions::default() };
    bench.engine.update_queue(&mut bench.block, &topic("q"), options.clone(), bench.now).unwrap();
    assert_eq!(bodies(&bench.receive("q", 9)), ["b", "a"], "the head is the highest, and gave way");
    bench.commit();
    bench.crash();
    assert_eq!(bench.engine.queue_options(&topic("q")).unwrap(), &options);
}

#[test]
fn declaring_again_must_say_the_same() {
    let mut bench = Bench::new();
    let options = QueueOptions { max_length: Some(5), ..QueueOptions::default() };
    bench.declare("q", options.clone());
    let again = bench.engine.declare_queue(&mut bench.block, &topic("q"), options, bench.now).unwrap();
    assert!(!again.created);
    let other = bench.engine.declare_queue(&mut bench.block, &topic("q"), QueueOptions::default(), bench.now);
    assert!(matches!(other, Err(QueueError::Differs { field: "max_length", .. })));
    let reserved =
        bench.engine.declare_queue(&mut bench.block, &topic("amq.q"), QueueOptions::default(), bench.now);
    assert!(matches!(reserved, Err(QueueError::Reserved(_))));
}

#[test]
fn a_transient_queue_does_not_come_back() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { durable: false, ..QueueOptions::default() });
    bench.publish("q", body("a")).unwrap();
    bench.commit();
    bench.crash();
    assert!(!bench.engine.has_queue(&topic("q")));
    assert_eq!(bench.engine.oldest_needed(), None);
    bench.declare("q", QueueOptions::default());
    bench.publish("q", body("b")).unwrap();
    bench.commit();
    bench.crash();
    assert_eq!(bodies(&bench.receive("q", 9)), ["b"]);
}
