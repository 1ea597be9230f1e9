use bytes::Bytes;
use message::{HeaderTable, HeaderValue};
use queue_engine::{
    LinearRetry, Overflow, OwnerId, QueueDeclaration, QueueError, QueueOptions, QueueType, RetryOn,
    RetryPolicy,
};

use crate::bench::{Bench, table, text, topic};

fn int(value: i64) -> HeaderValue {
    HeaderValue::Int(value)
}

fn read(arguments: &HeaderTable) -> Result<QueueOptions, QueueError> {
    QueueDeclaration::default().with_arguments(&topic("q"), arguments).map(|declaration| declaration.options)
}

fn declare(bench: &mut Bench, arguments: &HeaderTable) -> Result<bool, QueueError> {
    let declaration = QueueDeclaration::default().with_arguments(&topic("q"), arguments)?;
    let declared = bench.engine.declare(&mut bench.block, &topic("q"), declaration, bench.now);
    declared.map(|declared| declared.created)
}

/// What a client is told, which may read it.
fn told(bench: &mut Bench, arguments: &HeaderTable) -> String {
    declare(bench, arguments).expect_err("it differs").to_string()
}

/// A table with a whole number of a certain width.
fn narrow(name: &str, tag: u8, bytes: &[u8]) -> HeaderTable {
    let mut raw = vec![name.len() as u8];
    raw.extend_from_slice(name.as_bytes());
    raw.push(tag);
    raw.extend_from_slice(bytes);
    HeaderTable::from_bytes(Bytes::from(raw)).unwrap()
}

#[test]
fn arguments_become_options() {
    let classic = read(&table(&[
        ("x-message-ttl", int(1)),
        ("x-expires", int(2)),
        ("x-max-length", int(3)),
        ("x-max-length-bytes", int(4)),
        ("x-overflow", text("reject-publish-dlx")),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("dead")),
        ("x-single-active-consumer", HeaderValue::Bool(true)),
        ("x-max-priority", int(9)),
        ("x-queue-version", int(2)),
        ("my-own", text("anything")),
    ]))
    .unwrap();
    let want = QueueOptions {
        message_ttl_ms: Some(1),
        expires_ms: Some(2),
        max_length: Some(3),
        max_length_bytes: Some(4),
        overflow: Overflow::RejectPublishDlx,
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some("dead".to_owned()),
        single_active_consumer: true,
        max_priority: Some(9),
        ..QueueOptions::default()
    };
    assert_eq!(QueueOptions { arguments: None, ..classic }, want);
    let quorum = read(&table(&[
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", int(-1)),
        ("x-consumer-timeout", int(5)),
        ("x-quorum-initial-group-size", int(3)),
    ]))
    .unwrap();
    assert_eq!(quorum.kind, QueueType::Quorum);
    assert_eq!(quorum.delivery_limit, Some(QueueOptions::NO_DELIVERY_LIMIT));
    assert_eq!(quorum.consumer_timeout_ms, Some(5));
}

#[test]
fn what_another_type_takes_is_refused_and_what_none_knows_is_not() {
    for (kind, name, value) in [
        ("classic", "x-delivery-limit", int(3)),
        ("classic", "x-consumer-timeout", int(3)),
        ("classic", "x-quorum-initial-group-size", int(3)),
        ("classic", "x-max-age", text("7D")),
        ("quorum", "x-max-priority", int(3)),
        ("quorum", "x-queue-version", int(2)),
        ("quorum", "x-stream-max-segment-size-bytes", int(1)),
    ] {
        let refused = read(&table(&[("x-queue-type", text(kind)), (name, value)]));
        let Err(QueueError::InvalidArgument { argument, .. }) = refused else { panic!("{kind} {name}") };
        assert_eq!(argument, name);
    }
    assert!(read(&table(&[("x-something-else", int(1))])).is_ok());
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (name, value) in [
        ("x-queue-type", text("fast")),
        ("x-queue-type", int(1)),
        ("x-expires", int(0)),
        ("x-message-ttl", int(-1)),
        ("x-message-ttl", text("100")),
        ("x-max-length", int(-5)),
        ("x-max-priority", int(256)),
        ("x-overflow", text("drop-tail")),
        ("x-single-active-consumer", text("yes")),
        ("x-queue-version", int(1)),
        ("x-dead-letter-routing-key", text("k")),
    ] {
        let refused = read(&table(&[(name, value)]));
        assert!(
            matches!(refused, Err(QueueError::InvalidArgument { argument, .. }) if argument == name),
            "{name}"
        );
    }
}

#[test]
fn a_quorum_queue_is_durable_and_belongs_to_nobody() {
    let quorum = table(&[("x-queue-type", text("quorum"))]);
    let transient = QueueOptions { durable: false, ..QueueOptions::default() };
    let fleeting = QueueOptions { auto_delete: true, ..QueueOptions::default() };
    for declaration in [
        QueueDeclaration { owner: Some(OwnerId(1)), ..QueueDeclaration::default() },
        QueueDeclaration { server_named: true, ..QueueDeclaration::default() },
        QueueDeclaration { options: transient, ..QueueDeclaration::default() },
        QueueDeclaration { options: fleeting, ..QueueDeclaration::default() },
    ] {
        let refused = declaration.with_arguments(&topic("q"), &quorum);
        assert!(matches!(refused, Err(QueueError::InvalidArgument { .. })));
    }
}

#[test]
fn declaring_anew_is_told_apart_in_rabbitmq_s_words() {
    let mut bench = Bench::new();
    let plain = table(&[]);
    assert_eq!(declare(&mut bench, &plain), Ok(true));
    assert_eq!(declare(&mut bench, &plain), Ok(false));
    assert_eq!(declare(&mut bench, &table(&[("x-queue-type", text("classic"))])), Ok(false));
    assert_eq!(declare(&mut bench, &table(&[("my-own", int(5))])), Ok(false));
    assert_eq!(
        told(&mut bench, &narrow("x-message-ttl", b'I', &20_000i32.to_be_bytes())),
        "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': \
         received the value '20000' of type 'signedint' but current is none"
    );
    assert_eq!(
        told(&mut bench, &table(&[("x-queue-type", text("quorum"))])),
        "inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received 'quorum' but current is 'classic'"
    );
    let transient = QueueOptions { durable: false, ..QueueOptions::default() };
    let declaration = QueueDeclaration { options: transient, ..QueueDeclaration::default() };
    let declaration = declaration.with_arguments(&topic("q"), &plain).unwrap();
    let refused = bench.engine.declare(&mut bench.block, &topic("q"), declaration, bench.now);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'"
    );
}

#[test]
fn numbers_are_compared_whatever_their_width() {
    let mut bench = Bench::new();
    declare(&mut bench, &narrow("x-max-length", b'l', &10i64.to_be_bytes())).unwrap();
    bench.commit();
    bench.crash();
    assert_eq!(declare(&mut bench, &narrow("x-max-length", b'I', &10i32.to_be_bytes())), Ok(false));
    assert_eq!(
        told(&mut bench, &narrow("x-max-length", b'I', &11i32.to_be_bytes())),
        "inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received '11' but current is '10'"
    );
    assert_eq!(
        told(&mut bench, &table(&[])),
        "inequivalent arg 'x-max-length' for queue 'q' in vhost '/': \
         received none but current is the value '10' of type 'long'"
    );
}

#[test]
fn a_default_that_was_spelled_out_is_another_declaration() {
    let mut bench = Bench::new();
    declare(&mut bench, &table(&[("x-overflow", text("drop-head"))])).unwrap();
    assert!(told(&mut bench, &table(&[])).contains("received none but current is the value 'drop-head'"));
}

#[test]
fn what_was_changed_meanwhile_is_what_counts() {
    let mut bench = Bench::new();
    declare(&mut bench, &table(&[("x-max-length", int(10)), ("my-own", int(1))])).unwrap();
    let changed = QueueOptions { max_length: Some(20), ..QueueOptions::default() };
    bench.engine.update_queue(&mut bench.block, &topic("q"), changed, bench.now).unwrap();
    assert_eq!(declare(&mut bench, &table(&[("x-max-length", int(20))])), Ok(false));
    assert!(declare(&mut bench, &table(&[("x-max-length", int(10))])).is_err());
    let arguments = bench.engine.queue_options(&topic("q")).unwrap().to_arguments();
    let listed: Vec<(&str, HeaderValue)> = arguments.iter().collect();
    assert_eq!(listed, [("x-queue-type", text("classic")), ("x-max-length", int(20)), ("my-own", int(1))]);
}

#[test]
fn a_queue_made_elsewhere_is_declared_by_its_arguments() {
    let mut bench = Bench::new();
    let options = QueueOptions { lease_ms: 5, delivery_limit: Some(3), ..QueueOptions::default() };
    bench.declare("q", options);
    assert_eq!(
        declare(&mut bench, &table(&[])),
        Ok(false),
        "only what the arguments of its type say is compared"
    );
}

#[test]
fn delayed_retry_is_asked_for_with_three_arguments() {
    let quorum = |more: &[(&str, HeaderValue)]| {
        let mut all = vec![("x-queue-type", text("quorum"))];
        all.extend_from_slice(more);
        table(&all)
    };
    let (kind, min) = (("x-delayed-retry-type", text("failed")), ("x-delayed-retry-min", int(3000)));
    let max = ("x-delayed-retry-max", int(9000));
    // In any order.
    let full = quorum(&[max.clone(), kind.clone(), min.clone()]);
    let retry = RetryPolicy::Linear(LinearRetry { on: RetryOn::Failed, min_ms: 3000, max_ms: Some(9000) });
    assert_eq!(read(&full).unwrap().retry, Some(retry));
    for off in [std::slice::from_ref(&min), &[("x-delayed-retry-type", text("disabled")), min.clone()]] {
        assert_eq!(read(&quorum(off)).unwrap().retry, None);
    }
    for wrong in [
        quorum(std::slice::from_ref(&kind)),
        quorum(&[("x-delayed-retry-type", text("sometimes"))]),
        quorum(&[kind.clone(), ("x-delayed-retry-min", int(0))]),
        quorum(&[kind.clone(), min.clone(), ("x-delayed-retry-max", int(2999))]),
        table(&[kind.clone(), min.clone()]),
    ] {
        assert!(read(&wrong).is_err(), "{wrong:?}");
    }
    let mut bench = Bench::new();
    assert_eq!(declare(&mut bench, &full), Ok(true));
    assert_eq!(declare(&mut bench, &full), Ok(false));
    let other = quorum(&[kind, ("x-delayed-retry-min", int(4000)), max]);
    let why = told(&mut bench, &other);
    assert!(why.contains("x-delayed-retry-min") && why.contains("4000"), "{why}");
}
