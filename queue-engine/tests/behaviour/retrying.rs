use message::HeaderValue;
use queue_engine::{
    ConsumerOptions, FailedAttempt, LinearRetry, MessageState, OpenLeases, Outcome, QueueError, QueueOptions,
    QueueType, RetryOn, RetryPolicy, SettleAction,
};

use crate::bench::{Bench, bodies, body, ms, topic};

fn retrying(delays: &[u64]) -> QueueOptions {
    QueueOptions {
        retry: Some(RetryPolicy::Delays(delays.to_vec())),
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some("dead".to_owned()),
        ..QueueOptions::default()
    }
}

fn queue(delays: &[u64]) -> Bench {
    let mut bench = Bench::new();
    bench.declare("dead", QueueOptions::default());
    bench.declare("q", retrying(delays));
    bench.publish("q", body("m")).unwrap();
    bench
}

fn outcomes(history: &[FailedAttempt]) -> Vec<(u32, Outcome)> {
    history.iter().map(|failed| (failed.attempt, failed.outcome)).collect()
}

#[test]
fn a_failed_message_waits_longer_each_time_and_then_dies_with_its_story() {
    let mut bench = queue(&[100, 1000]);
    let first = bench.one("q");
    assert!(first.history.is_empty());
    bench.settle(&first, SettleAction::Retry).unwrap();
    let failed_at = bench.now;
    bench.pass(99);
    assert!(bench.receive("q", 1).is_empty());
    bench.pass(1);
    let second = bench.one("q");
    let told = FailedAttempt {
        attempt: 1,
        outcome: Outcome::Returned,
        at: failed_at,
        retry_at: Some(failed_at.plus(ms(100))),
    };
    assert_eq!((second.attempt, &second.history[..]), (2, &[told][..]));
    // The consumer falls silent this time.
    bench.pass(30_000);
    bench.pass(999);
    assert!(bench.receive("q", 1).is_empty());
    bench.pass(1);
    let third = bench.one("q");
    assert_eq!(outcomes(&third.history), [(1, Outcome::Returned), (2, Outcome::LeaseExpired)]);
    bench.settle(&third, SettleAction::Retry).unwrap();
    assert_eq!(bench.ready("q"), 0);
    let dead = bench.one("dead");
    let Some(HeaderValue::List(story)) = dead.message.headers.get("x-retry-history") else {
        panic!("no story")
    };
    assert_eq!(story.len(), 3);
    let HeaderValue::Table(last) = &story[2] else { panic!("a table") };
    assert!(last.contains(&("queue".to_owned(), HeaderValue::Text("q".to_owned()))));
    assert!(last.contains(&("attempt".to_owned(), HeaderValue::Int(3))));
    assert!(last.contains(&("outcome".to_owned(), HeaderValue::Text("returned".to_owned()))));
    assert!(!last.iter().any(|(name, _)| name == "retry_at"));
    assert_eq!(
        dead.message.headers.get("x-first-death-reason"),
        Some(HeaderValue::Text("delivery_limit".to_owned()))
    );
}

#[test]
fn the_wait_and_the_history_survive_a_restart_and_a_move_in_the_journal() {
    let mut bench = queue(&[100, 1000]);
    let first = bench.one("q");
    bench.commit();
    bench.settle(&first, SettleAction::Retry).unwrap();
    let due = bench.now.plus(ms(100));
    bench.commit();
    bench.crash();
    bench.relocate();
    bench.crash();
    let seen = bench.engine.get(&topic("q"), first.id).unwrap();
    assert_eq!(seen.state, MessageState::Delayed { until: due });
    assert_eq!(outcomes(&seen.history), [(1, Outcome::Returned)]);
    bench.pass(100);
    assert_eq!(outcomes(&bench.one("q").history), [(1, Outcome::Returned)]);
}

#[test]
fn a_consumer_may_choose_the_wait_and_may_give_back_what_it_did_not_try() {
    let mut bench = queue(&[100]);
    let first = bench.one("q");
    bench.settle(&first, SettleAction::Nack { delay: ms(5) }).unwrap();
    bench.pass(5);
    let second = bench.one("q");
    assert_eq!(outcomes(&second.history), [(1, Outcome::Returned)]);
    bench.settle(&second, SettleAction::Reject).unwrap();
    let dead = bench.one("dead");
    let Some(HeaderValue::List(story)) = dead.message.headers.get("x-retry-history") else {
        panic!("no story")
    };
    assert_eq!(story.len(), 2);

    bench.publish("q", body("unread")).unwrap();
    let unread = bench.one("q");
    bench.settle(&unread, SettleAction::Nack { delay: ms(0) }).unwrap();
    assert!(bench.one("q").history.is_empty());
}

#[test]
fn without_a_policy_retry_returns_at_once() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions::default());
    bench.publish("q", body("m")).unwrap();
    let first = bench.one("q");
    bench.settle(&first, SettleAction::Retry).unwrap();
    let second = bench.one("q");
    assert_eq!((bodies(std::slice::from_ref(&second)), second.attempt), (vec!["m".to_owned()], 2));
}

#[test]
fn a_policy_begins_on_a_filled_queue() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions::default());
    bench.publish("q", body("m")).unwrap();
    let first = bench.one("q");
    let retry = Some(RetryPolicy::Exponential {
        initial_ms: 1000,
        factor_milli: 2000,
        max_ms: 60_000,
        jitter_percent: 50,
        retries: 3,
    });
    let options = QueueOptions { retry, ..QueueOptions::default() };
    bench.engine.update_queue(&mut bench.block, &topic("q"), options, bench.now).unwrap();
    bench.settle(&first, SettleAction::Retry).unwrap();
    bench.pass(499);
    assert!(bench.receive("q", 1).is_empty());
    bench.pass(501);
    assert_eq!(bench.one("q").history.len(), 1);
}

#[test]
fn impossible_policies_are_refused() {
    let mut bench = Bench::new();
    for retry in [
        RetryPolicy::Delays(Vec::new()),
        RetryPolicy::Exponential {
            initial_ms: 9,
            factor_milli: 2000,
            max_ms: 1,
            jitter_percent: 0,
            retries: 1,
        },
        RetryPolicy::Exponential {
            initial_ms: 1,
            factor_milli: 2000,
            max_ms: 1,
            jitter_percent: 0,
            retries: 0,
        },
        RetryPolicy::Exponential {
            initial_ms: 1,
            factor_milli: 999,
            max_ms: 1,
            jitter_percent: 0,
            retries: 1,
        },
        RetryPolicy::Exponential {
            initial_ms: 1,
            factor_milli: 1000,
            max_ms: 1,
            jitter_percent: 101,
            retries: 1,
        },
    ] {
        let options = QueueOptions { retry: Some(retry), ..QueueOptions::default() };
        let made = bench.engine.declare_queue(&mut bench.block, &topic("q"), options, bench.now);
        assert!(matches!(made, Err(QueueError::InvalidOption { field: "retry", .. })));
    }
}

fn linear(on: RetryOn) -> Bench {
    let mut bench = Bench::new();
    let retry = Some(RetryPolicy::Linear(LinearRetry { on, min_ms: 1000, max_ms: Some(1500) }));
    bench.declare("q", QueueOptions { kind: QueueType::Quorum, retry, ..QueueOptions::default() });
    bench.publish("q", body("m")).unwrap();
    bench
}

/// How long the one message of `q` waits now.
fn pause(bench: &Bench, id: queue_engine::MessageId) -> Option<i64> {
    match bench.engine.get(&topic("q"), id).unwrap().state {
        MessageState::Delayed { until } => Some(until.0 - bench.now.0),
        _ => None,
    }
}

#[test]
fn delayed_retry_waits_by_what_came_back_and_how_often_it_failed() {
    let nack = SettleAction::Nack { delay: ms(0) };
    for (on, fail, returned) in [
        (RetryOn::All, Some(1000), Some(1000)),
        (RetryOn::Failed, Some(1000), None),
        (RetryOn::Returned, None, Some(1000)),
    ] {
        for (action, wait) in [(SettleAction::Fail, fail), (nack, returned)] {
            let mut bench = linear(on);
            let taken = bench.one("q");
            bench.settle(&taken, action).unwrap();
            assert_eq!(pause(&bench, taken.id), wait, "{on:?} {action:?}");
        }
    }
    let mut bench = linear(RetryOn::All);
    for wait in [1000, 1500, 1500] {
        let taken = bench.one("q");
        bench.settle(&taken, SettleAction::Fail).unwrap();
        assert_eq!(pause(&bench, taken.id), Some(wait));
        bench.pass(wait);
    }
    let taken = bench.one("q");
    assert!(taken.history.is_empty(), "that is told of other policies only");
    bench.settle(&taken, SettleAction::Reject).unwrap();
    assert_eq!(bench.ready("q"), 0);
}

#[test]
fn a_fallen_consumer_s_messages_wait_through_a_crash() {
    let mut bench = linear(RetryOn::Failed);
    bench.publish("q", body("n")).unwrap();
    let options = ConsumerOptions { credit_messages: 2, ..ConsumerOptions::default() };
    let consumer = bench.engine.subscribe(&mut bench.block, &topic("q"), options, bench.now).unwrap();
    let sent = bench.commit().deliveries;
    assert_eq!(sent.len(), 2);
    bench.engine.cancel(&mut bench.block, consumer, OpenLeases::Return, bench.now).unwrap();
    bench.commit();
    bench.crash();
    for (_, delivery) in &sent {
        assert_eq!(pause(&bench, delivery.id), Some(1000));
    }
    bench.pass(1000);
    assert_eq!(bodies(&bench.receive("q", 9)), ["m", "n"]);
}
