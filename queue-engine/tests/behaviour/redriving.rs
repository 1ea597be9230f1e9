use queue_engine::{
    ExchangeKind, IfEmpty, MessageId, QueueOptions, Redrive, RedriveBounds, RedriveStep, SettleAction,
};

use crate::bench::{Bench, bodies, body, exchange, topic};

/// Three messages that died in `work`, one that died in `other`, and one that nobody knows.
fn graveyard() -> Bench {
    let mut bench = Bench::new();
    let dying = QueueOptions {
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some("dead".to_owned()),
        ..QueueOptions::default()
    };
    bench.declare("dead", QueueOptions::default());
    bench.declare("work", dying.clone());
    bench.declare("other", dying);
    bench.declare_exchange("in", ExchangeKind::Direct);
    bench.bind_queue("in", "work", "key");
    for name in ["a", "b", "c"] {
        bench.publish_to("in", "key", body(name));
    }
    bench.publish("other", body("d")).unwrap();
    bench.publish("dead", body("stranger")).unwrap();
    for queue in ["work", "other"] {
        for delivery in bench.receive(queue, 9) {
            bench.settle(&delivery, SettleAction::Reject).unwrap();
        }
    }
    bench.commit();
    bench
}

fn step(bench: &mut Bench, after: Option<MessageId>, max: usize, redrive: Redrive<'_>) -> RedriveStep {
    bench
        .engine
        .redrive(&mut bench.block, &topic("dead"), RedriveBounds { after, max }, &redrive, bench.now)
        .unwrap()
}

#[test]
fn dead_letters_go_back_where_they_came_from() {
    let mut bench = graveyard();
    let first = step(&mut bench, None, 2, Redrive::default());
    assert_eq!((first.moved, first.skipped, first.remaining), (1, 1, 4), "the stranger stays");
    let second = step(&mut bench, first.next, 9, Redrive::default());
    assert_eq!((second.moved, second.remaining, second.next), (3, 1, None));
    bench.commit();
    bench.crash();
    assert_eq!((bench.ready("work"), bench.ready("other"), bench.ready("dead")), (3, 1, 1));
    let back = bench.receive("work", 9);
    assert_eq!(bodies(&back), ["a", "b", "c"]);
    assert_eq!((back[0].message.origin.exchange_name(), &*back[0].message.origin.routing_key), ("in", "key"));
    assert_eq!(back[0].attempt, 1);
}

#[test]
fn a_selection_goes_back() {
    let mut bench = graveyard();
    let chosen = step(&mut bench, None, 9, Redrive { ids: &[MessageId(2)], ..Redrive::default() });
    assert_eq!((chosen.moved, chosen.skipped), (1, 4));
    assert_eq!(bodies(&bench.receive("work", 9)), ["b"]);
    let other = topic("other");
    let from = step(&mut bench, None, 9, Redrive { died_in: Some(&other), ..Redrive::default() });
    assert_eq!((from.moved, bench.ready("other"), bench.ready("work")), (1, 1, 0));
}

#[test]
fn without_the_queue_the_exchange_decides() {
    let mut bench = graveyard();
    bench.declare("heir", QueueOptions::default());
    bench.engine.delete_queue(&mut bench.block, &topic("work"), false, IfEmpty::Never).unwrap();
    bench.bind_queue("in", "heir", "key");
    let done = step(&mut bench, None, 9, Redrive::default());
    assert_eq!((done.moved, bench.ready("heir")), (4, 3));
    assert!(bench.engine.exchange(&exchange("in")).is_ok());
}
