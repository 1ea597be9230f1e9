//! Messages that go on by themselves while the journal's blocks have little room.
use queue_engine::{
    BindingTarget, DeadLetterStrategy, ExchangeKind, ExchangeOptions, NewMessage, Overflow, QueueError,
    QueueOptions, SettleAction,
};
use segment_store::{Block, Lsn};

use crate::bench::{Bench, bodies, body, exchange, topic};

const LOGS: [&str; 4] = ["a", "b", "c", "d"];
const ROOMY: usize = 32 << 10;
/// A body of which at most two logs' records fit a block, and room for it alone.
const LARGE: usize = 12_000;
const CRAMPED: usize = 14_000;

/// Replaces the block by one with room for so many bytes; the roomiest has `ROOMY`.
fn cramp(bench: &mut Bench, bytes: usize) {
    bench.commit();
    bench.block = Block::part_for_test(Lsn(bench.block.start().0), bytes, ROOMY);
}

/// An exchange to four logs and a queue, and a queue whose dead letters go there.
fn scene(strategy: DeadLetterStrategy) -> Bench {
    let mut bench = Bench::new();
    bench.declare_exchange("all", ExchangeKind::Fanout);
    bench.declare("dead", QueueOptions::default());
    bench.bind_queue("all", "dead", "");
    for log in LOGS {
        bench.bind("all", BindingTarget::Log(topic(log)), "", &[]);
    }
    let options = QueueOptions {
        dead_letter_exchange: Some("all".into()),
        dead_letter_strategy: Some(strategy),
        ..QueueOptions::default()
    };
    bench.declare("work", options);
    bench
}

fn reject(bench: &mut Bench, text: &str) {
    bench.publish("work", body(text)).unwrap();
    let delivery = bench.one("work");
    bench.settle(&delivery, SettleAction::Reject).unwrap();
}

/// What logs got since the last time, and whether the block had the room.
fn told(bench: &mut Bench) -> Vec<String> {
    let appends = bench.engine.take_log_appends();
    appends.iter().for_each(|append| bench.block.release(append.room()));
    let used: usize = appends.iter().map(|append| append.room() + segment_store::RECORD_OVERHEAD).sum();
    assert!(bench.block.fits(used.saturating_sub(segment_store::RECORD_OVERHEAD)));
    appends.iter().map(|append| append.topic.as_str().to_owned()).collect()
}

/// Ticks with a block of little room, and with one of as much as was asked for then; answers what logs got.
fn step(bench: &mut Bench) -> Vec<String> {
    cramp(bench, CRAMPED);
    bench.engine.tick(&mut bench.block, bench.now);
    let mut all = told(bench);
    let wanted = bench.engine.wanted_room();
    cramp(bench, wanted.max(CRAMPED) + 100);
    bench.engine.tick(&mut bench.block, bench.now);
    all.extend(told(bench));
    all
}

#[test]
fn what_waits_for_a_block_says_how_large_that_must_be() {
    let mut bench = scene(DeadLetterStrategy::AtMostOnce);
    let letter = "x".repeat(1000);
    bench.publish("work", body(&letter)).unwrap();
    let delivery = bench.one("work");
    cramp(&mut bench, 3000);
    bench.settle(&delivery, SettleAction::Reject).unwrap();
    assert_eq!(bench.engine.queue_info(&topic("work")).unwrap().dying, 1);
    let wanted = bench.engine.wanted_room();
    assert!((4 * 1000..ROOMY).contains(&wanted), "{wanted}");
    cramp(&mut bench, wanted + 100);
    bench.engine.tick(&mut bench.block, bench.now);
    assert_eq!(told(&mut bench), LOGS);
    assert_eq!((bench.ready("dead"), bench.engine.wanted_room()), (1, 0));
}

/// Crashes after every step, with and without a checkpoint in between.
#[test]
fn a_letter_larger_than_any_block_reaches_each_of_its_targets_once() {
    for checkpoints in [false, true] {
        let mut bench = scene(DeadLetterStrategy::AtLeastOnce);
        reject_large(&mut bench);
        let mut all = told(&mut bench);
        for _ in 0..20 {
            bench.commit();
            if checkpoints {
                bench.checkpoint();
            }
            bench.crash();
            all.extend(step(&mut bench));
        }
        assert_eq!(all, LOGS);
        assert_eq!(bench.ready("dead"), 1);
        let info = bench.engine.queue_info(&topic("work")).unwrap();
        assert_eq!((info.dying, info.ready, info.totals.dropped), (0, 0, 0));
    }
}

fn reject_large(bench: &mut Bench) {
    bench.publish("work", body(&"x".repeat(LARGE))).unwrap();
    let delivery = bench.one("work");
    cramp(bench, CRAMPED);
    bench.settle(&delivery, SettleAction::Reject).unwrap();
}

#[test]
fn what_comes_behind_a_large_letter_gets_through() {
    let mut bench = scene(DeadLetterStrategy::AtMostOnce);
    reject_large(&mut bench);
    cramp(&mut bench, CRAMPED);
    reject(&mut bench, "small");
    for _ in 0..20 {
        cramp(&mut bench, ROOMY);
        bench.engine.tick(&mut bench.block, bench.now);
        told(&mut bench);
    }
    let dead = bodies(&bench.receive("dead", 9));
    assert_eq!(dead.iter().map(String::len).collect::<Vec<_>>(), [LARGE, 5]);
}

#[test]
fn a_target_that_no_block_could_serve_goes_without_or_is_waited_for() {
    for strategy in [DeadLetterStrategy::AtMostOnce, DeadLetterStrategy::AtLeastOnce] {
        let mut bench = scene(strategy);
        // Fits a block for itself, but not beside its record in a log.
        bench.declare("both", QueueOptions { keep_in: Some(topic("past")), ..QueueOptions::default() });
        bench.bind_queue("all", "both", "");
        bench.publish("work", body(&"x".repeat(20_000))).unwrap();
        let delivery = bench.one("work");
        cramp(&mut bench, CRAMPED);
        bench.settle(&delivery, SettleAction::Reject).unwrap();
        let mut all = Vec::new();
        for _ in 0..20 {
            cramp(&mut bench, ROOMY);
            bench.engine.tick(&mut bench.block, bench.now);
            all.extend(told(&mut bench));
        }
        let info = bench.engine.queue_info(&topic("work")).unwrap();
        assert_eq!((bench.ready("dead"), bench.ready("both")), (1, 0));
        match strategy {
            DeadLetterStrategy::AtMostOnce => {
                assert_eq!(all, LOGS);
                assert_eq!((info.dying, info.totals.dropped), (0, 1));
            }
            DeadLetterStrategy::AtLeastOnce => {
                assert_eq!(info.dying, 1);
                bench.publish("work", body("behind it")).unwrap();
                let delivery = bench.one("work");
                bench.settle(&delivery, SettleAction::Reject).unwrap();
                assert_eq!(bench.ready("dead"), 2, "it holds nobody up");
            }
        }
    }
}

#[test]
fn a_held_message_larger_than_any_block_reaches_each_of_its_targets_once() {
    let mut bench = scene(DeadLetterStrategy::AtMostOnce);
    let delayed = ExchangeOptions { delayed_kind: Some(ExchangeKind::Fanout), ..ExchangeOptions::default() };
    let (engine, block) = (&mut bench.engine, &mut bench.block);
    engine.declare_exchange(block, &exchange("later"), ExchangeKind::Delayed, delayed).unwrap();
    bench.bind("later", BindingTarget::Exchange(exchange("all")), "", &[]);
    let headers = [("x-delay".to_owned(), message::HeaderValue::Int(10))].into_iter().collect();
    bench.publish_to("later", "", NewMessage { headers, ..body(&"x".repeat(LARGE)) });
    bench.now = bench.now.plus(std::time::Duration::from_millis(20));
    let mut all = Vec::new();
    for _ in 0..20 {
        all.extend(step(&mut bench));
        bench.commit();
        bench.crash();
    }
    assert_eq!(all, LOGS);
    assert_eq!(bench.ready("dead"), 1);
}

#[test]
fn what_leaves_for_logs_alone_is_gone_with_the_block_of_what_they_get() {
    let mut bench = Bench::new();
    bench.declare_exchange("all", ExchangeKind::Fanout);
    bench.bind("all", BindingTarget::Log(topic("a")), "", &[]);
    let options = QueueOptions {
        message_ttl_ms: Some(10),
        dead_letter_exchange: Some("all".into()),
        ..QueueOptions::default()
    };
    bench.declare("work", options);
    bench.publish("work", body("letter")).unwrap();
    bench.commit();
    bench.pass(10);
    assert_eq!(told(&mut bench), ["a"]);
    bench.write_block();
    bench.crash();
    assert_eq!(bench.engine.queue_info(&topic("work")).unwrap().ready, 0, "the log has it");
    assert!(bench.engine.next_deadline().is_none());
}

#[test]
fn a_log_that_is_bound_late_hears_all_that_was_said() {
    let mut bench = scene(DeadLetterStrategy::AtMostOnce);
    bench.declare_exchange("said", ExchangeKind::RecentHistory);
    for _ in 0..5 {
        bench.publish_to("said", "", body("word"));
    }
    for (target, logs) in [
        (BindingTarget::Log(topic("late")), vec!["late"; 5]),
        (BindingTarget::Exchange(exchange("all")), LOGS.repeat(5)),
    ] {
        let room = bench.engine.bind_bytes(&exchange("said"), &target);
        bench.commit();
        // Not the arguments that it has none of.
        let spare = (64 << 10) - 64;
        bench.block = Block::part_for_test(Lsn(bench.block.start().0), room - spare, 1 << 20);
        bench.bind("said", target, "", &[]);
        assert_eq!(told(&mut bench), logs);
    }
}

#[test]
fn moving_by_hand_tells_what_is_too_large() {
    let mut bench = scene(DeadLetterStrategy::AtMostOnce);
    bench.declare("here", QueueOptions::default());
    bench.publish("here", body(&"x".repeat(LARGE))).unwrap();
    cramp(&mut bench, ROOMY);
    let to = queue_engine::Destination::Exchange { name: "all", routing_key: "" };
    let (engine, block) = (&mut bench.engine, &mut bench.block);
    let moved = engine.move_message(
        block,
        &topic("here"),
        queue_engine::MessageId(0),
        to,
        &queue_engine::Edits::default(),
        bench.now,
    );
    assert!(matches!(moved, Err(QueueError::TooLarge(_))), "{moved:?}");
    let bounds = queue_engine::RedriveBounds { after: None, max: 10 };
    let redrive = queue_engine::Redrive { to: Some(to), ..queue_engine::Redrive::default() };
    let step = engine.redrive(block, &topic("here"), bounds, &redrive, bench.now).unwrap();
    assert_eq!((step.moved, step.skipped, step.next), (0, 1, None));
    assert_eq!(bench.ready("here"), 1);
}

#[test]
fn the_letter_of_a_refused_message_finds_room_beside_it() {
    let mut bench = scene(DeadLetterStrategy::AtMostOnce);
    let options = QueueOptions {
        max_length: Some(0),
        overflow: Overflow::RejectPublishDlx,
        dead_letter_exchange: Some("all".into()),
        ..QueueOptions::default()
    };
    bench.declare("full", options);
    let name = topic("full");
    let to = queue_engine::Destination::Queue(&name);
    let message = || body(&"x".repeat(1000));
    let room = bench.engine.publish_bytes(to, &[message()]);
    cramp(&mut bench, room + 64);
    let refused = bench.engine.publish(&mut bench.block, to, message(), bench.now);
    assert_eq!(refused, Err(QueueError::QueueFull(topic("full"))));
    assert_eq!(told(&mut bench), LOGS);
    assert_eq!(bench.ready("dead"), 1);
}
