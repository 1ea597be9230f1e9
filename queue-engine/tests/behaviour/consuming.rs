use queue_engine::{
    ConsumerId, ConsumerOptions, Ended, IfEmpty, LeaseFor, NewMessage, OpenLeases, QueueError, QueueOptions,
    SettleAction,
};

use crate::bench::{Bench, body, ms, topic};

fn credit(messages: u64) -> ConsumerOptions {
    ConsumerOptions { credit_messages: messages, ..ConsumerOptions::default() }
}

fn subscribe(bench: &mut Bench, options: ConsumerOptions) -> ConsumerId {
    bench.engine.subscribe(&mut bench.block, &topic("q"), options, bench.now).unwrap()
}

fn pushed(bench: &mut Bench) -> Vec<(ConsumerId, String)> {
    let deliveries = bench.commit().deliveries;
    let body = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
    deliveries.iter().map(|(id, delivery)| (*id, body(&delivery.message.body))).collect()
}

fn queue() -> Bench {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions::default());
    bench
}

fn publish(bench: &mut Bench, names: &[&str]) {
    for name in names {
        bench.publish("q", body(name)).unwrap();
    }
}

#[test]
fn consumers_take_turns_while_they_have_credit() {
    let mut bench = queue();
    let (a, b) = (subscribe(&mut bench, credit(3)), subscribe(&mut bench, credit(1)));
    publish(&mut bench, &["1", "2", "3", "4", "5"]);
    let got = pushed(&mut bench);
    let want = [(a, "1"), (b, "2"), (a, "3"), (a, "4")].map(|(id, body)| (id, body.to_owned()));
    assert_eq!(got, want);
    bench.engine.add_credit(&mut bench.block, b, 1, 0, bench.now).unwrap();
    assert_eq!(pushed(&mut bench), [(b, "5".to_owned())]);
}

#[test]
fn higher_consumers_are_served_first() {
    let mut bench = queue();
    let low = subscribe(&mut bench, credit(9));
    let high = subscribe(&mut bench, ConsumerOptions { priority: 5, ..credit(2) });
    publish(&mut bench, &["1", "2", "3"]);
    let order: Vec<ConsumerId> = pushed(&mut bench).into_iter().map(|(id, _)| id).collect();
    assert_eq!(order, [high, high, low]);
}

#[test]
fn bytes_are_credit_too() {
    let mut bench = queue();
    let id = subscribe(&mut bench, ConsumerOptions { credit_bytes: Some(5), ..credit(9) });
    publish(&mut bench, &["1234", "5678", "9"]);
    assert_eq!(pushed(&mut bench).len(), 2, "the one that uses the credit up comes whole");
    bench.engine.add_credit(&mut bench.block, id, 0, 3, bench.now).unwrap();
    assert!(pushed(&mut bench).is_empty());
    bench.engine.add_credit(&mut bench.block, id, 0, 1, bench.now).unwrap();
    assert_eq!(pushed(&mut bench).len(), 1);
}

#[test]
fn pausing_keeps_the_credit() {
    let mut bench = queue();
    let id = subscribe(&mut bench, credit(9));
    bench.engine.pause(&mut bench.block, id, bench.now).unwrap();
    publish(&mut bench, &["1"]);
    assert!(pushed(&mut bench).is_empty());
    bench.engine.resume(&mut bench.block, id, bench.now).unwrap();
    assert_eq!(pushed(&mut bench).len(), 1);
}

#[test]
fn a_long_poll_ends_with_what_it_got() {
    let mut bench = queue();
    let id = subscribe(&mut bench, ConsumerOptions { once: true, ..credit(3) });
    assert!(bench.commit().is_empty());
    publish(&mut bench, &["1", "2"]);
    let outbox = bench.commit();
    assert_eq!((outbox.deliveries.len(), outbox.ended.clone()), (2, vec![(id, Ended::Fed)]));
    publish(&mut bench, &["3"]);
    assert!(pushed(&mut bench).is_empty());
    let (_, delivery) = &outbox.deliveries[0];
    bench.settle(delivery, SettleAction::Ack).unwrap();
    let gone = bench.engine.add_credit(&mut bench.block, id, 1, 0, bench.now);
    assert_eq!(gone, Err(QueueError::UnknownConsumer));
}

#[test]
fn cancelling_returns_leases_or_leaves_them() {
    for (leases, ready) in [(OpenLeases::Return, 2), (OpenLeases::Keep, 0)] {
        let mut bench = queue();
        let id = subscribe(&mut bench, credit(9));
        publish(&mut bench, &["1", "2"]);
        let outbox = bench.commit();
        bench.engine.cancel(&mut bench.block, id, leases, bench.now).unwrap();
        assert_eq!(bench.ready("q"), ready);
        let settled = bench.settle(&outbox.deliveries[0].1, SettleAction::Ack);
        assert_eq!(settled.is_ok(), leases == OpenLeases::Keep);
    }
}

#[test]
fn without_leases_delivered_is_gone() {
    let mut bench = queue();
    subscribe(&mut bench, ConsumerOptions { lease: LeaseFor::AutoAck, ..credit(9) });
    publish(&mut bench, &["1"]);
    let outbox = bench.commit();
    assert_eq!(outbox.deliveries[0].1.lease, None);
    bench.crash();
    assert_eq!(bench.ready("q"), 0);
}

#[test]
fn an_exclusive_consumer_is_alone() {
    let mut bench = queue();
    let alone = ConsumerOptions { exclusive: true, ..credit(1) };
    let id = subscribe(&mut bench, alone);
    let refused = bench.engine.subscribe(&mut bench.block, &topic("q"), credit(1), bench.now);
    assert!(matches!(refused, Err(QueueError::ExclusiveUse { .. })));
    bench.engine.cancel(&mut bench.block, id, OpenLeases::Return, bench.now).unwrap();
    subscribe(&mut bench, credit(1));
    let refused = bench.engine.subscribe(&mut bench.block, &topic("q"), alone, bench.now);
    assert!(matches!(refused, Err(QueueError::ExclusiveUse { .. })));
}

#[test]
fn a_deleted_queue_ends_its_subscriptions() {
    let mut bench = queue();
    let id = subscribe(&mut bench, credit(1));
    let kept = bench.engine.delete_queue(&mut bench.block, &topic("q"), true, IfEmpty::Never);
    assert!(matches!(kept, Err(QueueError::InUse(_))));
    bench.engine.delete_queue(&mut bench.block, &topic("q"), false, IfEmpty::Never).unwrap();
    assert_eq!(bench.commit().ended, [(id, Ended::QueueDeleted)]);
}

#[test]
fn a_queue_whose_messages_are_all_out_is_empty_as_amqp_sees_it() {
    let mut bench = queue();
    bench.publish("q", body("one")).unwrap();
    let delete = |bench: &mut Bench, if_empty| {
        bench.engine.delete_queue(&mut bench.block, &topic("q"), false, if_empty)
    };
    assert!(matches!(delete(&mut bench, IfEmpty::NoneWaiting), Err(QueueError::InUse(_))));
    bench.one("q");
    assert!(matches!(delete(&mut bench, IfEmpty::NoneAtAll), Err(QueueError::InUse(_))));
    assert_eq!(delete(&mut bench, IfEmpty::NoneWaiting).unwrap(), 1);
}

#[test]
fn priority_then_arrival_and_delayed_ones_in_their_time() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { max_priority: Some(5), ..QueueOptions::default() });
    for (name, priority) in [("a", 0), ("b", 9), ("c", 5), ("d", 1)] {
        bench.publish("q", NewMessage { priority: Some(priority), ..body(name) }).unwrap();
    }
    bench.publish("q", NewMessage { priority: Some(5), delay: Some(ms(50)), ..body("e") }).unwrap();
    let order = |bench: &mut Bench| {
        let taken = bench.receive("q", 9);
        taken.iter().map(|d| (String::from_utf8_lossy(&d.message.body).into_owned(), d.priority)).collect()
    };
    let first: Vec<(String, u8)> = order(&mut bench);
    let want = [("b", 5), ("c", 5), ("d", 1), ("a", 0)].map(|(name, level)| (name.to_owned(), level));
    assert_eq!(first, want, "priorities are clamped to the queue's");
    bench.commit();
    bench.crash();
    bench.pass(50);
    assert_eq!(bench.ready("q"), 5, "a delay survives a restart and ends on time");
}
