use queue_engine::{
    Delivery, ExchangeKind, Overflow, QueueError, QueueOptions, Settle, SettleAction, SettleError,
    Transaction, TransactionError, TransactionPublish,
};
use segment_store::{Block, Lsn};

use crate::bench::{Bench, bodies, body, ms};

fn to(exchange: &str, routing_key: &str, text: &str) -> TransactionPublish {
    TransactionPublish { exchange: exchange.into(), routing_key: routing_key.into(), message: body(text) }
}

fn settle(delivery: &Delivery, action: SettleAction) -> Settle {
    Settle { lease: delivery.lease.unwrap(), action }
}

impl Bench {
    fn transact(
        &mut self,
        publishes: Vec<TransactionPublish>,
        settles: Vec<Settle>,
    ) -> Result<Vec<usize>, TransactionError> {
        let transaction = Transaction { publishes, settles };
        let published = self.engine.commit(&mut self.block, transaction, self.now)?;
        Ok(published.iter().map(|published| published.queues).collect())
    }
}

fn queues(names: &[&str]) -> Bench {
    let mut bench = Bench::new();
    names.iter().for_each(|name| bench.declare(name, QueueOptions::default()));
    bench
}

#[test]
fn all_of_it_happens_in_one_block() {
    let mut bench = queues(&["in", "out", "dead"]);
    let dead = QueueOptions {
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some("dead".into()),
        ..QueueOptions::default()
    };
    bench.declare("work", dead);
    for text in ["a", "b", "c"] {
        bench.publish("work", body(text)).unwrap();
    }
    let taken = bench.receive("work", 3);
    bench.commit();
    let settles = vec![
        settle(&taken[0], SettleAction::Ack),
        settle(&taken[1], SettleAction::Reject),
        settle(&taken[2], SettleAction::Nack { delay: ms(50) }),
    ];
    let publishes = vec![to("", "out", "one"), to("amq.fanout", "", "nowhere"), to("", "out", "two")];
    assert_eq!(bench.transact(publishes, settles), Ok(vec![1, 0, 1]));
    for _ in 0..2 {
        assert_eq!((bench.ready("out"), bench.ready("dead"), bench.ready("work")), (2, 1, 0));
        bench.commit();
        bench.crash();
    }
    bench.pass(50);
    assert_eq!(bodies(&bench.receive("work", 9)), ["c"]);
}

#[test]
fn a_crash_before_the_block_is_written_undoes_all_of_it() {
    let mut bench = queues(&["in", "out"]);
    bench.publish("in", body("task")).unwrap();
    let task = bench.one("in");
    bench.commit();
    bench.transact(vec![to("", "out", "result")], vec![settle(&task, SettleAction::Ack)]).unwrap();
    bench.crash();
    assert_eq!((bench.ready("in"), bench.ready("out")), (1, 0));
}

#[test]
fn nothing_happens_when_one_part_cannot() {
    let mut bench = queues(&["in", "out"]);
    bench.declare(
        "full",
        QueueOptions { max_length: Some(2), overflow: Overflow::RejectPublish, ..QueueOptions::default() },
    );
    bench.publish("in", body("task")).unwrap();
    let task = bench.one("in");
    let ack = || vec![settle(&task, SettleAction::Ack)];

    let unknown = bench.transact(vec![to("", "out", "x"), to("missing", "k", "x")], ack());
    assert!(
        matches!(&unknown, Err(TransactionError::Publish { at: 1, error: QueueError::UnknownExchange(_) })),
        "{unknown:?}"
    );
    let full = bench.transact(vec![to("", "full", "1"), to("", "full", "2"), to("", "full", "3")], ack());
    assert!(
        matches!(&full, Err(TransactionError::Publish { at: 2, error: QueueError::QueueFull(_) })),
        "{full:?}"
    );
    let twice = [ack(), ack()].concat();
    let stale = bench.transact(vec![to("", "out", "x")], twice);
    assert_eq!(stale, Err(TransactionError::Settle { at: 1, error: SettleError::StaleLease }));
    assert_eq!((bench.ready("out"), bench.ready("full")), (0, 0));
    assert_eq!(bench.engine.queue_info(&crate::bench::topic("in")).unwrap().leased, 1);

    assert_eq!(bench.transact(vec![to("", "full", "1"), to("", "full", "2")], ack()), Ok(vec![1, 1]));
    let late = bench.transact(Vec::new(), ack());
    assert_eq!(late, Err(TransactionError::Settle { at: 0, error: SettleError::StaleLease }));
}

#[test]
fn a_block_without_room_takes_nothing_and_one_with_the_room_asked_for_takes_all() {
    let mut bench = queues(&["in", "out"]);
    bench.declare_exchange("keeps", ExchangeKind::RecentHistory);
    bench.bind_queue("keeps", "out", "");
    for n in 0..20 {
        bench.publish("in", body(&n.to_string())).unwrap();
    }
    let taken = bench.receive("in", 20);
    bench.commit();
    let settles: Vec<Settle> = taken.iter().map(|delivery| settle(delivery, SettleAction::Reject)).collect();
    let publishes: Vec<TransactionPublish> =
        (0..20).map(|n| to(if n % 2 == 0 { "" } else { "keeps" }, "out", &"x".repeat(n * 7))).collect();
    let transaction = Transaction { publishes, settles };
    let needed = bench.engine.transaction_bytes(&transaction);
    let start = Lsn(1 << 20);
    let mut small = Block::for_test(start);
    while small.remaining() > needed / 2 {
        let filler = vec![0; (small.remaining() - needed / 2).min(1 << 20)];
        small.push(segment_store::RecordKind::QUEUE, &[&filler]);
    }
    let refused = bench.engine.commit(&mut small, transaction.clone(), bench.now);
    assert_eq!(refused, Err(TransactionError::BlockFull));
    assert_eq!(bench.ready("out"), 0);
    assert!(bench.engine.commit(&mut bench.block, transaction, bench.now).is_ok());
    assert_eq!(bench.ready("out"), 20);
}
