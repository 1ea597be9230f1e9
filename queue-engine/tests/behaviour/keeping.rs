use message::HeaderValue;
use queue_engine::{
    BindingTarget, Destination, Edits, ExchangeKind, ExchangeOptions, LogTarget, MessageId, NewMessage,
    QueueError, QueueOptions, Redrive, RedriveBounds, SettleAction, Transaction, TransactionError,
    TransactionPublish,
};
use segment_store::{Block, Lsn, RecordKind};

use crate::bench::{Bench, body, exchange, ms, table, topic};

fn kept_in(log: &str) -> QueueOptions {
    QueueOptions { keep_in: Some(topic(log)), ..QueueOptions::default() }
}

fn told(targets: &[LogTarget]) -> Vec<(String, String)> {
    let text = |target: &LogTarget| String::from_utf8(target.message.body.to_vec()).unwrap();
    targets.iter().map(|target| (target.topic.to_string(), text(target))).collect()
}

fn all(log: &str, bodies: &[&str]) -> Vec<(String, String)> {
    bodies.iter().map(|body| (log.to_owned(), (*body).to_owned())).collect()
}

#[test]
fn whatever_enters_the_queue_is_kept_by_whichever_way_it_came() {
    let mut bench = Bench::new();
    bench.declare("q", kept_in("past"));
    bench.declare(
        "other",
        QueueOptions {
            dead_letter_exchange: Some(String::new()),
            dead_letter_routing_key: Some("q".to_owned()),
            ..QueueOptions::default()
        },
    );
    bench.declare_exchange("x", ExchangeKind::Fanout);
    bench.bind_queue("x", "q", "");
    bench.bind_queue("x", "other", "");
    bench.publish("q", body("direct")).unwrap();
    bench.publish_to("x", "", body("routed"));
    let mut late = body("late");
    late.delay = Some(ms(1000));
    bench.publish("q", late).unwrap();
    let batch = vec![body("b1"), body("b2")];
    bench.engine.publish_batch(&mut bench.block, Destination::Queue(&topic("q")), batch, bench.now).unwrap();
    let publish =
        TransactionPublish { exchange: String::new(), routing_key: "q".to_owned(), message: body("tx") };
    let transaction = Transaction { publishes: vec![publish], settles: Vec::new() };
    bench.engine.commit(&mut bench.block, transaction, bench.now).unwrap();
    let dead = bench.one("other");
    bench.settle(&dead, SettleAction::Reject).unwrap();
    let kept = bench.engine.take_log_appends();
    assert_eq!(told(&kept), all("past", &["direct", "routed", "late", "b1", "b2", "tx", "routed"]));
    assert!(bench.engine.take_log_appends().is_empty(), "each is handed out once");
    bench.publish("other", body("moved")).unwrap();
    let (to, bounds) = (topic("q"), RedriveBounds { after: None, max: 9 });
    let redrive = Redrive { to: Some(Destination::Queue(&to)), ..Redrive::default() };
    bench.engine.redrive(&mut bench.block, &topic("other"), bounds, &redrive, bench.now).unwrap();
    assert_eq!(
        told(&bench.commit().log_appends),
        all("past", &["moved"]),
        "what is left goes with the group"
    );
    bench.pass(2000);
    assert!(bench.commit().log_appends.is_empty(), "becoming ready is not entering");
}

#[test]
fn the_setting_survives_a_restart_and_changes_live() {
    let mut bench = Bench::new();
    bench.declare("q", kept_in("past"));
    bench.checkpoint();
    bench.crash();
    bench.publish("q", body("a")).unwrap();
    assert_eq!(told(&bench.engine.take_log_appends()), all("past", &["a"]));
    assert_eq!(bench.engine.kept_by(&topic("past")), Some(&topic("q")));
    bench.engine.update_queue(&mut bench.block, &topic("q"), QueueOptions::default(), bench.now).unwrap();
    bench.commit();
    bench.crash();
    bench.publish("q", body("b")).unwrap();
    assert!(bench.engine.take_log_appends().is_empty());
    assert_eq!(bench.engine.kept_by(&topic("past")), None);
}

/// Whatever a call announces for logs, its block has room for.
#[test]
fn what_a_log_is_to_get_finds_room_in_the_block_of_what_it_tells_of() {
    let mut bench = Bench::new();
    bench.declare("q", kept_in("past"));
    bench.bind("amq.fanout", BindingTarget::Log(topic("heard")), "", &[]);
    bench.bind_queue("amq.fanout", "q", "");
    let message = || body(&"x".repeat(700));
    for fill in (0..6000).step_by(11) {
        let mut block = Block::bounded_for_test(Lsn(1 << 20), 8192);
        block.push(RecordKind::QUEUE, &[&vec![0; fill]]);
        let to = Destination::Exchange { name: "amq.fanout", routing_key: "" };
        let published = bench.engine.publish_batch(&mut block, to, vec![message(), message()], bench.now);
        let mut targets = bench.engine.take_log_appends();
        let Ok(published) = published else {
            assert!(targets.is_empty());
            continue;
        };
        targets.extend(published.into_iter().flatten().flat_map(|published| published.logs));
        assert_eq!(targets.len(), 4);
        for target in &targets {
            block.release(target.room());
        }
        for target in &targets {
            block.push(RecordKind::LOG, &[&vec![1; target.room()]]);
        }
        let taken = bench.engine.receive(
            &mut bench.block,
            &topic("q"),
            9,
            queue_engine::LeaseFor::AutoAck,
            bench.now,
        );
        assert_eq!(taken.unwrap().len(), 2);
    }
}

#[test]
fn while_logs_take_nothing_what_would_reach_one_stays_out() {
    let mut bench = Bench::new();
    bench.declare("q", kept_in("past"));
    bench.declare("plain", QueueOptions::default());
    bench.bind("amq.fanout", BindingTarget::Log(topic("heard")), "", &[]);
    bench.bind_queue("amq.topic", "plain", "#");
    let bodies = || vec![body("a"), body("b")];
    bench.engine.hold_logs(true);
    assert_eq!(bench.publish("q", body("a")), Err(QueueError::LogsFull));
    let to = topic("q");
    let batch = bench.engine.publish_batch(&mut bench.block, Destination::Queue(&to), bodies(), bench.now);
    assert_eq!(batch, Err(QueueError::LogsFull));
    let to = Destination::Exchange { name: "amq.fanout", routing_key: "" };
    let heard = bench.engine.publish(&mut bench.block, to, body("a"), bench.now);
    assert_eq!(heard, Err(QueueError::LogsFull));
    let publish = |queue: &str| TransactionPublish {
        exchange: String::new(),
        routing_key: queue.to_owned(),
        message: body("tx"),
    };
    let transaction = Transaction { publishes: vec![publish("plain"), publish("q")], settles: Vec::new() };
    let committed = bench.engine.commit(&mut bench.block, transaction, bench.now);
    assert_eq!(committed, Err(TransactionError::Publish { at: 1, error: QueueError::LogsFull }));
    assert_eq!(bench.engine.would_take(&topic("q"), 1, 1), Err(QueueError::LogsFull));
    assert_eq!(bench.engine.would_take(&topic("plain"), 1, 1), Ok(()));
    assert_eq!(bench.publish_to("amq.topic", "k", body("elsewhere")).queues, 1);
    let moved = bench.engine.move_message(
        &mut bench.block,
        &topic("plain"),
        MessageId(0),
        Destination::Queue(&topic("q")),
        &Edits::default(),
        bench.now,
    );
    assert_eq!(moved, Err(QueueError::LogsFull));
    assert_eq!((bench.ready("q"), bench.ready("plain")), (0, 1));
    assert!(bench.commit().log_appends.is_empty());
    bench.engine.hold_logs(false);
    assert_eq!(bench.publish("q", body("a")).unwrap().queues, 1);
}

#[test]
fn while_logs_take_nothing_letters_and_delayed_messages_wait_where_they_are() {
    let mut bench = Bench::new();
    bench.declare("q", kept_in("past"));
    let letters = QueueOptions {
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some("q".to_owned()),
        ..QueueOptions::default()
    };
    bench.declare("work", letters);
    let options = ExchangeOptions { delayed_kind: Some(ExchangeKind::Fanout), ..ExchangeOptions::default() };
    bench
        .engine
        .declare_exchange(&mut bench.block, &exchange("later"), ExchangeKind::Delayed, options)
        .unwrap();
    bench.bind("later", BindingTarget::Log(topic("heard")), "", &[]);
    bench.publish("work", body("dead")).unwrap();
    let delay = table(&[("x-delay", HeaderValue::Int(500))]);
    bench.publish_to("later", "", NewMessage { headers: delay, ..body("late") });
    bench.engine.hold_logs(true);
    let letter = bench.one("work");
    bench.settle(&letter, SettleAction::Reject).unwrap();
    bench.pass(1000);
    let dying = |bench: &Bench| bench.engine.queue_info(&topic("work")).unwrap().dying;
    assert_eq!((dying(&bench), bench.ready("q")), (1, 0));
    assert!(bench.engine.next_deadline() > Some(bench.now), "nobody asks without end");
    assert!(bench.commit().log_appends.is_empty());
    bench.crash();
    bench.engine.hold_logs(true);
    bench.pass(1000);
    assert_eq!((dying(&bench), bench.ready("q")), (1, 0), "the letter waits through a restart");
    assert!(bench.commit().log_appends.is_empty());
    bench.engine.hold_logs(false);
    bench.pass(1000);
    let mut kept = told(&bench.commit().log_appends);
    kept.sort();
    assert_eq!(kept, [("heard".to_owned(), "late".to_owned()), ("past".to_owned(), "dead".to_owned())]);
    assert_eq!((dying(&bench), bench.ready("q")), (0, 1));
}
