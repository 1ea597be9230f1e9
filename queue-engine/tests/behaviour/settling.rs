use message::Timestamp;
use queue_engine::{
    LeaseFor, LeaseToken, MessageId, QueueOptions, Settle, SettleAction, SettleError, Settled,
};

use crate::bench::{Bench, bodies, body, ms, topic};

const ACK: SettleAction = SettleAction::Ack;
const NACK: SettleAction = SettleAction::Nack { delay: std::time::Duration::ZERO };

fn three() -> Bench {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { max_priority: Some(9), ..QueueOptions::default() });
    for name in ["a", "b", "c"] {
        bench.publish("q", body(name)).unwrap();
    }
    bench
}

#[test]
fn a_returned_message_takes_its_old_place() {
    let mut bench = three();
    let taken = bench.receive("q", 2);
    bench.settle(&taken[1], NACK).unwrap();
    bench.settle(&taken[0], NACK).unwrap();
    let again = bench.receive("q", 9);
    assert_eq!(bodies(&again), ["a", "b", "c"]);
    let seen: Vec<_> = again.iter().map(|delivery| (delivery.attempt, delivery.redelivered)).collect();
    assert_eq!(seen, [(2, true), (2, true), (1, false)]);
}

#[test]
fn a_lease_ends_by_itself_and_can_be_extended() {
    let mut bench = three();
    let lease = LeaseFor::Duration(ms(100));
    let taken = bench.engine.receive(&mut bench.block, &topic("q"), 2, lease, bench.now).unwrap();
    assert_eq!(taken[0].lease_expires_at, Some(Timestamp(bench.now.0 + 100)));
    bench.pass(60);
    let extended = bench.settle(&taken[1], SettleAction::Extend { lease_for: Some(ms(100)) });
    assert_eq!(extended, Ok(Settled::Extended { lease_expires_at: Timestamp(bench.now.0 + 100) }));
    bench.pass(60);
    assert_eq!(bench.settle(&taken[0], ACK), Err(SettleError::StaleLease));
    assert_eq!(bench.settle(&taken[1], ACK), Ok(Settled::Acked));
    let again = bench.receive("q", 9);
    assert_eq!(bodies(&again), ["a", "c"]);
    assert_eq!(again[0].attempt, 2);
}

#[test]
fn tokens_travel_as_text_and_settle_once() {
    let mut bench = three();
    let delivery = bench.one("q");
    let token: LeaseToken = delivery.lease.unwrap().to_string().parse().unwrap();
    let settles = [Settle { lease: token, action: ACK }; 2];
    let results = bench.engine.settle(&mut bench.block, &settles, bench.now);
    assert_eq!(results, [Ok(Settled::Acked), Err(SettleError::StaleLease)]);
    let never: LeaseToken = "00000063000000000000000000000001".parse().unwrap();
    let results = bench.engine.settle(&mut bench.block, &[Settle { lease: never, action: ACK }], bench.now);
    assert_eq!(results, [Err(SettleError::StaleLease)]);
    assert_eq!(bench.engine.settle(&mut bench.block, &[], bench.now), []);
}

#[test]
fn an_earlier_delivery_of_the_same_message_is_stale() {
    let mut bench = three();
    let first = bench.one("q");
    bench.settle(&first, NACK).unwrap();
    let second = bench.one("q");
    assert_eq!(first.id, second.id);
    assert_eq!(bench.settle(&first, ACK), Err(SettleError::StaleLease));
    assert_eq!(bench.settle(&second, ACK), Ok(Settled::Acked));
}

#[test]
fn a_delayed_nack_keeps_the_message_away_even_through_a_restart() {
    let mut bench = three();
    let delivery = bench.one("q");
    bench.settle(&delivery, SettleAction::Nack { delay: ms(500) }).unwrap();
    bench.commit();
    bench.crash();
    assert_eq!(bodies(&bench.receive("q", 9)), ["b", "c"]);
    bench.pass(499);
    assert_eq!(bench.ready("q"), 0);
    bench.pass(1);
    let again = bench.one("q");
    assert_eq!((bodies(std::slice::from_ref(&again)), again.attempt), (vec!["a".to_owned()], 2));
}

#[test]
fn attempts_survive_a_crash_and_old_tokens_do_not() {
    let mut bench = three();
    let before = bench.one("q");
    bench.commit();
    bench.crash();
    assert_eq!(bench.ready("q"), 3);
    let after = bench.one("q");
    assert_eq!((after.id, after.attempt, after.redelivered), (before.id, 2, true));
    assert_ne!(after.lease, before.lease);
    assert_eq!(bench.settle(&before, ACK), Err(SettleError::StaleLease));
}

#[test]
fn the_delivery_limit_counts_returns() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { delivery_limit: Some(2), ..QueueOptions::default() });
    bench.publish("q", body("stubborn")).unwrap();
    for attempt in 1..=3 {
        let delivery = bench.one("q");
        assert_eq!(delivery.attempt, attempt);
        bench.settle(&delivery, NACK).unwrap();
    }
    assert!(bench.receive("q", 1).is_empty());
    assert_eq!(bench.engine.queue_info(&topic("q")).unwrap().totals.dead_delivery_limit, 1);
}

#[test]
fn sequences_are_not_used_again_after_a_restart() {
    let mut bench = three();
    for delivery in bench.receive("q", 9) {
        bench.settle(&delivery, ACK).unwrap();
    }
    bench.commit();
    bench.crash();
    assert_eq!(bench.publish("q", body("d")).unwrap().id, Some(MessageId(3)));
}

#[test]
fn deleting_a_message_ends_its_lease() {
    let mut bench = three();
    let delivery = bench.one("q");
    bench.engine.delete_message(&mut bench.block, &topic("q"), delivery.id).unwrap();
    assert_eq!(bench.settle(&delivery, ACK), Err(SettleError::StaleLease));
    assert!(bench.engine.get(&topic("q"), delivery.id).is_err());
    bench.commit();
    bench.crash();
    assert_eq!(bodies(&bench.receive("q", 9)), ["b", "c"]);
}
