use std::collections::BTreeMap;

use queue_engine::{Amendment, MessageId, NewMessage, Overflow, QueueOptions, RetryPolicy, SettleAction};

use crate::bench::{Bench, bodies, body, ms, topic};

fn ordered() -> QueueOptions {
    QueueOptions { order_per_key: true, ..QueueOptions::default() }
}

fn keyed(key: &str, text: &str) -> NewMessage {
    NewMessage { key: Some(key.to_owned().into()), ..body(text) }
}

fn filled() -> Bench {
    let mut bench = Bench::new();
    bench.declare("q", ordered());
    for (key, text) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3"), ("b", "b2")] {
        bench.publish("q", keyed(key, text)).unwrap();
    }
    bench.publish("q", body("free1")).unwrap();
    bench.publish("q", body("free2")).unwrap();
    bench
}

const ACK: SettleAction = SettleAction::Ack;
const BACK: SettleAction = SettleAction::Nack { delay: std::time::Duration::ZERO };

#[test]
fn of_each_key_one_message_is_out_at_a_time() {
    let mut bench = filled();
    let out = bench.receive("q", 9);
    assert_eq!(bodies(&out), ["a1", "b1", "free1", "free2"]);
    bench.settle(&out[1], ACK).unwrap();
    let next = bench.receive("q", 9);
    assert_eq!(bodies(&next), ["b2"]);
    bench.settle(&out[0], ACK).unwrap();
    assert_eq!(bodies(&bench.receive("q", 9)), ["a2"]);
}

#[test]
fn what_comes_back_goes_before_the_others_of_its_key() {
    let mut bench = filled();
    let out = bench.receive("q", 1);
    bench.settle(&out[0], BACK).unwrap();
    let again = bench.receive("q", 1);
    assert_eq!(bodies(&again), ["a1"]);
    bench.settle(&again[0], SettleAction::Nack { delay: ms(50) }).unwrap();
    assert_eq!(bodies(&bench.receive("q", 9)), ["b1", "free1", "free2"], "a2 waits for a1");
    bench.pass(50);
    assert_eq!(bodies(&bench.receive("q", 9)), ["a1"]);
}

#[test]
fn the_order_outlasts_expired_leases_and_restarts() {
    let mut bench = filled();
    bench.receive("q", 2);
    bench.pass(30_000);
    assert_eq!(bodies(&bench.receive("q", 2)), ["a1", "b1"]);
    bench.commit();
    bench.crash();
    let out = bench.receive("q", 9);
    assert_eq!(bodies(&out), ["a1", "b1", "free1", "free2"]);
    bench.settle(&out[0], SettleAction::Nack { delay: ms(50) }).unwrap();
    bench.commit();
    bench.crash();
    assert_eq!(bodies(&bench.receive("q", 9)), ["b1", "free1", "free2"], "a1 is to be tried first");
    bench.pass(50);
    assert_eq!(bodies(&bench.receive("q", 9)), ["a1"]);
}

#[test]
fn a_dead_letter_lets_its_key_go_on() {
    let mut bench = filled();
    let out = bench.receive("q", 1);
    bench.settle(&out[0], SettleAction::Reject).unwrap();
    assert_eq!(bodies(&bench.receive("q", 1)), ["a2"]);
    bench.engine.delete_message(&mut bench.block, &topic("q"), MessageId(1)).unwrap();
    assert_eq!(bodies(&bench.receive("q", 1)), ["b1"], "the order of other keys is as before");
    assert_eq!(bodies(&bench.receive("q", 1)), ["a3"]);
}

#[test]
fn a_scheduled_message_is_passed_until_its_time() {
    let mut bench = Bench::new();
    bench.declare("q", ordered());
    bench.publish("q", NewMessage { delay: Some(ms(100)), ..keyed("a", "later") }).unwrap();
    bench.publish("q", keyed("a", "a2")).unwrap();
    bench.publish("q", keyed("a", "a3")).unwrap();
    let out = bench.receive("q", 9);
    assert_eq!(bodies(&out), ["a2"]);
    bench.pass(100);
    assert!(bench.receive("q", 9).is_empty());
    bench.settle(&out[0], ACK).unwrap();
    assert_eq!(bodies(&bench.receive("q", 9)), ["later"], "it came before a3");
}

#[test]
fn order_begins_and_ends_on_a_filled_queue() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions::default());
    for n in 1..=4 {
        bench.publish("q", keyed("a", &format!("a{n}"))).unwrap();
    }
    let out = bench.receive("q", 2);
    let update = |bench: &mut Bench, options| {
        bench.engine.update_queue(&mut bench.block, &topic("q"), options, bench.now).unwrap();
    };
    update(&mut bench, ordered());
    assert!(bench.receive("q", 9).is_empty(), "two are out already");
    bench.settle(&out[0], ACK).unwrap();
    assert!(bench.receive("q", 9).is_empty(), "one is");
    bench.settle(&out[1], BACK).unwrap();
    assert_eq!(bodies(&bench.receive("q", 9)), ["a2"]);
    update(&mut bench, QueueOptions::default());
    assert_eq!(bodies(&bench.receive("q", 9)), ["a3", "a4"]);
}

#[test]
fn with_priorities_each_key_goes_by_priority() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { max_priority: Some(9), ..ordered() });
    for (text, priority) in [("low", 1), ("high", 5), ("mid", 3)] {
        bench.publish("q", NewMessage { priority: Some(priority), ..keyed("a", text) }).unwrap();
    }
    bench.publish("q", NewMessage { priority: Some(4), ..keyed("b", "b") }).unwrap();
    let out = bench.receive("q", 9);
    assert_eq!(bodies(&out), ["high", "b"]);
    let up = Amendment { priority: Some(8), ..Amendment::default() };
    bench.engine.amend_message(&mut bench.block, &topic("q"), MessageId(0), up, bench.now).unwrap();
    bench.settle(&out[0], ACK).unwrap();
    assert_eq!(bodies(&bench.receive("q", 9)), ["low"]);
}

#[test]
fn a_limit_holds_although_all_wait_for_their_keys() {
    let mut bench = Bench::new();
    let limit = QueueOptions { max_length: Some(2), overflow: Overflow::DropHead, ..ordered() };
    bench.declare("q", limit);
    bench.publish("q", keyed("a", "a0")).unwrap();
    let out = bench.receive("q", 1);
    for n in 1..=4 {
        bench.publish("q", keyed("a", &format!("a{n}"))).unwrap();
    }
    assert_eq!(bench.ready("q"), 2);
    bench.settle(&out[0], ACK).unwrap();
    assert_eq!(bodies(&bench.receive("q", 9)), ["a3"]);
}

#[test]
fn a_failing_key_stays_in_order_while_others_flow() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { retry: Some(RetryPolicy::Delays(vec![20; 5])), ..ordered() });
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for n in 0..60 {
        bench.publish("q", keyed(&format!("k{}", n % 7), &format!("{n:02}"))).unwrap();
    }
    let mut failures = 0;
    for round in 0..1000 {
        let out = bench.receive("q", 3);
        for (place, delivery) in out.iter().enumerate() {
            let key = String::from_utf8(delivery.message.key.clone().unwrap().to_vec()).unwrap();
            if (round + place) % 3 == 0 && delivery.attempt < 3 {
                failures += 1;
                bench.settle(delivery, SettleAction::Retry).unwrap();
            } else {
                seen.entry(key).or_default().extend(bodies(std::slice::from_ref(delivery)));
                bench.settle(delivery, ACK).unwrap();
            }
        }
        bench.pass(5);
    }
    assert!(failures > 10);
    assert_eq!(seen.values().map(Vec::len).sum::<usize>(), 60);
    assert!(seen.values().all(|texts| texts.is_sorted()), "{seen:?}");
}

#[test]
fn a_waiting_consumer_gets_the_next_of_a_key_as_soon_as_it_may() {
    let mut bench = filled();
    let wish = queue_engine::ConsumerOptions { credit_messages: 100, ..Default::default() };
    bench.engine.subscribe(&mut bench.block, &topic("q"), wish, bench.now).unwrap();
    let mut pushed = Vec::new();
    loop {
        let outbox = bench.commit();
        if outbox.deliveries.is_empty() {
            break;
        }
        for (_, delivery) in outbox.deliveries {
            pushed.extend(bodies(std::slice::from_ref(&delivery)));
            let last = if delivery.message.body == "b1" { SettleAction::Reject } else { ACK };
            bench.settle(&delivery, last).unwrap();
        }
    }
    assert_eq!(pushed, ["a1", "b1", "free1", "free2", "a2", "b2", "a3"]);
}
