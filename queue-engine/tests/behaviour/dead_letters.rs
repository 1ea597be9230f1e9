use message::HeaderValue;
use queue_engine::{
    BindingTarget, ExchangeKind, NewMessage, PropertyFields, QueueOptions, SettleAction, SettleError,
};

use crate::bench::{Bench, body, ms, table, text, topic};

fn dying_into(exchange: &str) -> QueueOptions {
    QueueOptions { dead_letter_exchange: Some(exchange.to_owned()), ..QueueOptions::default() }
}

fn into_queue(queue: &str) -> QueueOptions {
    QueueOptions { dead_letter_routing_key: Some(queue.to_owned()), ..dying_into("") }
}

fn list(value: Option<HeaderValue>) -> Vec<HeaderValue> {
    match value {
        Some(HeaderValue::List(items)) => items,
        other => panic!("not a list: {other:?}"),
    }
}

#[test]
fn the_death_is_told_exactly() {
    let mut bench = Bench::new();
    bench.declare_exchange("grave", ExchangeKind::Topic);
    bench.declare("work", dying_into("grave"));
    bench.declare("dead", QueueOptions::default());
    bench.bind_queue("grave", "dead", "#");
    bench.bind_queue("amq.direct", "work", "key");
    let fields = PropertyFields {
        content_type: Some("text/plain"),
        expiration: Some("60000"),
        ..PropertyFields::default()
    };
    let message = NewMessage {
        headers: table(&[("mine", HeaderValue::Int(7)), ("CC", HeaderValue::List(vec![text("other")]))]),
        properties: fields.build().unwrap(),
        ..body("bad")
    };
    bench.publish_to("amq.direct", "key", message);
    let died_at = bench.now.0 / 1000;
    let delivery = bench.one("work");
    bench.settle(&delivery, SettleAction::Reject).unwrap();
    let dead = bench.one("dead");
    let headers = &dead.message.headers;
    let death = HeaderValue::Table(vec![
        ("original-expiration".to_owned(), text("60000")),
        ("count".to_owned(), HeaderValue::Int(1)),
        ("reason".to_owned(), text("rejected")),
        ("queue".to_owned(), text("work")),
        ("time".to_owned(), HeaderValue::Timestamp(died_at as u64)),
        ("exchange".to_owned(), text("amq.direct")),
        ("routing-keys".to_owned(), HeaderValue::List(vec![text("key"), text("other")])),
    ]);
    assert_eq!(headers.get("x-death"), Some(HeaderValue::List(vec![death])));
    for (name, value) in [
        ("x-first-death-queue", "work"),
        ("x-first-death-reason", "rejected"),
        ("x-first-death-exchange", "amq.direct"),
        ("x-last-death-queue", "work"),
        ("x-last-death-reason", "rejected"),
        ("x-last-death-exchange", "amq.direct"),
    ] {
        assert_eq!(headers.get(name), Some(text(value)), "{name}");
    }
    assert_eq!(headers.get("mine"), Some(HeaderValue::Int(7)));
    assert_eq!(dead.message.properties.fields().expiration, None);
    assert_eq!(dead.message.properties.fields().content_type, Some("text/plain"));
    assert_eq!(dead.message.origin.exchange_name(), "grave");
    assert_eq!(&*dead.message.origin.routing_key, "key");
    assert_eq!((dead.attempt, dead.redelivered), (1, false));
}

#[test]
fn deaths_are_counted_by_queue_and_reason_the_latest_first() {
    let mut bench = Bench::new();
    bench.declare("work", into_queue("wait"));
    bench.declare("wait", QueueOptions { message_ttl_ms: Some(10), ..into_queue("work") });
    bench.publish("work", body("retry me")).unwrap();
    let began = bench.now.0 / 1000;
    for round in 1..=3i64 {
        let delivery = bench.one("work");
        let headers = &delivery.message.headers;
        if round > 1 {
            let deaths = list(headers.get("x-death"));
            assert_eq!(deaths.len(), 2, "one for each queue and reason");
            let told = [("wait", "expired", began + 2), ("work", "rejected", began)];
            for (death, (queue, reason, first)) in deaths.iter().zip(told) {
                let HeaderValue::Table(death) = death else { panic!("x-death holds tables") };
                let field = |name: &str| &death.iter().find(|(have, _)| have == name).unwrap().1;
                assert_eq!((field("queue"), field("reason")), (&text(queue), &text(reason)));
                assert_eq!(field("count"), &HeaderValue::Int(round - 1));
                assert_eq!(field("time"), &HeaderValue::Timestamp(first as u64), "of the first death");
            }
            assert_eq!(headers.get("x-first-death-queue"), Some(text("work")));
            assert_eq!(headers.get("x-last-death-queue"), Some(text("wait")));
            assert_eq!(headers.get("x-last-death-reason"), Some(text("expired")));
        }
        bench.settle(&delivery, SettleAction::Reject).unwrap();
        bench.commit();
        bench.pass(2000);
    }
    assert_eq!(bench.ready("work"), 1, "a rejection in between keeps the circle going");
}

#[test]
fn a_circle_without_rejection_ends() {
    let mut bench = Bench::new();
    bench.declare("a", QueueOptions { message_ttl_ms: Some(10), ..into_queue("b") });
    bench.declare("b", QueueOptions { message_ttl_ms: Some(10), ..into_queue("a") });
    bench.publish("a", body("round and round")).unwrap();
    bench.pass(11);
    assert_eq!((bench.ready("a"), bench.ready("b")), (0, 1));
    bench.pass(11);
    assert_eq!((bench.ready("a"), bench.ready("b")), (0, 0));
    assert_eq!(bench.engine.queue_info(&topic("b")).unwrap().totals.dropped, 1);
}

#[test]
fn every_reason_is_named() {
    let mut bench = Bench::new();
    bench.declare("dead", QueueOptions::default());
    bench
        .declare("work", QueueOptions { max_length: Some(1), delivery_limit: Some(1), ..into_queue("dead") });
    bench.publish("work", body("displaced")).unwrap();
    bench.publish("work", NewMessage { ttl: Some(ms(5)), ..body("late") }).unwrap();
    bench.pass(6);
    bench.publish("work", body("returned")).unwrap();
    for _ in 0..2 {
        let delivery = bench.one("work");
        bench.settle(&delivery, SettleAction::Nack { delay: ms(0) }).unwrap();
    }
    bench.publish("work", body("rejected")).unwrap();
    let delivery = bench.one("work");
    bench.settle(&delivery, SettleAction::Reject).unwrap();
    let reasons: Vec<_> = bench
        .receive("dead", 9)
        .iter()
        .map(|dead| dead.message.headers.get("x-last-death-reason").unwrap())
        .collect();
    assert_eq!(reasons, ["maxlen", "expired", "delivery_limit", "rejected"].map(text));
    let totals = bench.engine.queue_info(&topic("work")).unwrap().totals;
    let dead = [totals.dead_maxlen, totals.dead_expired, totals.dead_delivery_limit, totals.dead_rejected];
    assert_eq!(dead, [1; 4]);
}

#[test]
fn without_an_exchange_that_takes_it_the_message_is_gone_and_counted() {
    for options in [QueueOptions::default(), dying_into("nowhere"), into_queue("missing")] {
        let mut bench = Bench::new();
        bench.declare("work", options);
        bench.publish("work", body("unloved")).unwrap();
        let delivery = bench.one("work");
        bench.settle(&delivery, SettleAction::Reject).unwrap();
        let info = bench.engine.queue_info(&topic("work")).unwrap();
        assert_eq!((info.totals.dropped, info.ready, info.leased, info.dying), (1, 0, 0, 0));
        bench.commit();
        bench.crash();
        assert_eq!(bench.ready("work"), 0);
    }
}

#[test]
fn a_dead_letter_moves_in_one_step() {
    let mut bench = Bench::new();
    bench.declare("dead", QueueOptions::default());
    bench.declare("work", into_queue("dead"));
    bench.publish("work", body("once")).unwrap();
    bench.commit();
    let delivery = bench.one("work");
    bench.settle(&delivery, SettleAction::Reject).unwrap();
    bench.crash();
    assert_eq!((bench.ready("work"), bench.ready("dead")), (1, 0), "the block was lost");
    let delivery = bench.one("work");
    bench.settle(&delivery, SettleAction::Reject).unwrap();
    bench.commit();
    bench.crash();
    assert_eq!((bench.ready("work"), bench.ready("dead")), (0, 1));
    assert_eq!(bench.settle(&delivery, SettleAction::Ack), Err(SettleError::StaleLease));
}

#[test]
fn logs_get_dead_letters_too() {
    let mut bench = Bench::new();
    bench.declare_exchange("grave", ExchangeKind::Fanout);
    bench.bind("grave", BindingTarget::Log(topic("history")), "", &[]);
    bench.declare("work", dying_into("grave"));
    bench.publish("work", body("for the record")).unwrap();
    let delivery = bench.one("work");
    bench.settle(&delivery, SettleAction::Reject).unwrap();
    let outbox = bench.commit();
    assert_eq!(outbox.log_appends.len(), 1);
    assert_eq!(outbox.log_appends[0].topic, topic("history"));
    assert_eq!(outbox.log_appends[0].message.headers.get("x-first-death-queue"), Some(text("work")));
    bench.crash();
    assert_eq!(bench.ready("work"), 0);
}
