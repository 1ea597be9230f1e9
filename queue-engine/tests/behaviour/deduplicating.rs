use queue_engine::{
    DedupWindow, Destination, MessageId, NewMessage, PropertyFields, Published, QueueOptions, Redrive,
    RedriveBounds, SettleAction,
};

use crate::bench::{Bench, body, topic};

fn window(window_ms: u64, max_ids: u32) -> QueueOptions {
    QueueOptions { dedup: Some(DedupWindow { window_ms, max_ids }), ..QueueOptions::default() }
}

fn named(id: &str) -> NewMessage {
    let fields = PropertyFields { message_id: Some(id), ..PropertyFields::default() };
    NewMessage { properties: fields.build().unwrap(), ..body(id) }
}

fn told(published: &Published) -> (Option<u64>, usize, usize) {
    (published.id.map(|id| id.0), published.queues, published.duplicates)
}

#[test]
fn a_message_is_taken_once_within_the_window() {
    let mut bench = Bench::new();
    bench.declare("q", window(1000, 10));
    let first = bench.publish("q", named("x")).unwrap();
    assert_eq!(told(&first), (Some(0), 1, 0));
    bench.publish("q", named("y")).unwrap();
    assert_eq!(told(&bench.publish("q", named("x")).unwrap()), (Some(0), 1, 1));
    assert_eq!(bench.ready("q"), 2);
    // Done with, and still known.
    for delivery in bench.receive("q", 9) {
        bench.settle(&delivery, SettleAction::Ack).unwrap();
    }
    bench.pass(999);
    assert_eq!(told(&bench.publish("q", named("x")).unwrap()), (Some(0), 1, 1));
    bench.pass(1);
    assert_eq!(told(&bench.publish("q", named("x")).unwrap()), (Some(2), 1, 0));
    // Without an id, a message is like no other.
    bench.publish("q", body("nameless")).unwrap();
    bench.publish("q", body("nameless")).unwrap();
    assert_eq!(bench.ready("q"), 3);
}

#[test]
fn a_batch_may_hold_its_own_duplicates() {
    let mut bench = Bench::new();
    bench.declare("q", window(1000, 10));
    let messages = ["a", "b", "a", "c", "b"].map(named).to_vec();
    let to = topic("q");
    let results =
        bench.engine.publish_batch(&mut bench.block, Destination::Queue(&to), messages, bench.now).unwrap();
    let told: Vec<_> = results.iter().map(|result| told(result.as_ref().unwrap())).collect();
    assert_eq!(told, [(Some(0), 1, 0), (Some(1), 1, 0), (Some(0), 1, 1), (Some(2), 1, 0), (Some(1), 1, 1)]);
}

#[test]
fn what_was_seen_outlasts_a_restart_with_and_without_a_checkpoint() {
    let mut bench = Bench::new();
    bench.declare("q", window(1000, 10));
    bench.publish("q", named("x")).unwrap();
    let delivery = bench.one("q");
    bench.settle(&delivery, SettleAction::Ack).unwrap();
    bench.commit();
    bench.crash();
    assert_eq!(told(&bench.publish("q", named("x")).unwrap()), (Some(0), 1, 1));
    bench.checkpoint();
    bench.publish("q", named("y")).unwrap();
    bench.commit();
    bench.crash();
    for id in ["x", "y"] {
        assert_eq!(bench.publish("q", named(id)).unwrap().duplicates, 1, "{id}");
    }
    bench.pass(1000);
    bench.commit();
    bench.crash();
    assert_eq!(bench.publish("q", named("x")).unwrap().duplicates, 0);
}

#[test]
fn the_number_of_ids_is_bounded() {
    let mut bench = Bench::new();
    bench.declare("q", window(1_000_000, 2));
    for id in ["a", "b", "c"] {
        bench.publish("q", named(id)).unwrap();
    }
    assert_eq!(bench.publish("q", named("c")).unwrap().duplicates, 1);
    assert_eq!(bench.publish("q", named("a")).unwrap().duplicates, 0, "the oldest was forgotten");
}

#[test]
fn each_queue_knows_what_it_took() {
    let mut bench = Bench::new();
    bench.declare("once", window(1000, 10));
    bench.declare("always", QueueOptions::default());
    bench.bind_queue("amq.fanout", "once", "");
    bench.bind_queue("amq.fanout", "always", "");
    assert_eq!(told(&bench.publish_to("amq.fanout", "", named("x"))), (Some(0), 2, 0));
    assert_eq!(told(&bench.publish_to("amq.fanout", "", named("x"))), (Some(0), 2, 1));
    assert_eq!((bench.ready("once"), bench.ready("always")), (1, 2));
}

#[test]
fn what_was_refused_was_not_seen() {
    let mut bench = Bench::new();
    let full = QueueOptions {
        max_length: Some(1),
        overflow: queue_engine::Overflow::RejectPublish,
        ..window(1000, 10)
    };
    bench.declare("q", full);
    bench.publish("q", named("a")).unwrap();
    assert!(bench.publish("q", named("b")).is_err());
    assert_eq!(bench.publish("q", named("a")).unwrap().duplicates, 1, "a full queue still knows what it has");
    let delivery = bench.one("q");
    bench.settle(&delivery, SettleAction::Ack).unwrap();
    assert_eq!(bench.publish("q", named("b")).unwrap().id, Some(MessageId(1)));
}

#[test]
fn what_is_sent_back_is_no_duplicate() {
    let mut bench = Bench::new();
    let dying = QueueOptions {
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some("dead".to_owned()),
        ..window(100_000, 10)
    };
    bench.declare("q", dying);
    bench.declare("dead", QueueOptions::default());
    bench.publish("q", named("x")).unwrap();
    let delivery = bench.one("q");
    bench.settle(&delivery, SettleAction::Reject).unwrap();
    let dead = topic("dead");
    let step = bench
        .engine
        .redrive(
            &mut bench.block,
            &dead,
            RedriveBounds { after: None, max: 9 },
            &Redrive::default(),
            bench.now,
        )
        .unwrap();
    assert_eq!((step.moved, bench.ready("q")), (1, 1));
}

#[test]
fn the_window_opens_and_closes_on_a_queue_in_use() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions::default());
    bench.publish("q", named("x")).unwrap();
    let update = |bench: &mut Bench, options| {
        bench.engine.update_queue(&mut bench.block, &topic("q"), options, bench.now).unwrap();
    };
    update(&mut bench, window(1000, 10));
    assert_eq!(bench.publish("q", named("x")).unwrap().duplicates, 0, "remembered from now on");
    assert_eq!(bench.publish("q", named("x")).unwrap().duplicates, 1);
    update(&mut bench, QueueOptions::default());
    assert_eq!(bench.publish("q", named("x")).unwrap().duplicates, 0);
}
