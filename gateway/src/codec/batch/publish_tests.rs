use super::*;
use crate::topics::OutgoingOptions;
use message::HeaderValue;
use proptest::prelude::*;

fn header_value() -> impl Strategy<Value = HeaderValue> {
    let leaf = prop_oneof![
        Just(HeaderValue::Null),
        any::<bool>().prop_map(HeaderValue::Bool),
        any::<i64>().prop_map(HeaderValue::Int),
        (-1e9f64..1e9).prop_map(HeaderValue::Float),
        ".{0,8}".prop_map(HeaderValue::Text),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(|v| HeaderValue::Bytes(v.into())),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(HeaderValue::List),
            prop::collection::vec(("[a-z]{1,8}", inner), 0..3).prop_map(HeaderValue::Table),
        ]
    })
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

prop_compose! {
    fn message()(
        key in proptest::option::of(bytes()),
        value in proptest::option::of(bytes()),
        headers in prop::collection::vec(("[a-z-]{1,9}", header_value()), 0..3),
        texts in prop::collection::vec(proptest::option::of("[ -~]{1,9}"), 4),
        numbers in prop::collection::vec(proptest::option::of(0..=MAX_MS), 4),
        priority in any::<Option<u8>>(),
        partition in any::<Option<u32>>(),
    ) -> Outgoing {
        Outgoing {
            key,
            value,
            headers,
            content_type: texts[0].clone(),
            options: OutgoingOptions {
                priority,
                delay_ms: numbers[0].map(|n| n as u64),
                deliver_at: numbers[3],
                ttl_ms: numbers[1].map(|n| n as u64),
                partition,
                timestamp: numbers[2],
                message_id: texts[1].clone(),
                correlation_id: texts[2].clone(),
                reply_to: texts[3].clone(),
            },
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes(messages in prop::collection::vec(message(), 0..6)) {
        let body = Bytes::from(encode_publish(&messages));
        prop_assert_eq!(decode_publish(&body).unwrap(), messages.clone());
        let twice = Bytes::from([&body[..], &body[..]].concat());
        prop_assert_eq!(decode_publish(&twice).unwrap().len(), messages.len() * 2);
    }

    #[test]
    fn a_cut_batch_is_refused(messages in prop::collection::vec(message(), 1..4), cut in 0usize..1000) {
        let body = encode_publish(&messages);
        let cut = cut % body.len();
        prop_assert!(decode_publish(&Bytes::copy_from_slice(&body[..cut])).is_err());
    }

    #[test]
    fn hostile_bytes_are_read_or_refused(
        messages in prop::collection::vec(message(), 0..4),
        hits in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6),
    ) {
        let mut body = encode_publish(&messages);
        for (at, byte) in hits {
            let at = at % body.len();
            body[at] = byte;
        }
        let _ = decode_publish(&Bytes::from(body));
    }
}

#[test]
fn payloads_share_the_body() {
    let sent = Outgoing { value: Some(Bytes::from_static(b"payload")), ..Outgoing::default() };
    let body = Bytes::from(encode_publish(&[sent]));
    assert_eq!(&body[..16], b"SLB\x01\x01\0\0\0\0\0\0\x01\0\0\0\x0f");
    assert_eq!(&body[16..], b"\0\0\0\x0b\0\0\0\0payload");
    let value = decode_publish(&body).unwrap().remove(0).value.unwrap();
    assert!(body.as_ptr_range().contains(&value.as_ptr()));
}

#[test]
fn faults_name_the_message() {
    let sent = Outgoing { value: Some(Bytes::from_static(b"x")), ..Outgoing::default() };
    let mut body = encode_publish(&[sent.clone(), sent]);
    body[29] = 0x80;
    let error = decode_publish(&Bytes::from(body)).unwrap_err();
    assert_eq!(error, BatchError::Flags(1, 0x8000_0000));
    assert_eq!(crate::refusal::Refusal::from(error).field.unwrap(), "/messages/1");
    assert_eq!(decode_publish(&Bytes::from_static(b"{}")).unwrap_err(), BatchError::Short);
    assert_eq!(decode_publish(&Bytes::from_static(b"{\"messages\":[]}!")).unwrap_err(), BatchError::Magic);
}
