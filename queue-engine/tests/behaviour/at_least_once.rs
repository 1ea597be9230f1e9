use queue_engine::{DeadLetterStrategy, ExchangeKind, Overflow, QueueOptions, SettleAction};

use crate::bench::{Bench, bodies, body, topic};

fn careful(exchange: &str, key: &str) -> QueueOptions {
    QueueOptions {
        dead_letter_exchange: Some(exchange.into()),
        dead_letter_routing_key: Some(key.into()),
        dead_letter_strategy: Some(DeadLetterStrategy::AtLeastOnce),
        ..QueueOptions::default()
    }
}

fn reject(bench: &mut Bench, queue: &str, text: &str) {
    bench.publish(queue, body(text)).unwrap();
    let delivery = bench.one(queue);
    bench.settle(&delivery, SettleAction::Reject).unwrap();
}

fn dying(bench: &Bench, queue: &str) -> u64 {
    bench.engine.queue_info(&topic(queue)).unwrap().dying
}

#[test]
fn a_letter_waits_for_its_exchange_and_its_binding() {
    let mut bench = Bench::new();
    bench.declare("work", careful("dlx", "dead"));
    bench.declare("dead", QueueOptions::default());
    for text in ["one", "two"] {
        reject(&mut bench, "work", text);
    }
    assert_eq!((dying(&bench, "work"), bench.ready("work")), (2, 0));
    bench.commit();
    bench.crash();
    assert_eq!((dying(&bench, "work"), bench.ready("work")), (2, 0), "none of them comes back to life");
    bench.pass(120_000);
    assert_eq!(dying(&bench, "work"), 2);
    bench.declare_exchange("dlx", ExchangeKind::Direct);
    bench.pass(0);
    assert_eq!(dying(&bench, "work"), 2);
    bench.bind_queue("dlx", "dead", "dead");
    bench.pass(0);
    assert_eq!(dying(&bench, "work"), 0);
    assert_eq!(bodies(&bench.receive("dead", 9)), ["one", "two"]);
    bench.commit();
    bench.crash();
    bench.pass(120_000);
    assert_eq!((bench.ready("dead"), dying(&bench, "work"), bench.ready("work")), (2, 0, 0));
}

#[test]
fn a_letter_waits_for_room_in_all_that_it_goes_to() {
    let mut bench = Bench::new();
    bench.declare("work", careful("amq.fanout", ""));
    let full =
        QueueOptions { max_length: Some(1), overflow: Overflow::RejectPublish, ..QueueOptions::default() };
    bench.declare("full", full);
    bench.declare("open", QueueOptions::default());
    for queue in ["full", "open"] {
        bench.bind_queue("amq.fanout", queue, "");
    }
    bench.publish("full", body("in the way")).unwrap();
    reject(&mut bench, "work", "letter");
    assert_eq!((dying(&bench, "work"), bench.ready("open")), (1, 0));
    let next = bench.engine.next_deadline().unwrap();
    assert!(next > bench.now, "it is tried again after a while, not at once");
    let way = bench.one("full");
    bench.settle(&way, SettleAction::Ack).unwrap();
    bench.pass(60_000);
    assert_eq!((bench.ready("full"), bench.ready("open"), dying(&bench, "work")), (1, 1, 0));
}

#[test]
fn a_cycle_is_dropped_all_the_same() {
    let mut bench = Bench::new();
    let options = QueueOptions { message_ttl_ms: Some(10), ..careful("", "round") };
    bench.declare("round", options);
    bench.publish("round", body("x")).unwrap();
    bench.pass(10);
    assert_eq!((dying(&bench, "round"), bench.ready("round")), (0, 0));
    assert_eq!(bench.engine.queue_info(&topic("round")).unwrap().totals.dropped, 1);
}

#[test]
fn at_most_once_lets_go() {
    let mut bench = Bench::new();
    bench.declare("work", QueueOptions { dead_letter_strategy: None, ..careful("dlx", "dead") });
    reject(&mut bench, "work", "gone");
    assert_eq!((dying(&bench, "work"), bench.ready("work")), (0, 0));
}

#[test]
fn many_waiting_letters_leave_in_order_once_they_can() {
    let mut bench = Bench::new();
    bench.declare("work", careful("", "dead"));
    for n in 0..500 {
        reject(&mut bench, "work", &n.to_string());
    }
    bench.commit();
    bench.declare("dead", QueueOptions::default());
    bench.pass(1);
    let want: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    assert_eq!(bodies(&bench.receive("dead", 1000)), want);
}
