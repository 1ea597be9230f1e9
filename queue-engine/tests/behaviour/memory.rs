use queue_engine::{EngineConfig, MessageState, QueueOptions, SettleAction};
use segment_store::Lsn;

use crate::bench::{Bench, body, topic};

fn small() -> EngineConfig {
    EngineConfig {
        queue_memory_bytes: 10_000,
        memory_bytes: 20_000,
        read_ahead_bytes: 8_000,
        segment_bytes: 100_000,
        ..EngineConfig::default()
    }
}

#[test]
fn a_long_queue_keeps_positions_and_reads_bodies_back_in_stretches() {
    let mut bench = Bench::with(small());
    bench.declare("q", QueueOptions::default());
    for n in 0..1000 {
        bench.publish("q", body(&format!("message {n} {}", "x".repeat(100)))).unwrap();
        bench.commit();
    }
    assert!(bench.engine.loaded_bytes() <= 10_000);
    for n in 0..1000 {
        let delivery = bench.one("q");
        assert!(delivery.message.body.starts_with(format!("message {n} ").as_bytes()));
        bench.settle(&delivery, SettleAction::Ack).unwrap();
        bench.commit();
        assert!(bench.engine.loaded_bytes() <= 10_000);
    }
    let reads = *bench.reads.lock().unwrap();
    assert!(reads < 200, "{reads} reads for 1000 messages");
    assert_eq!(bench.engine.loaded_bytes(), 0);
    assert_eq!(bench.engine.oldest_needed(), None);
}

#[test]
fn what_is_not_written_yet_is_not_read_back() {
    let mut bench = Bench::with(small());
    bench.declare("q", QueueOptions::default());
    for n in 0..200 {
        bench.publish("q", body(&format!("{n} {}", "x".repeat(100)))).unwrap();
    }
    let taken = bench.receive("q", 200);
    for delivery in &taken {
        bench.settle(delivery, SettleAction::Nack { delay: std::time::Duration::ZERO }).unwrap();
    }
    assert_eq!(bench.receive("q", 200).len(), 200);
    assert_eq!(*bench.reads.lock().unwrap(), 0);
}

#[test]
fn several_queues_share_one_budget() {
    let mut bench = Bench::with(small());
    for n in 0..20 {
        bench.declare(&format!("q{n}"), QueueOptions::default());
        for _ in 0..30 {
            bench.publish(&format!("q{n}"), body(&"x".repeat(100))).unwrap();
        }
        bench.commit();
    }
    assert!(bench.engine.loaded_bytes() <= 20_000);
    for n in 0..20 {
        assert_eq!(bench.receive(&format!("q{n}"), 99).len(), 30);
    }
}

#[test]
fn an_unreadable_message_stands_aside_and_is_not_dropped() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions::default());
    bench.publish("q", body("lost")).unwrap();
    bench.commit();
    bench.crash();
    bench.damage();
    assert!(bench.receive("q", 9).is_empty());
    let info = bench.engine.queue_info(&topic("q")).unwrap();
    assert_eq!((info.damaged, info.ready, info.totals.damaged), (1, 0, 1));
    bench.publish("q", body("fine")).unwrap();
    assert_eq!(bench.receive("q", 9).len(), 1);
    let page = bench.engine.browse(&topic("q"), None, 9, 9999).unwrap();
    assert_eq!(page.messages[0].state, MessageState::Damaged);
    assert!(page.messages[0].message.is_err());
}

#[test]
fn messages_move_forward_so_that_old_segments_can_go() {
    let mut bench = Bench::with(small());
    for name in ["a", "b"] {
        bench.declare(name, QueueOptions::default());
        bench.bind_queue("amq.fanout", name, "");
    }
    for n in 0..2000 {
        bench.publish_to("amq.fanout", "", body(&format!("{n} {}", "x".repeat(100))));
    }
    bench.commit();
    for delivery in bench.receive("a", 1900) {
        bench.settle(&delivery, SettleAction::Ack).unwrap();
    }
    for delivery in bench.receive("b", 1900).iter().skip(3) {
        bench.settle(delivery, SettleAction::Ack).unwrap();
    }
    bench.commit();
    assert_eq!(bench.engine.oldest_needed(), Some(Lsn(0)));
    assert_eq!(bench.engine.segment_use(Lsn(0)).messages, 3);
    let mut moved = 0;
    loop {
        let step = bench.engine.relocate_before(&mut bench.block, Lsn(100_000), 200).unwrap();
        moved += step.moved;
        bench.commit();
        if step.complete {
            break;
        }
    }
    assert_eq!(moved, 3);
    assert_eq!(bench.engine.oldest_needed(), Some(Lsn(200_000)));
    bench.crash();
    assert_eq!((bench.ready("a"), bench.ready("b")), (100, 103));
    let again = bench.receive("b", 3);
    assert!(again.iter().all(|delivery| delivery.attempt == 2));
}

#[test]
fn purging_takes_what_is_ready_and_lets_others_in_between() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions::default());
    for _ in 0..110 {
        let batch = (0..1000).map(|_| body("x")).collect();
        let queue = topic("q");
        let to = queue_engine::Destination::Queue(&queue);
        bench.engine.publish_batch(&mut bench.block, to, batch, bench.now).unwrap();
    }
    let held = bench.one("q");
    let first = bench.engine.purge_queue(&mut bench.block, &topic("q"), bench.now).unwrap();
    assert_eq!((first.messages, first.complete), (100_000, false));
    let second = bench.engine.purge_queue(&mut bench.block, &topic("q"), bench.now).unwrap();
    assert_eq!((second.messages, second.complete), (9_999, true));
    bench.commit();
    bench.crash();
    assert_eq!(bench.ready("q"), 1);
    assert_eq!(bench.one("q").id, held.id);
}
