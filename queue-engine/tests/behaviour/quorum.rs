use queue_engine::{
    ConsumerId, ConsumerOptions, Delivery, Ended, LeaseFor, NewMessage, OpenLeases, QueueError, QueueOptions,
    QueueType, SettleAction,
};

use crate::bench::{Bench, body, ms, topic};

const NACK: SettleAction = SettleAction::Nack { delay: std::time::Duration::ZERO };

fn quorum() -> QueueOptions {
    QueueOptions { kind: QueueType::Quorum, ..QueueOptions::default() }
}

fn bench(options: QueueOptions) -> Bench {
    let mut bench = Bench::new();
    bench.declare("q", options);
    bench
}

fn holder(bench: &mut Bench) -> ConsumerId {
    let options =
        ConsumerOptions { credit_messages: 99, lease: LeaseFor::UntilSettled, ..ConsumerOptions::default() };
    bench.engine.subscribe(&mut bench.block, &topic("q"), options, bench.now).unwrap()
}

fn next(bench: &mut Bench) -> Delivery {
    bench.commit().deliveries.pop().expect("one delivery").1
}

#[test]
fn rejects_and_fallen_consumers_count_nacks_do_not() {
    let mut bench = bench(QueueOptions { delivery_limit: Some(2), ..quorum() });
    bench.publish("q", body("stubborn")).unwrap();
    for _ in 0..5 {
        let delivery = bench.one("q");
        assert_eq!(delivery.failures, 0);
        bench.settle(&delivery, NACK).unwrap();
    }
    let delivery = bench.one("q");
    bench.settle(&delivery, SettleAction::Nack { delay: ms(5) }).unwrap();
    bench.pass(5);
    let delivery = bench.one("q");
    assert_eq!((delivery.attempt, delivery.failures), (7, 0));
    bench.settle(&delivery, SettleAction::Fail).unwrap();
    let id = holder(&mut bench);
    assert_eq!(next(&mut bench).failures, 1);
    bench.engine.cancel(&mut bench.block, id, OpenLeases::Return, bench.now).unwrap();
    let delivery = bench.one("q");
    assert_eq!(delivery.failures, 2);
    bench.settle(&delivery, SettleAction::Fail).unwrap();
    assert!(bench.receive("q", 1).is_empty());
    assert_eq!(bench.engine.queue_info(&topic("q")).unwrap().totals.dead_delivery_limit, 1);
}

#[test]
fn what_counted_and_what_did_not_survives_a_restart_which_counts_itself() {
    let mut bench = bench(quorum());
    bench.publish("q", body("x")).unwrap();
    for action in [NACK, SettleAction::Fail, NACK] {
        let delivery = bench.one("q");
        bench.settle(&delivery, action).unwrap();
        bench.commit();
    }
    let held = bench.one("q");
    assert_eq!((held.attempt, held.failures), (4, 1));
    bench.commit();
    bench.crash();
    let again = bench.one("q");
    assert_eq!((again.attempt, again.failures), (5, 2));
}

#[test]
fn twenty_failures_are_the_limit_unless_told_otherwise() {
    for (limit, most) in [(None, 20), (Some(3), 3), (Some(QueueOptions::NO_DELIVERY_LIMIT), 99)] {
        let mut bench = bench(QueueOptions { delivery_limit: limit, ..quorum() });
        bench.publish("q", body("x")).unwrap();
        let mut deliveries = 0;
        while let Some(delivery) = bench.receive("q", 1).pop().filter(|_| deliveries < 100) {
            deliveries += 1;
            bench.settle(&delivery, SettleAction::Fail).unwrap();
        }
        assert_eq!(deliveries, most + 1, "{limit:?}");
    }
}

#[test]
fn a_classic_queue_has_no_limit_and_counts_every_return_if_it_is_given_one() {
    let mut bench = bench(QueueOptions::default());
    bench.publish("q", body("x")).unwrap();
    for _ in 0..50 {
        let delivery = bench.one("q");
        bench.settle(&delivery, SettleAction::Fail).unwrap();
    }
    let limited = QueueOptions { delivery_limit: Some(50), ..QueueOptions::default() };
    bench.engine.update_queue(&mut bench.block, &topic("q"), limited, bench.now).unwrap();
    let delivery = bench.one("q");
    bench.settle(&delivery, NACK).unwrap();
    assert_eq!(bench.ready("q"), 0);
}

#[test]
fn there_are_32_strict_priorities_and_4_is_the_usual_one() {
    let mut bench = bench(quorum());
    for (name, priority) in
        [("none", None), ("low", Some(3)), ("high", Some(31)), ("higher", Some(200)), ("zero", Some(0))]
    {
        bench.publish("q", NewMessage { priority, ..body(name) }).unwrap();
    }
    bench.commit();
    bench.crash();
    let taken = bench.receive("q", 9);
    let seen: Vec<(String, u8)> =
        taken.iter().map(|d| (String::from_utf8_lossy(&d.message.body).into_owned(), d.priority)).collect();
    let want = [("high", 31), ("higher", 31), ("none", 4), ("low", 3), ("zero", 0)];
    assert_eq!(seen, want.map(|(name, level)| (name.to_owned(), level)));
}

#[test]
fn a_consumer_that_keeps_a_message_too_long_is_cancelled() {
    let mut bench = bench(QueueOptions { consumer_timeout_ms: Some(100), ..quorum() });
    let slow = holder(&mut bench);
    bench.publish("q", body("a")).unwrap();
    let a = next(&mut bench);
    bench.pass(60);
    bench.publish("q", body("b")).unwrap();
    let b = next(&mut bench);
    bench.pass(40);
    let outbox = bench.commit();
    assert_eq!((outbox.ended, outbox.deliveries.len()), (vec![(slow, Ended::TimedOut)], 0));
    assert_eq!(bench.ready("q"), 1, "only what took too long goes back");
    assert!(bench.settle(&a, SettleAction::Ack).is_err());
    let again = bench.one("q");
    assert_eq!((again.id, again.attempt, again.failures), (a.id, 2, 0), "it does not count as a failure");
    bench.settle(&again, SettleAction::Ack).unwrap();
    bench.settle(&b, SettleAction::Ack).unwrap();
    assert!(bench.engine.cancel(&mut bench.block, slow, OpenLeases::Return, bench.now).is_err());
}

#[test]
fn half_an_hour_is_the_timeout_unless_told_otherwise_and_a_classic_queue_has_none() {
    for (options, timeout) in [
        (quorum(), Some(30 * 60 * 1000)),
        (QueueOptions { consumer_timeout_ms: Some(5), ..quorum() }, Some(5)),
        (QueueOptions::default(), None),
    ] {
        let mut bench = bench(options);
        holder(&mut bench);
        bench.publish("q", body("x")).unwrap();
        let held = next(&mut bench);
        let patience = held.lease_expires_at.map(|at| at.0 - bench.now.0);
        assert_eq!(patience, timeout);
        bench.pass(1_000_000_000);
        assert_eq!(bench.settle(&held, SettleAction::Ack).is_ok(), timeout.is_none());
    }
}

#[test]
fn a_consumer_may_bring_a_timeout_of_its_own() {
    let mut bench = bench(QueueOptions::default());
    let options = ConsumerOptions {
        credit_messages: 9,
        lease: LeaseFor::UntilSettled,
        timeout: Some(ms(10)),
        ..ConsumerOptions::default()
    };
    let id = bench.engine.subscribe(&mut bench.block, &topic("q"), options, bench.now).unwrap();
    bench.publish("q", body("x")).unwrap();
    bench.commit();
    bench.pass(10);
    assert_eq!(bench.commit().ended, [(id, Ended::TimedOut)]);
}

#[test]
fn a_queue_keeps_its_type() {
    let mut bench = bench(QueueOptions::default());
    let changed = bench.engine.update_queue(&mut bench.block, &topic("q"), quorum(), bench.now);
    assert!(matches!(changed, Err(QueueError::ConflictingOptions { field: "type", .. })));
    let again = bench.engine.declare_queue(&mut bench.block, &topic("q"), quorum(), bench.now);
    assert!(matches!(again, Err(QueueError::Differs { field: "type", .. })));
}
