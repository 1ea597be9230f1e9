use message::HeaderValue;
use queue_engine::{
    BindingTarget, Destination, ExchangeKind, ExchangeOptions, HashProperty, IfEmpty, NewMessage,
    PropertyFields, QueueError, QueueOptions, SettleAction,
};

use crate::bench::{Bench, bodies, body, exchange, table, topic};

fn with(kind: ExchangeKind, options: ExchangeOptions, queues: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::new();
    bench.engine.declare_exchange(&mut bench.block, &exchange("x"), kind, options).unwrap();
    for (queue, key) in queues {
        bench.declare(queue, QueueOptions::default());
        bench.bind_queue("x", queue, key);
    }
    bench
}

fn plain(kind: ExchangeKind, queues: &[(&str, &str)]) -> Bench {
    with(kind, ExchangeOptions::default(), queues)
}

fn delayed(kind: ExchangeKind) -> ExchangeOptions {
    ExchangeOptions { delayed_kind: Some(kind), ..ExchangeOptions::default() }
}

fn header(name: &str, value: HeaderValue, text: &str) -> NewMessage {
    NewMessage { headers: table(&[(name, value)]), ..body(text) }
}

fn refused(bench: &mut Bench, kind: ExchangeKind, options: ExchangeOptions) -> &'static str {
    match bench.engine.declare_exchange(&mut bench.block, &exchange("bad"), kind, options) {
        Err(QueueError::InvalidOption { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_of_another_kind_are_refused() {
    let mut bench = Bench::new();
    let default = ExchangeOptions::default;
    let header = ExchangeOptions { hash_header: Some("h".into()), ..default() };
    assert_eq!(refused(&mut bench, ExchangeKind::Direct, header.clone()), "hash_header");
    let both = ExchangeOptions { hash_property: Some(HashProperty::MessageId), ..header };
    assert_eq!(refused(&mut bench, ExchangeKind::ConsistentHash, both), "hash_property");
    let length = ExchangeOptions { history_length: Some(3), ..default() };
    assert_eq!(refused(&mut bench, ExchangeKind::Fanout, length), "history_length");
    assert_eq!(refused(&mut bench, ExchangeKind::Delayed, default()), "delayed_type");
    let nested = delayed(ExchangeKind::Delayed);
    assert_eq!(refused(&mut bench, ExchangeKind::Delayed, nested), "delayed_type");
    assert_eq!(refused(&mut bench, ExchangeKind::Topic, delayed(ExchangeKind::Topic)), "delayed_type");
}

#[test]
fn declaring_again_compares_the_kinds_own_options() {
    let mut bench = with(ExchangeKind::Delayed, delayed(ExchangeKind::Topic), &[]);
    let mut again = |options| {
        bench.engine.declare_exchange(&mut bench.block, &exchange("x"), ExchangeKind::Delayed, options)
    };
    assert_eq!(again(delayed(ExchangeKind::Topic)), Ok(false));
    let differs = again(delayed(ExchangeKind::Direct));
    assert!(matches!(differs, Err(QueueError::Differs { field: "delayed_type", .. })), "{differs:?}");
}

#[test]
fn a_consistent_hash_splits_keys_by_weight_and_keeps_them_together() {
    let mut bench = plain(ExchangeKind::ConsistentHash, &[("a", "1"), ("b", "3")]);
    for _ in 0..2 {
        for key in 0..400 {
            assert_eq!(bench.publish_to("x", &format!("key-{key}"), body(&key.to_string())).queues, 1);
        }
    }
    let (a, b) = (bench.ready("a"), bench.ready("b"));
    assert!((140..260).contains(&a) && a + b == 800, "{a} {b}");
    let mut seen = bodies(&bench.receive("a", 1000));
    seen.sort();
    assert!(seen.chunks(2).all(|pair| pair[0] == pair[1]), "the same key goes to the same queue");
}

#[test]
fn a_weight_is_a_whole_number() {
    let mut bench = plain(ExchangeKind::ConsistentHash, &[("a", "1")]);
    for bad in ["", "0", "-1", "many", "1.5"] {
        let bound = bench.try_bind("x", BindingTarget::Queue(topic("a")), bad, &[]);
        assert!(matches!(bound, Err(QueueError::InvalidOption { field: "routing_key", .. })), "{bad:?}");
    }
}

#[test]
fn a_consistent_hash_goes_by_a_header_or_a_property_when_told() {
    let options = ExchangeOptions { hash_header: Some("user".into()), ..ExchangeOptions::default() };
    let mut bench = with(ExchangeKind::ConsistentHash, options, &[("a", "1"), ("b", "1")]);
    let batch =
        |user: i64| (0..20).map(move |n| header("user", HeaderValue::Int(user), &n.to_string())).collect();
    let mut last = (0, 0);
    let mut sides = [0; 2];
    for user in 0..20 {
        let to = Destination::Exchange { name: "x", routing_key: "any" };
        bench.engine.publish_batch(&mut bench.block, to, batch(user), bench.now).unwrap();
        let now = (bench.ready("a"), bench.ready("b"));
        let came = (now.0 - last.0, now.1 - last.1);
        assert!(came == (20, 0) || came == (0, 20), "{came:?}");
        sides[usize::from(came.0 == 0)] += 1;
        last = now;
    }
    assert!(sides.iter().all(|side| *side > 0), "{sides:?}");

    let options =
        ExchangeOptions { hash_property: Some(HashProperty::CorrelationId), ..ExchangeOptions::default() };
    let mut bench = with(ExchangeKind::ConsistentHash, options, &[("a", "1"), ("b", "1")]);
    let id =
        |id: &str| PropertyFields { correlation_id: Some(id), ..PropertyFields::default() }.build().unwrap();
    for key in 0..10 {
        bench.publish_to("x", &key.to_string(), NewMessage { properties: id("same"), ..body("x") });
    }
    assert!(matches!((bench.ready("a"), bench.ready("b")), (10, 0) | (0, 10)));
}

#[test]
fn hashes_choose_the_same_after_a_restart() {
    for kind in [ExchangeKind::ConsistentHash, ExchangeKind::ModulusHash] {
        let mut bench = plain(kind, &[("a", "1"), ("b", "1"), ("c", "1")]);
        let chosen = |bench: &mut Bench| {
            let place = |key: u32| {
                let published = bench.publish_to("x", &key.to_string(), body("x"));
                assert_eq!(published.queues, 1);
                published.queue
            };
            (0..60).map(place).collect::<Vec<_>>()
        };
        let before = chosen(&mut bench);
        bench.commit();
        bench.crash();
        assert_eq!(chosen(&mut bench), before);
        let spread: std::collections::BTreeSet<_> = before.iter().collect();
        assert_eq!(spread.len(), 3);
    }
}

#[test]
fn random_takes_one_binding_for_each_message() {
    for kind in [ExchangeKind::Random, ExchangeKind::LocalRandom] {
        let mut bench = plain(kind, &[("a", ""), ("b", ""), ("c", "")]);
        let to = Destination::Exchange { name: "x", routing_key: "k" };
        let batch = (0..300).map(|n| body(&n.to_string())).collect();
        bench.engine.publish_batch(&mut bench.block, to, batch, bench.now).unwrap();
        let shares = ["a", "b", "c"].map(|queue| bench.ready(queue));
        assert_eq!(shares.iter().sum::<u64>(), 300);
        assert!(shares.iter().all(|share| (50..150).contains(share)), "{shares:?}");
    }
    let mut bench = plain(ExchangeKind::Random, &[]);
    assert!(!bench.publish_to("x", "k", body("x")).is_routed());
}

#[test]
fn local_random_feeds_queues_only_and_knows_no_keys() {
    let mut bench = plain(ExchangeKind::LocalRandom, &[("a", "")]);
    let with_key = bench.try_bind("x", BindingTarget::Queue(topic("a")), "k", &[]);
    assert!(matches!(with_key, Err(QueueError::InvalidOption { field: "routing_key", .. })));
    let exchange = bench.try_bind("x", BindingTarget::Exchange(exchange("amq.fanout")), "", &[]);
    assert!(matches!(exchange, Err(QueueError::InvalidOption { field: "destination_type", .. })));
}

#[test]
fn a_new_binding_gets_the_recent_history() {
    let options = ExchangeOptions { history_length: Some(3), ..ExchangeOptions::default() };
    let mut bench = with(ExchangeKind::RecentHistory, options, &[("first", "")]);
    for n in 1..=5 {
        let published = bench.publish_to("x", "k", body(&n.to_string()));
        assert_eq!((published.queues, published.id.unwrap().0), (1, n - 1));
    }
    bench.publish_to("x", "k", header("x-recent-history-no-store", HeaderValue::Bool(true), "secret"));
    bench.commit();
    bench.crash();
    bench.declare("late", QueueOptions::default());
    bench.bind_queue("x", "late", "");
    bench.declare("later", QueueOptions::default());
    bench.bind_queue("amq.fanout", "later", "");
    bench.bind("x", BindingTarget::Exchange(exchange("amq.fanout")), "", &[]);
    assert_eq!(bodies(&bench.receive("first", 9)), ["1", "2", "3", "4", "5", "secret"]);
    assert_eq!(bodies(&bench.receive("late", 9)), ["3", "4", "5"]);
    assert_eq!(bodies(&bench.receive("later", 9)), ["3", "4", "5"]);
    assert!(
        !bench.try_bind("x", BindingTarget::Queue(topic("late")), "", &[]).unwrap(),
        "nothing comes twice"
    );
    assert_eq!(bench.ready("late"), 0);
    assert_eq!(bench.engine.queues().count(), 3, "the exchange's own memory is no queue");
    bench.engine.delete_exchange(&mut bench.block, &exchange("x"), false).unwrap();
    assert!(bench.engine.oldest_needed().is_some());
    for queue in ["first", "late", "later"] {
        bench.engine.delete_queue(&mut bench.block, &topic(queue), false, IfEmpty::Never).unwrap();
    }
    assert_eq!(bench.engine.oldest_needed(), None, "the history went with the exchange");
}

#[test]
fn a_delayed_message_is_routed_when_its_time_has_come() {
    let mut bench = with(ExchangeKind::Delayed, delayed(ExchangeKind::Topic), &[("q", "a.*")]);
    let delayed = |ms: i64, text: &str| header("x-delay", HeaderValue::Int(ms), text);
    let published = bench.publish_to("x", "a.b", delayed(500, "late"));
    assert!(published.is_routed() && published.held && published.queues == 0);
    bench.publish_to("x", "a.c", delayed(100, "soon"));
    bench.publish_to("x", "a.d", body("now"));
    bench.publish_to("x", "other", delayed(100, "nowhere"));
    assert_eq!(bodies(&bench.receive("q", 9)), ["now"]);
    bench.pass(99);
    assert_eq!(bench.ready("q"), 0);
    bench.pass(1);
    let soon = bench.one("q");
    assert_eq!(soon.message.body, "soon");
    assert_eq!(
        soon.message.headers.get("x-delay"),
        Some(HeaderValue::Int(-100)),
        "as RabbitMQ's plugin leaves it"
    );
    assert_eq!(&*soon.message.origin.routing_key, "a.c");
    assert_eq!(soon.message.origin.exchange_name(), "x");
    // Where it goes is decided when the delay is over.
    bench.declare("r", QueueOptions::default());
    bench.bind_queue("x", "r", "#");
    bench.commit();
    bench.crash();
    bench.pass(400);
    assert_eq!(bodies(&bench.receive("r", 9)), ["late"]);
    assert_eq!(bodies(&bench.receive("q", 9)), ["now", "soon", "late"]);
    bench.commit();
    bench.crash();
    bench.pass(1000);
    assert_eq!((bench.ready("r"), bench.ready("q")), (1, 3), "it does not come twice");
}

#[test]
fn what_an_exchange_holds_back_goes_with_it() {
    let mut bench = with(ExchangeKind::Delayed, delayed(ExchangeKind::Fanout), &[("q", "")]);
    bench.publish_to("x", "", header("x-delay", HeaderValue::Int(50), "gone"));
    bench.engine.delete_exchange(&mut bench.block, &exchange("x"), false).unwrap();
    bench.pass(100);
    assert_eq!(bench.ready("q"), 0);
    assert_eq!(bench.engine.oldest_needed(), None);
}

#[test]
fn a_dead_letter_may_wait_in_a_delayed_message_exchange() {
    let mut bench = with(ExchangeKind::Delayed, delayed(ExchangeKind::Fanout), &[("again", "")]);
    let options = QueueOptions { dead_letter_exchange: Some("x".into()), ..QueueOptions::default() };
    bench.declare("work", options);
    bench.publish("work", header("x-delay", HeaderValue::Int(70), "job")).unwrap();
    let job = bench.one("work");
    bench.settle(&job, SettleAction::Reject).unwrap();
    assert_eq!(bench.ready("again"), 0);
    bench.commit();
    bench.crash();
    bench.pass(70);
    assert_eq!(bodies(&bench.receive("again", 9)), ["job"]);
    assert_eq!(bench.ready("work"), 0);
}

#[test]
fn many_held_messages_cost_nothing_until_they_are_due() {
    let mut bench = with(ExchangeKind::Delayed, delayed(ExchangeKind::Fanout), &[("q", "")]);
    for n in 0..5000i64 {
        bench.publish_to("x", "", header("x-delay", HeaderValue::Int(60_000 + n), "x"));
    }
    let next = bench.engine.next_deadline().unwrap();
    assert!(next.0 >= bench.now.0 + 60_000, "nothing asks to be looked at before");
    bench.pass(60_000 + 2499);
    assert_eq!(bench.ready("q"), 2500);
}
