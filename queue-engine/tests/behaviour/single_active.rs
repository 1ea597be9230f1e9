use queue_engine::{
    ConsumerId, ConsumerOptions, Delivery, LeaseFor, OpenLeases, QueueError, QueueOptions, QueueType,
    SettleAction,
};

use crate::bench::{Bench, body, topic};

fn bench(kind: QueueType) -> Bench {
    let mut bench = Bench::new();
    let options = QueueOptions { kind, single_active_consumer: true, ..QueueOptions::default() };
    bench.declare("q", options);
    bench
}

fn join(bench: &mut Bench, priority: i32) -> ConsumerId {
    let options = ConsumerOptions { credit_messages: 99, priority, ..ConsumerOptions::default() };
    bench.engine.subscribe(&mut bench.block, &topic("q"), options, bench.now).unwrap()
}

fn publish(bench: &mut Bench, count: usize) -> Vec<(ConsumerId, Delivery)> {
    (0..count).for_each(|_| drop(bench.publish("q", body("x")).unwrap()));
    bench.commit().deliveries
}

fn receivers(deliveries: &[(ConsumerId, Delivery)]) -> Vec<ConsumerId> {
    deliveries.iter().map(|(id, _)| *id).collect()
}

fn active(bench: &Bench) -> Option<ConsumerId> {
    bench.engine.queue_info(&topic("q")).unwrap().active
}

#[test]
fn the_first_gets_everything_until_it_leaves() {
    let mut bench = bench(QueueType::Classic);
    let (a, b) = (join(&mut bench, 0), join(&mut bench, 9));
    assert_eq!(receivers(&publish(&mut bench, 3)), [a, a, a]);
    bench.engine.pause(&mut bench.block, a, bench.now).unwrap();
    assert!(publish(&mut bench, 1).is_empty(), "the others wait even while it takes nothing");
    bench.engine.cancel(&mut bench.block, a, OpenLeases::Return, bench.now).unwrap();
    let order: Vec<u64> = bench.commit().deliveries.iter().map(|(_, delivery)| delivery.id.0).collect();
    assert_eq!((active(&bench), order), (Some(b), vec![0, 1, 2, 3]));
}

#[test]
fn the_next_is_the_highest_then_the_first() {
    let mut bench = bench(QueueType::Classic);
    let a = join(&mut bench, 0);
    let (_, c, _) = (join(&mut bench, 1), join(&mut bench, 5), join(&mut bench, 5));
    bench.engine.cancel(&mut bench.block, a, OpenLeases::Return, bench.now).unwrap();
    assert_eq!(active(&bench), Some(c));
}

#[test]
fn a_higher_one_takes_over_in_a_quorum_queue_once_the_active_one_is_done() {
    let mut bench = bench(QueueType::Quorum);
    let a = join(&mut bench, 0);
    let held = publish(&mut bench, 2);
    let b = join(&mut bench, 1);
    assert!(publish(&mut bench, 1).is_empty(), "nobody gets anything meanwhile");
    bench.settle(&held[0].1, SettleAction::Ack).unwrap();
    assert_eq!(active(&bench), Some(a));
    bench.settle(&held[1].1, SettleAction::Ack).unwrap();
    assert_eq!((receivers(&bench.commit().deliveries), active(&bench)), (vec![b], Some(b)));
    join(&mut bench, 1);
    assert_eq!(receivers(&publish(&mut bench, 1)), [b], "an equal one waits");
}

#[test]
fn the_active_one_goes_on_when_the_higher_one_left_again() {
    let mut bench = bench(QueueType::Quorum);
    let a = join(&mut bench, 0);
    publish(&mut bench, 1);
    let b = join(&mut bench, 1);
    assert!(publish(&mut bench, 1).is_empty());
    bench.engine.cancel(&mut bench.block, b, OpenLeases::Return, bench.now).unwrap();
    assert_eq!(receivers(&bench.commit().deliveries), [a]);
}

#[test]
fn messages_cannot_be_taken_past_the_active_one() {
    let mut bench = bench(QueueType::Quorum);
    let lease = LeaseFor::QueueDefault;
    let refused = bench.engine.receive(&mut bench.block, &topic("q"), 1, lease, bench.now);
    assert_eq!(refused, Err(QueueError::SingleActive(topic("q"))));
    for options in [
        ConsumerOptions { once: true, credit_messages: 1, ..ConsumerOptions::default() },
        ConsumerOptions { exclusive: true, credit_messages: 1, ..ConsumerOptions::default() },
    ] {
        assert!(bench.engine.subscribe(&mut bench.block, &topic("q"), options, bench.now).is_err());
    }
}

#[test]
fn a_classic_queue_gives_single_messages_as_in_rabbitmq() {
    let mut bench = bench(QueueType::Classic);
    let a = join(&mut bench, 0);
    assert_eq!(receivers(&publish(&mut bench, 1)), [a]);
    bench.engine.pause(&mut bench.block, a, bench.now).unwrap();
    publish(&mut bench, 1);
    assert_eq!(bench.receive("q", 2).len(), 1);
}

#[test]
fn the_choice_starts_and_ends_while_consumers_are_there() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions::default());
    let (a, b) = (join(&mut bench, 0), join(&mut bench, 0));
    assert_eq!(receivers(&publish(&mut bench, 2)), [a, b]);
    let single = QueueOptions { single_active_consumer: true, ..QueueOptions::default() };
    bench.engine.update_queue(&mut bench.block, &topic("q"), single, bench.now).unwrap();
    assert_eq!(receivers(&publish(&mut bench, 2)), [a, a]);
    let changed = QueueOptions::default();
    bench.engine.update_queue(&mut bench.block, &topic("q"), changed, bench.now).unwrap();
    assert_eq!((receivers(&publish(&mut bench, 2)), active(&bench)), (vec![a, b], None));
}
