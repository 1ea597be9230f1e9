use queue_engine::{
    ConsumerId, ConsumerOptions, Delivery, IfEmpty, LeaseFor, OpenLeases, PoolId, QueueError, QueueOptions,
    SettleAction,
};

use crate::bench::{Bench, body, ms, topic};

fn bench() -> Bench {
    let mut bench = Bench::new();
    for name in ["q", "p"] {
        bench.declare(name, QueueOptions::default());
    }
    bench
}

fn unlimited() -> ConsumerOptions {
    ConsumerOptions { credit_messages: u64::MAX, ..ConsumerOptions::default() }
}

fn subscribe(bench: &mut Bench, queue: &str, options: ConsumerOptions) -> ConsumerId {
    bench.engine.subscribe(&mut bench.block, &topic(queue), options, bench.now).unwrap()
}

fn publish(bench: &mut Bench, queue: &str, count: usize) -> Vec<(ConsumerId, Delivery)> {
    (0..count).for_each(|_| drop(bench.publish(queue, body("x")).unwrap()));
    bench.commit().deliveries
}

fn in_pool(pool: PoolId) -> ConsumerOptions {
    ConsumerOptions { pool: Some(pool), ..unlimited() }
}

#[test]
fn a_consumer_holds_no_more_than_its_prefetch() {
    let mut bench = bench();
    subscribe(&mut bench, "q", ConsumerOptions { prefetch: Some(2), ..unlimited() });
    let held = publish(&mut bench, "q", 9);
    assert_eq!(held.len(), 2);
    for (action, (_, delivery)) in [SettleAction::Ack, SettleAction::Reject].into_iter().zip(&held) {
        bench.settle(delivery, action).unwrap();
        assert_eq!(bench.commit().deliveries.len(), 1, "{action:?} makes room for one");
    }
}

#[test]
fn whatever_ends_a_lease_makes_room() {
    let mut bench = bench();
    let options = ConsumerOptions { prefetch: Some(1), lease: LeaseFor::Duration(ms(50)), ..unlimited() };
    subscribe(&mut bench, "q", options);
    assert_eq!(publish(&mut bench, "q", 9).len(), 1);
    bench.pass(50);
    let again = bench.commit().deliveries;
    assert_eq!((again.len(), again[0].1.attempt), (1, 2));
    bench.engine.delete_message(&mut bench.block, &topic("q"), again[0].1.id).unwrap();
    bench.pass(0);
    let next = bench.commit().deliveries;
    assert_eq!(next.len(), 1);
    bench.settle(&next[0].1, SettleAction::Nack { delay: ms(500) }).unwrap();
    assert_eq!(bench.commit().deliveries.len(), 1);
}

#[test]
fn the_prefetch_of_a_live_consumer_changes() {
    let mut bench = bench();
    let id = subscribe(&mut bench, "q", ConsumerOptions { prefetch: Some(1), ..unlimited() });
    let first = publish(&mut bench, "q", 9);
    bench.engine.set_prefetch(&mut bench.block, id, Some(3), bench.now).unwrap();
    let more = bench.commit().deliveries;
    assert_eq!((first.len(), more.len()), (1, 2));
    bench.engine.set_prefetch(&mut bench.block, id, Some(1), bench.now).unwrap();
    bench.settle(&first[0].1, SettleAction::Ack).unwrap();
    bench.settle(&more[0].1, SettleAction::Ack).unwrap();
    assert!(bench.commit().deliveries.is_empty(), "it still holds as many as it may");
    bench.engine.set_prefetch(&mut bench.block, id, None, bench.now).unwrap();
    assert_eq!(bench.commit().deliveries.len(), 6);
}

#[test]
fn several_consumers_of_several_queues_share_a_pool() {
    let mut bench = bench();
    let pool = bench.engine.open_pool(Some(3));
    let a = subscribe(&mut bench, "q", in_pool(pool));
    let b = subscribe(&mut bench, "p", in_pool(pool));
    let first = publish(&mut bench, "q", 2);
    let second = publish(&mut bench, "p", 2);
    assert_eq!((first.len(), second.len()), (2, 1));
    bench.settle(&first[0].1, SettleAction::Ack).unwrap();
    let third = bench.commit().deliveries;
    assert_eq!(third.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [b]);
    bench.engine.set_pool_limit(&mut bench.block, pool, Some(4), bench.now).unwrap();
    assert_eq!(publish(&mut bench, "q", 2)[0].0, a);
    bench.engine.close_pool(pool);
    bench.pass(0);
    assert_eq!(bench.commit().deliveries.len(), 1, "without the limit the rest comes");
}

#[test]
fn what_a_cancelled_consumer_keeps_counts_until_it_is_settled() {
    let mut bench = bench();
    let pool = bench.engine.open_pool(Some(1));
    let a = subscribe(&mut bench, "q", in_pool(pool));
    let held = publish(&mut bench, "q", 2);
    let b = subscribe(&mut bench, "q", in_pool(pool));
    bench.engine.cancel(&mut bench.block, a, OpenLeases::Keep, bench.now).unwrap();
    assert!(bench.commit().deliveries.is_empty());
    bench.settle(&held[0].1, SettleAction::Ack).unwrap();
    assert_eq!(bench.commit().deliveries[0].0, b);
}

#[test]
fn a_deleted_queue_frees_what_was_held_of_it() {
    let mut bench = bench();
    let pool = bench.engine.open_pool(Some(1));
    subscribe(&mut bench, "q", in_pool(pool));
    let b = subscribe(&mut bench, "p", in_pool(pool));
    assert_eq!(publish(&mut bench, "q", 1).len(), 1);
    assert!(publish(&mut bench, "p", 1).is_empty());
    bench.engine.delete_queue(&mut bench.block, &topic("q"), false, IfEmpty::Never).unwrap();
    bench.pass(0);
    assert_eq!(bench.commit().deliveries[0].0, b);
}

#[test]
fn a_consumer_joins_a_pool_with_what_it_holds() {
    let mut bench = bench();
    let id = subscribe(&mut bench, "q", unlimited());
    let held = publish(&mut bench, "q", 2);
    let pool = bench.engine.open_pool(Some(2));
    bench.engine.join_pool(id, pool).unwrap();
    assert!(publish(&mut bench, "q", 1).is_empty());
    bench.settle(&held[0].1, SettleAction::Ack).unwrap();
    assert_eq!(bench.commit().deliveries.len(), 1);
    bench.engine.close_pool(pool);
    assert_eq!(bench.engine.join_pool(id, pool), Err(QueueError::UnknownPool));
}

#[test]
fn without_leases_there_is_nothing_to_count() {
    let mut bench = bench();
    let pool = bench.engine.open_pool(Some(1));
    let options = ConsumerOptions { prefetch: Some(1), lease: LeaseFor::AutoAck, ..in_pool(pool) };
    subscribe(&mut bench, "q", options);
    assert_eq!(publish(&mut bench, "q", 5).len(), 5);
}
