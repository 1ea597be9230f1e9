use queue_engine::{
    ApplyTo, ConsumerOptions, DEFAULT_HOST, Ended, LeaseFor, OpenLeases, OwnerId, Policy, PolicyDefinition,
    PolicyKind, QueueDeclaration, QueueError, QueueOptions, QueueType, SettleAction,
};

use crate::bench::{Bench, body, ms, topic};

const MINE: OwnerId = OwnerId(7);
const THEIRS: OwnerId = OwnerId(8);

fn exclusive(bench: &mut Bench, name: &str, owner: Option<OwnerId>) -> Result<bool, QueueError> {
    let declaration = QueueDeclaration { owner, ..QueueDeclaration::default() };
    let declared = bench.engine.declare(&mut bench.block, &topic(name), declaration, bench.now);
    declared.map(|declared| declared.created)
}

fn auto_delete() -> QueueOptions {
    QueueOptions { auto_delete: true, ..QueueOptions::default() }
}

fn credit(messages: u64) -> ConsumerOptions {
    ConsumerOptions { credit_messages: messages, ..ConsumerOptions::default() }
}

#[test]
fn an_exclusive_queue_is_locked_to_its_owner() {
    let mut bench = Bench::new();
    assert_eq!(exclusive(&mut bench, "q", Some(MINE)), Ok(true));
    assert_eq!(exclusive(&mut bench, "q", Some(MINE)), Ok(false));
    for other in [Some(THEIRS), None] {
        assert_eq!(exclusive(&mut bench, "q", other), Err(QueueError::Locked(topic("q"))));
        assert_eq!(bench.engine.check_access(&topic("q"), other), Err(QueueError::Locked(topic("q"))));
    }
    assert_eq!(bench.engine.check_access(&topic("q"), Some(MINE)), Ok(()));
    bench.publish("q", body("anybody may publish")).unwrap();
    bench.declare("open", QueueOptions::default());
    assert_eq!(exclusive(&mut bench, "open", Some(MINE)), Err(QueueError::Locked(topic("open"))));
    assert_eq!(bench.engine.check_access(&topic("open"), None), Ok(()));
}

#[test]
fn an_exclusive_queue_goes_with_its_owner_and_with_a_restart() {
    let mut bench = Bench::new();
    for name in ["a", "b"] {
        exclusive(&mut bench, name, Some(MINE)).unwrap();
    }
    exclusive(&mut bench, "theirs", Some(THEIRS)).unwrap();
    let id = bench.engine.subscribe(&mut bench.block, &topic("a"), credit(1), bench.now).unwrap();
    bench.engine.end_owner(&mut bench.block, MINE, bench.now);
    let outbox = bench.commit();
    let gone: Vec<&str> = outbox.deleted_queues.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!((gone.len(), gone.contains(&"a"), gone.contains(&"b")), (2, true, true));
    assert_eq!(outbox.ended, [(id, Ended::QueueDeleted)]);
    assert!(bench.engine.has_queue(&topic("theirs")));
    bench.engine.end_owner(&mut bench.block, MINE, bench.now);
    assert!(bench.commit().is_empty(), "an owner without queues ends quietly");
    bench.crash();
    assert!(!bench.engine.has_queue(&topic("theirs")), "its owner cannot have survived");
}

#[test]
fn an_exclusive_queue_cannot_be_made_durable() {
    let mut bench = Bench::new();
    exclusive(&mut bench, "q", Some(MINE)).unwrap();
    assert!(!bench.engine.queue_options(&topic("q")).unwrap().durable);
    let changed =
        bench.engine.update_queue(&mut bench.block, &topic("q"), QueueOptions::default(), bench.now);
    assert!(matches!(changed, Err(QueueError::ConflictingOptions { field: "durable", .. })));
}

#[test]
fn names_of_the_broker_are_for_server_named_queues() {
    let mut bench = Bench::new();
    let refused = exclusive(&mut bench, "amq.gen-1", None);
    assert!(matches!(refused, Err(QueueError::Reserved(_))));
    let declaration = QueueDeclaration { server_named: true, ..QueueDeclaration::default() };
    let made = bench.engine.declare(&mut bench.block, &topic("amq.gen-1"), declaration, bench.now);
    assert!(made.unwrap().created);
}

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer() {
    let mut bench = Bench::new();
    bench.declare("q", auto_delete());
    bench.pass(1_000_000);
    assert!(bench.engine.has_queue(&topic("q")), "not before there was one");
    let a = bench.engine.subscribe(&mut bench.block, &topic("q"), credit(1), bench.now).unwrap();
    let b = bench.engine.subscribe(&mut bench.block, &topic("q"), credit(1), bench.now).unwrap();
    bench.publish("q", body("held")).unwrap();
    let held = bench.commit().deliveries.remove(0).1;
    bench.engine.cancel(&mut bench.block, a, OpenLeases::Keep, bench.now).unwrap();
    assert!(bench.engine.has_queue(&topic("q")));
    bench.engine.cancel(&mut bench.block, b, OpenLeases::Return, bench.now).unwrap();
    assert!(!bench.engine.has_queue(&topic("q")));
    assert_eq!(bench.commit().deleted_queues.len(), 1);
    assert!(bench.settle(&held, SettleAction::Ack).is_err());
}

#[test]
fn a_long_poll_is_no_consumer_to_go_with() {
    let mut bench = Bench::new();
    bench.declare("q", auto_delete());
    let once = ConsumerOptions { once: true, ..credit(1) };
    bench.engine.subscribe(&mut bench.block, &topic("q"), once, bench.now).unwrap();
    bench.publish("q", body("one")).unwrap();
    assert_eq!(bench.commit().deliveries.len(), 1);
    bench.pass(10);
    assert!(bench.engine.has_queue(&topic("q")));
}

#[test]
fn an_auto_delete_queue_without_consumers_survives_a_restart() {
    let mut bench = Bench::new();
    bench.declare("q", auto_delete());
    bench.engine.subscribe(&mut bench.block, &topic("q"), credit(1), bench.now).unwrap();
    bench.commit();
    bench.crash();
    bench.pass(1_000_000);
    assert!(bench.engine.has_queue(&topic("q")), "it waits for its next consumer, as in RabbitMQ");
}

fn expiring(expires_ms: u64) -> QueueOptions {
    QueueOptions { expires_ms: Some(expires_ms), ..QueueOptions::default() }
}

#[test]
fn a_queue_whose_consumer_was_too_slow_waits_for_another_before_it_expires() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { kind: QueueType::Quorum, ..expiring(1_000) });
    bench.publish("q", body("held")).unwrap();
    let slow = ConsumerOptions { lease: LeaseFor::UntilSettled, timeout: Some(ms(5_000)), ..credit(1) };
    let id = bench.engine.subscribe(&mut bench.block, &topic("q"), slow, bench.now).unwrap();
    assert_eq!(bench.commit().deliveries.len(), 1);
    bench.pass(5_000);
    assert_eq!(bench.commit().ended, [(id, Ended::TimedOut)]);
    assert!(bench.engine.has_queue(&topic("q")), "it was in use until now");
    bench.pass(999);
    assert!(bench.engine.has_queue(&topic("q")));
    bench.pass(1);
    assert!(!bench.engine.has_queue(&topic("q")));
}

#[test]
fn a_policy_that_lets_queues_expire_gives_idle_ones_all_of_the_wait() {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions::default());
    bench.pass(1_000_000);
    let policy = Policy {
        pattern: "^q$".to_owned(),
        apply_to: ApplyTo::Queues,
        priority: 0,
        definition: PolicyDefinition { expires_ms: Some(1_000), ..PolicyDefinition::default() },
    };
    let (block, now) = (&mut bench.block, bench.now);
    bench.engine.set_policy(block, PolicyKind::User, DEFAULT_HOST, "short", policy, now).unwrap();
    bench.pass(999);
    assert!(bench.engine.has_queue(&topic("q")));
    bench.pass(1);
    assert!(!bench.engine.has_queue(&topic("q")));
}
