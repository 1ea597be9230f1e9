use message::{HeaderTable, HeaderValue};
use queue_engine::{
    BindingTarget, Destination, ExchangeCounts, ExchangeKind, ExchangeOptions, IfEmpty, NewMessage,
    QueueError, QueueOptions, Transaction, TransactionPublish,
};

use crate::bench::{Bench, body, exchange, table, text, topic};

fn queues(names: &[&str]) -> Bench {
    let mut bench = Bench::new();
    for name in names {
        bench.declare(name, QueueOptions::default());
    }
    bench
}

fn ready(bench: &Bench, names: &[&str]) -> Vec<u64> {
    names.iter().map(|name| bench.ready(name)).collect()
}

#[test]
fn the_default_exchange_knows_queues_by_name() {
    let mut bench = queues(&["q"]);
    assert_eq!(bench.publish_to("", "q", body("a")).queues, 1);
    assert!(!bench.publish_to("", "other", body("a")).is_routed());
    let unknown = bench.publish("other", body("a"));
    assert!(matches!(unknown, Err(QueueError::UnknownQueue(_))));
    let to = Destination::Exchange { name: "missing", routing_key: "q" };
    let unknown = bench.engine.publish(&mut bench.block, to, body("a"), bench.now);
    assert!(matches!(unknown, Err(QueueError::UnknownExchange(_))));
}

#[test]
fn a_message_that_two_ways_lead_to_a_queue_arrives_once() {
    let mut bench = queues(&["q", "r"]);
    bench.declare_exchange("in", ExchangeKind::Topic);
    bench.declare_exchange("ring", ExchangeKind::Fanout);
    bench.bind_queue("in", "q", "a.*");
    bench.bind_queue("in", "q", "#");
    bench.bind("in", BindingTarget::Exchange(exchange("ring")), "a.#", &[]);
    bench.bind("ring", BindingTarget::Exchange(exchange("in")), "", &[]);
    bench.bind_queue("ring", "q", "");
    bench.bind_queue("ring", "r", "");
    assert_eq!(bench.publish_to("in", "a.b", body("x")).queues, 2);
    assert_eq!(ready(&bench, &["q", "r"]), [1, 1]);
    assert_eq!(bench.publish_to("in", "z", body("x")).queues, 1);
    assert_eq!(ready(&bench, &["q", "r"]), [2, 1]);
}

#[test]
fn headers_decide_for_each_message_of_a_batch() {
    let mut bench = queues(&["pdf", "any"]);
    let pdf = [("format", text("pdf")), ("x-match", text("all"))];
    bench.bind("amq.headers", BindingTarget::Queue(topic("pdf")), "", &pdf);
    let any = [("format", HeaderValue::Null), ("x-match", text("any"))];
    bench.bind("amq.headers", BindingTarget::Queue(topic("any")), "", &any);
    let with = |format: &str| NewMessage { headers: table(&[("format", text(format))]), ..body(format) };
    let batch = vec![with("pdf"), with("doc"), body("plain"), with("pdf")];
    let to = Destination::Exchange { name: "amq.headers", routing_key: "" };
    let results = bench.engine.publish_batch(&mut bench.block, to, batch, bench.now).unwrap();
    let reached: Vec<usize> = results.iter().map(|result| result.as_ref().unwrap().queues).collect();
    assert_eq!(reached, [2, 1, 0, 2]);
    assert_eq!(ready(&bench, &["pdf", "any"]), [2, 3]);
}

#[test]
fn logs_are_reported_to_the_caller() {
    let mut bench = queues(&["q"]);
    bench.bind_queue("amq.topic", "q", "a");
    bench.bind("amq.topic", BindingTarget::Log(topic("history")), "#", &[]);
    let published = bench.publish_to("amq.topic", "a", body("x"));
    assert_eq!(published.queues, 1);
    assert_eq!(published.logs.len(), 1);
    assert_eq!(
        (&published.logs[0].topic, &published.logs[0].message.body[..]),
        (&topic("history"), &b"x"[..])
    );
    assert!(bench.engine.feeds_log(&topic("history")));
    bench.engine.unbind_log(&mut bench.block, &topic("history")).unwrap();
    assert!(!bench.engine.feeds_log(&topic("history")));
    assert!(bench.publish_to("amq.topic", "a", body("x")).logs.is_empty());
}

#[test]
fn an_alternate_exchange_gets_what_nobody_takes() {
    let mut bench = queues(&["q", "lost"]);
    bench.declare_exchange("lost-and-found", ExchangeKind::Fanout);
    bench.bind_queue("lost-and-found", "lost", "");
    let options = ExchangeOptions {
        alternate_exchange: Some("lost-and-found".to_owned()),
        ..ExchangeOptions::default()
    };
    bench.engine.declare_exchange(&mut bench.block, &exchange("in"), ExchangeKind::Direct, options).unwrap();
    bench.bind_queue("in", "q", "known");
    bench.publish_to("in", "known", body("x"));
    bench.publish_to("in", "unknown", body("x"));
    assert_eq!(ready(&bench, &["q", "lost"]), [1, 1]);
}

#[test]
fn internal_exchanges_are_fed_by_exchanges_only() {
    let mut bench = queues(&["q"]);
    let options = ExchangeOptions { internal: true, ..ExchangeOptions::default() };
    bench
        .engine
        .declare_exchange(&mut bench.block, &exchange("inner"), ExchangeKind::Fanout, options)
        .unwrap();
    bench.bind("amq.fanout", BindingTarget::Exchange(exchange("inner")), "", &[]);
    bench.bind_queue("inner", "q", "");
    let to = Destination::Exchange { name: "inner", routing_key: "" };
    let refused = bench.engine.publish(&mut bench.block, to, body("x"), bench.now);
    assert!(matches!(refused, Err(QueueError::Reserved(_))));
    assert_eq!(bench.publish_to("amq.fanout", "", body("x")).queues, 1);
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding() {
    let mut bench = queues(&["q"]);
    let options = ExchangeOptions { auto_delete: true, ..ExchangeOptions::default() };
    bench
        .engine
        .declare_exchange(&mut bench.block, &exchange("brief"), ExchangeKind::Fanout, options)
        .unwrap();
    bench.bind_queue("brief", "q", "");
    bench.engine.delete_queue(&mut bench.block, &topic("q"), false, IfEmpty::Never).unwrap();
    assert!(bench.engine.exchange(&exchange("brief")).is_err());
    bench.commit();
    bench.crash();
    assert!(bench.engine.exchange(&exchange("brief")).is_err());
}

#[test]
fn declarations_of_exchanges_are_checked() {
    let mut bench = queues(&["q"]);
    let options = ExchangeOptions::default;
    let mut declare = |name: &str, kind, options| {
        bench.engine.declare_exchange(&mut bench.block, &exchange(name), kind, options)
    };
    assert_eq!(declare("x", ExchangeKind::Direct, options()), Ok(true));
    assert_eq!(declare("x", ExchangeKind::Direct, options()), Ok(false));
    let other = declare("x", ExchangeKind::Topic, options());
    assert!(matches!(other, Err(QueueError::Differs { field: "type", .. })));
    let transient = ExchangeOptions { durable: false, ..options() };
    let other = declare("x", ExchangeKind::Direct, transient);
    assert!(matches!(other, Err(QueueError::Differs { field: "durable", .. })));
    assert!(matches!(declare("amq.new", ExchangeKind::Direct, options()), Err(QueueError::Reserved(_))));
    assert_eq!(declare("amq.topic", ExchangeKind::Topic, options()), Ok(false));
    let kept = bench.engine.delete_exchange(&mut bench.block, &exchange("amq.topic"), false);
    assert!(matches!(kept, Err(QueueError::Reserved(_))));
    bench.bind_queue("x", "q", "k");
    let used = bench.engine.delete_exchange(&mut bench.block, &exchange("x"), true);
    assert!(matches!(used, Err(QueueError::InUse(_))));
    bench.engine.delete_exchange(&mut bench.block, &exchange("x"), false).unwrap();
    assert!(bench.engine.bindings().is_empty());
}

#[test]
fn bindings_come_back_and_name_the_queue_of_their_time() {
    let mut bench = queues(&["q"]);
    bench.bind_queue("amq.direct", "q", "k");
    bench.bind("amq.match", BindingTarget::Log(topic("history")), "", &[("a", HeaderValue::Int(1))]);
    bench.commit();
    bench.crash();
    let bindings = bench.engine.bindings();
    assert_eq!(bindings.len(), 2);
    assert_eq!(bindings[0].routing_key, "k");
    assert_eq!(bindings[1].arguments, table(&[("a", HeaderValue::Int(1))]));
    bench.engine.delete_queue(&mut bench.block, &topic("q"), false, IfEmpty::Never).unwrap();
    bench.declare("q", QueueOptions::default());
    bench.commit();
    bench.crash();
    assert!(!bench.publish_to("amq.direct", "k", body("x")).is_routed());
    let target = BindingTarget::Queue(topic("q"));
    let gone =
        bench.engine.unbind(&mut bench.block, &exchange("amq.direct"), &target, "k", &HeaderTable::default());
    assert!(matches!(gone, Err(QueueError::UnknownBinding(_))));
}

#[test]
fn the_body_is_journaled_once_however_many_queues_it_reaches() {
    let names: Vec<String> = (0..50).map(|n| format!("q{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bench = queues(&names);
    for name in &names {
        bench.bind_queue("amq.fanout", name, "");
    }
    bench.commit();
    bench.publish_to("amq.fanout", "", body(&"x".repeat(10_000)));
    let written: usize = bench.block.iter().map(|(_, _, payload)| payload.len()).sum();
    assert!(written < 11_000, "{written} bytes");
    bench.commit();
    bench.crash();
    for name in names {
        assert_eq!(bench.one(name).message.body.len(), 10_000);
    }
}

#[test]
fn the_room_that_is_asked_for_is_enough() {
    let mut bench = queues(&["q", "a queue with quite a long name, longer than most"]);
    bench.bind_queue("amq.fanout", "q", "");
    bench.bind_queue("amq.fanout", "a queue with quite a long name, longer than most", "");
    bench.bind("amq.headers", BindingTarget::Queue(topic("q")), "", &[("a", HeaderValue::Int(1))]);
    let limited = QueueOptions {
        max_length: Some(1000),
        overflow: queue_engine::Overflow::RejectPublish,
        ..QueueOptions::default()
    };
    bench.declare("limited", limited);
    for (name, routing_key) in [("", "q"), ("", "limited"), ("amq.fanout", "some.key"), ("amq.headers", "k")]
    {
        let to = Destination::Exchange { name, routing_key };
        let long = std::time::Duration::from_millis(u64::MAX >> 8);
        let message = NewMessage {
            key: Some("key".into()),
            headers: table(&[("a", HeaderValue::Int(1))]),
            ttl: Some(long),
            delay: Some(long),
            priority: Some(3),
            ..body("some body")
        };
        for count in [1, 7] {
            let batch = vec![message.clone(); count];
            bench.commit();
            let room = bench.engine.publish_bytes(to, &batch);
            let before = bench.block.len();
            bench.engine.publish_batch(&mut bench.block, to, batch, bench.now).unwrap();
            let taken = bench.block.len() - before;
            assert!(taken <= room && room < taken + count * 120, "{taken} of {room} for {count} to {name:?}");
        }
    }
}

fn counts(bench: &Bench, name: &str) -> (u64, u64) {
    let all = bench.engine.exchanges();
    let found = all.iter().find(|info| info.name.as_str() == name).unwrap();
    let ExchangeCounts { published_in, published_out } = found.counts;
    (published_in, published_out)
}

#[test]
fn an_exchange_counts_what_is_published_to_it_and_what_that_reaches() {
    let mut bench = queues(&["a", "b"]);
    bench.declare_exchange("next", ExchangeKind::Fanout);
    bench.bind_queue("amq.topic", "a", "one.#");
    bench.bind_queue("amq.topic", "a", "#");
    bench.bind("amq.topic", BindingTarget::Exchange(exchange("next")), "one.#", &[]);
    bench.bind_queue("next", "b", "");
    assert_eq!(counts(&bench, "amq.topic"), (0, 0));
    bench.publish_to("amq.topic", "one.x", body("a"));
    bench.publish_to("amq.topic", "two", body("a"));
    assert_eq!(counts(&bench, "amq.topic"), (2, 3), "each queue once, through other exchanges too");
    let to = Destination::Exchange { name: "amq.topic", routing_key: "one.x" };
    let batch = vec![body("a"); 3];
    bench.engine.publish_bytes(to, &batch);
    assert_eq!(counts(&bench, "amq.topic"), (2, 3), "who only asks publishes nothing");
    bench.engine.publish_batch(&mut bench.block, to, batch, bench.now).unwrap();
    assert_eq!(counts(&bench, "amq.topic"), (5, 9));
    let publish = TransactionPublish {
        exchange: "amq.topic".to_owned(),
        routing_key: "one.x".to_owned(),
        message: body("a"),
    };
    let transaction = Transaction { publishes: vec![publish; 2], settles: Vec::new() };
    bench.engine.commit(&mut bench.block, transaction, bench.now).unwrap();
    assert_eq!(counts(&bench, "amq.topic"), (7, 13));
    assert_eq!(counts(&bench, "next"), (0, 0), "nobody published to it");
    bench.publish_to("amq.direct", "nowhere", body("a"));
    assert_eq!(counts(&bench, "amq.direct"), (1, 0));
}

#[test]
fn what_a_full_queue_refuses_was_published_and_reached_nothing() {
    let mut bench = Bench::new();
    let full = QueueOptions {
        max_length: Some(1),
        overflow: queue_engine::Overflow::RejectPublish,
        ..QueueOptions::default()
    };
    bench.declare("full", full);
    bench.bind_queue("amq.fanout", "full", "");
    let to = Destination::Exchange { name: "amq.fanout", routing_key: "" };
    let batch = vec![body("a"); 3];
    let results = bench.engine.publish_batch(&mut bench.block, to, batch, bench.now).unwrap();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(counts(&bench, "amq.fanout"), (3, 1));
}
