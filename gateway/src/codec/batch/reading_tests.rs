use super::*;
use message::HeaderTable;
use proptest::prelude::*;

const FAILURES: [FailedAttempt; 2] = [
    FailedAttempt {
        attempt: 1,
        outcome: FailureOutcome::Returned,
        at: Timestamp(5),
        retry_at: Some(Timestamp(6)),
    },
    FailedAttempt { attempt: 2, outcome: FailureOutcome::LeaseExpired, at: Timestamp(9), retry_at: None },
];

fn queue_view<'a>(table: &'a HeaderTable, value: Option<&'a [u8]>, standing: Standing) -> MessageView<'a> {
    MessageView {
        key: Some(b"k"),
        headers: HeadersView::Table(table),
        content_type: Some("text/plain"),
        timestamp: 7,
        value,
        place: Place::Queue {
            id: 3,
            priority: 9,
            attempt: 2,
            redelivered: true,
            failures: &FAILURES,
            properties: vec![("message_id", "m"), ("app_id", "app")],
            standing,
        },
    }
}

#[test]
fn a_queued_message_comes_back_whole() {
    let table: HeaderTable =
        [("a".to_owned(), HeaderValue::Int(1)), ("b".to_owned(), HeaderValue::Text("t".into()))]
            .into_iter()
            .collect();
    let mut out = Vec::new();
    let mut writer = BatchWriter::messages(&mut out);
    writer.push(
        &mut out,
        &queue_view(&table, Some(b"v"), Standing::Leased { lease: Lease([7; 16]), expires_at: 8 }),
    );
    writer.push(&mut out, &queue_view(&table, None, Standing::Delayed { ready_at: 4 }));
    writer.finish(&mut out);
    let total = out.len();
    let (info, messages, used) = decode_messages(&out.into()).unwrap();
    assert_eq!((info, messages.len(), used), (None, 2, total));
    let first = &messages[0];
    assert_eq!(
        first.headers,
        [("a".into(), HeaderValue::Int(1)), ("b".into(), HeaderValue::Text("t".into()))]
    );
    assert_eq!((first.id, first.priority, first.attempt), (Some(3), Some(9), Some(2)));
    assert_eq!(first.lease, Some((Lease([7; 16]), 8)));
    assert_eq!(first.properties, [("message_id".into(), "m".into()), ("app_id".into(), "app".into())]);
    assert_eq!(first.failures, FAILURES);
    assert_eq!(first.value.as_deref(), Some(&b"v"[..]));
    assert_eq!((messages[1].state, &messages[1].value), (Some((2, 4)), &None));
}

proptest! {
    #[test]
    fn records_come_back_whole(
        values in prop::collection::vec(proptest::option::of(prop::collection::vec(any::<u8>(), 0..30)), 0..6),
        header in proptest::option::of(prop::collection::vec(any::<u8>(), 0..9)),
    ) {
        let info = RecordsInfo { partition: 4, next_offset: 9, high_watermark: 10, log_start_offset: 1 };
        let mut out = Vec::new();
        let mut writer = BatchWriter::records(&mut out, RecordsInfo { next_offset: 0, ..info });
        for (offset, value) in values.iter().enumerate() {
            writer.push(&mut out, &MessageView {
                key: None,
                headers: HeadersView::Record(vec![(b"h", header.as_deref())]),
                content_type: None,
                timestamp: 6,
                value: value.as_deref(),
                place: Place::Log { partition: 4, offset: offset as i64 },
            });
        }
        writer.set_next_offset(&mut out, 9);
        writer.finish(&mut out);
        let (read, messages, _) = decode_messages(&out.into()).unwrap();
        prop_assert_eq!(read, Some(info));
        let read: Vec<_> = messages.iter().map(|message| message.value.as_ref().map(|value| value.to_vec())).collect();
        prop_assert_eq!(read, values);
        for (offset, message) in messages.iter().enumerate() {
            prop_assert_eq!(message.offset, Some(offset as i64));
        }
    }

    #[test]
    fn hostile_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64), kind in 3u8..5) {
        let kind = if kind == 3 { BatchKind::Records } else { BatchKind::Messages };
        let mut framed = BatchHeader { kind, count: 1, length: bytes.len() as u32 }.encode().to_vec();
        framed.extend(bytes);
        let _ = decode_messages(&framed.into());
    }
}
