use bytes::Bytes;
use message::ErrorCode;
use proptest::prelude::*;

use super::*;
use crate::topics::Receipt;

/// What `docs/websocket.md` shows: `hello` to `orders`, id 2, acks `leader`.
const PUBLISH: &str = "02 00000002 01 00 0006 6f7264657273 0000 \
                       534c4201 01000000 00000001 0000000d 00000009 00000000 68656c6c6f";

fn hex(text: &str) -> Bytes {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

fn refused(frame: &Bytes) -> BadFrame {
    decode(frame).expect_err("the frame is bad")
}

#[test]
fn the_captured_publish_is_read() {
    let Request { id, command: Command::Publish(publish) } = decode(&hex(PUBLISH)).unwrap() else { panic!() };
    assert_eq!(id, CommandId::Number(2));
    assert_eq!(publish.target, Target::Topic("orders".into()));
    assert_eq!((publish.acks, publish.idempotency), (Acks::Leader, None));
    assert_eq!(publish.messages.len(), 1);
    assert_eq!(publish.messages[0].value.as_deref(), Some(&b"hello"[..]));
}

#[test]
fn the_captured_reply_is_written() {
    let mut out = Vec::new();
    let outcome = Ok(Answer::Published(vec![Ok(Receipt::Queue { id: 1 })]));
    write_reply(&mut out, &Reply { id: Some(CommandId::Number(2)), outcome });
    let expected = "82 00000002 534c4201 02000000 00000001 0000000d 02 00000001 0000000000000001";
    assert_eq!(out, hex(expected));
}

#[test]
fn an_exchange_and_a_key_are_read() {
    let batch = "534c4201 01000000 00000000 00000000";
    let frame = hex(&format!("02 00000009 00 01 0001 65 0002 7a7a 0001 6b {batch}"));
    let Request { command: Command::Publish(publish), .. } = decode(&frame).unwrap() else { panic!() };
    assert_eq!(publish.target, Target::Exchange { exchange: "e".into(), routing_key: "zz".into() });
    assert_eq!(publish.idempotency.unwrap().key, "k");
}

#[test]
fn settling_takes_leases_in_both_forms() {
    let raw = "0010 000102030405060708090a0b0c0d0e0f";
    let text: String = "000102030405060708090a0b0c0d0e0f".bytes().map(|byte| format!("{byte:02x}")).collect();
    let lease = Lease(std::array::from_fn(|at| at as u8));
    for (frame, verdict) in [
        (format!("03 00000001 02 {raw} 0020 {text}"), Verdict::Ack),
        (format!("04 00000001 02 00000000000003e8 {raw} {raw}"), Verdict::Nack { delay_ms: Some(1000) }),
        (format!("04 00000001 02 ffffffffffffffff {raw} {raw}"), Verdict::Nack { delay_ms: None }),
        (format!("05 00000001 02 {raw} {raw}"), Verdict::Reject),
        (format!("09 00000001 02 {raw} {raw}"), Verdict::Fail),
        (format!("06 00000001 02 0000000000000005 {raw} {raw}"), Verdict::Extend { lease_ms: 5 }),
    ] {
        let Request { command: Command::Settle(settle), .. } = decode(&hex(&frame)).unwrap() else {
            panic!()
        };
        assert_eq!(settle, Settle { leases: vec![lease, lease], verdict, acks: Acks::None });
    }
}

#[test]
fn records_credit_and_control_are_read() {
    let frame = hex("07 00000001 00000003 00000002 0000000000000005 0000000000000009");
    let runs = vec![OffsetRun { partition: 2, first: 5, last: 9 }];
    assert_eq!(decode(&frame).unwrap().command, Command::AckRecords(AckRecords { subscription: 3, runs }));
    let frame = hex("08 00000001 00000003 00000064 0000000000001000");
    let grant = CreditGrant { messages: Some(100), bytes: Some(4096) };
    assert_eq!(decode(&frame).unwrap().command, Command::Credit(3, grant));
    let mut frame = hex("01 00000007").to_vec();
    frame.extend_from_slice(b"{\"type\":\"ping\"}");
    let request = decode(&frame.into()).unwrap();
    assert_eq!(request, Request { id: CommandId::Number(7), command: Command::Ping });
}

#[test]
fn faults_name_their_field_and_keep_the_id() {
    for (frame, field) in [
        ("02 00000005", "acks"),
        ("02 00000005 07", "acks"),
        ("02 00000005 00 09", "target"),
        ("02 00000005 00 00 0009 61", "topic"),
        ("03 00000005 00 0010 00", "leases/0"),
        ("03 00000005 00 0001 00", "leases/0"),
        ("06 00000005 00 00", "lease_ms"),
        ("07 00000005 00000001 00", "records"),
        ("08 00000005 00000001", "messages"),
        ("08 00000005 00000001 00000001 0000000000000001 00", "bytes"),
    ] {
        let bad = refused(&hex(frame));
        assert_eq!((bad.id, bad.garbage), (Some(CommandId::Number(5)), false), "{frame}");
        assert_eq!(bad.refusal.field.as_deref(), Some(field), "{frame}");
    }
    assert!(
        refused(&hex("")).garbage && refused(&hex("02 0000")).garbage && refused(&hex("7f 00000001")).garbage
    );
}

#[test]
fn only_failures_of_settling_are_spelt_out() {
    let stale = Err(Box::new(Refusal::new(ErrorCode::StaleLease, "gone")));
    let outcome = Ok(Answer::Settled(vec![Ok(None), stale, Ok(None)]));
    let mut out = Vec::new();
    write_reply(&mut out, &Reply { id: Some(CommandId::Number(3)), outcome });
    assert_eq!(out[..17], hex("83 00000003 00000003 00000001 00000001")[..]);
    let document: serde_json::Value = serde_json::from_slice(&out[21..]).unwrap();
    assert_eq!(document["code"], "stale_lease");
}

proptest! {
    #[test]
    fn hostile_bytes_are_read_or_refused(kind in 0u8..10, bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut frame = vec![kind, 0, 0, 0, 1];
        frame.extend_from_slice(&bytes);
        let _ = decode(&frame.into());
        let _ = decode(&bytes.into());
    }
}
