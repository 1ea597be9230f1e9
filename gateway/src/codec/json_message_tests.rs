use super::*;
use proptest::prelude::*;

fn one(text: &str) -> Result<Outgoing, Refusal> {
    parse_one(&Bytes::copy_from_slice(text.as_bytes()), "")
}

fn fault(text: &str) -> (String, String) {
    let refusal = parse_body(&Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
    (refusal.field.unwrap(), refusal.detail)
}

#[test]
fn text_is_shared_with_the_body_and_carries_no_content_type() {
    let body = Bytes::from_static(br#"{"messages":[{"key":"k1","value":"plain"}]}"#);
    let messages = parse_body(&body).unwrap();
    let value = messages[0].value.clone().unwrap();
    assert_eq!(value, "plain");
    assert_eq!(messages[0].content_type, None);
    assert!(body.as_ptr_range().contains(&value.as_ptr()));
    assert_eq!(messages[0].key.as_deref(), Some(&b"k1"[..]));
}

#[test]
fn values_of_every_kind() {
    let escaped = one(r#"{"value":"a\n\u00e9"}"#).unwrap();
    assert_eq!(escaped.value.unwrap(), "a\né");
    let object = one(r#"{"value": {"a": [1, 2.50]} }"#).unwrap();
    assert_eq!(object.value.unwrap(), r#"{"a": [1, 2.50]}"#);
    assert_eq!(object.content_type.as_deref(), Some(JSON));
    let json_text = one(r#"{"content_type":"application/json; charset=utf-8","value":"x"}"#).unwrap();
    assert_eq!(json_text.value.unwrap(), "\"x\"");
    assert_eq!(one(r#"{"value":null}"#).unwrap().value, None);
    assert_eq!(one(r#"{"value_base64":"AAECAw=="}"#).unwrap().value.unwrap(), &[0, 1, 2, 3][..]);
    assert_eq!(one(r#"{"key_base64":"/w==","value":""}"#).unwrap().key.unwrap(), &[255][..]);
}

#[test]
fn every_option_and_both_forms_of_headers() {
    let message = one(
        r#"{"value":"v","headers":[{"name":"a","value":"1"},{"name":"a","value_base64":"AQ=="}],"priority":9,
            "delay_ms":5,"ttl_ms":6.0,"partition":2,"timestamp":1700000000000,"message_id":"m",
            "correlation_id":"c","reply_to":"r","content_type":"text/plain"}"#,
    )
    .unwrap();
    assert_eq!(message.headers[0], ("a".into(), HeaderValue::Text("1".into())));
    assert_eq!(message.headers[1], ("a".into(), HeaderValue::Bytes(Bytes::from_static(&[1]))));
    let options = message.options;
    assert_eq!((options.priority, options.delay_ms, options.ttl_ms), (Some(9), Some(5), Some(6)));
    assert_eq!((options.partition, options.timestamp), (Some(2), Some(1_700_000_000_000)));
    assert_eq!(options.message_id.as_deref(), Some("m"));
    let plain =
        one(r#"{"value":"v","headers":{"n":1,"f":1.5,"t":true,"z":null,"l":[1,{"a":"b"}]}}"#).unwrap();
    let value = |name: &str| plain.headers.iter().find(|(have, _)| have == name).unwrap().1.clone();
    assert_eq!(value("n"), HeaderValue::Int(1));
    assert_eq!(value("f"), HeaderValue::Float(1.5));
    let table = HeaderValue::Table(vec![("a".into(), HeaderValue::Text("b".into()))]);
    assert_eq!(value("l"), HeaderValue::List(vec![HeaderValue::Int(1), table]));
}

#[test]
fn faults_name_their_field() {
    let cases = [
        (r#"{"messages":[{"value":"a"},{"value":"b","priority":256}]}"#, "/messages/1/priority"),
        (r#"{"messages":[{"value":"a","priority":"x"}]}"#, "/messages/0/priority"),
        (r#"{"messages":[{"value":"a","priorty":1}]}"#, "/messages/0/priorty"),
        (r#"{"messages":[{"value":"a","value_base64":"AA=="}]}"#, "/messages/0/value_base64"),
        (r#"{"messages":[{"value_base64":"A*"}]}"#, "/messages/0/value_base64"),
        (r#"{"messages":[{"key":"a"}]}"#, "/messages/0/value"),
        (r#"{"messages":[{"key":1,"value":""}]}"#, "/messages/0/key"),
        (r#"{"messages":[{"value":"","headers":[{"name":"a"}]}]}"#, "/messages/0/headers/0/value"),
        (r#"{"messages":[{"value":"","headers":[{"value":"a"}]}]}"#, "/messages/0/headers/0/name"),
        (r#"{"messages":[{"value":"","headers":{"a":1,"a":2}}]}"#, "/messages/0/headers/a"),
        (r#"{"messages":[{"value":"","headers":{"content-type":"x"}}]}"#, "/messages/0/headers/content-type"),
        (r#"{"messages":[{"value":"","value":""}]}"#, "/messages/0/value"),
        (r#"{"messages":7}"#, "/messages"),
        (r#"{}"#, "/messages"),
        (r#"{"massages":[]}"#, "/massages"),
        (r#"{"messages":[]} x"#, ""),
        (r#"[]"#, ""),
    ];
    for (text, field) in cases {
        assert_eq!(fault(text).0, field, "{text}");
    }
    assert!(fault(cases[2].0).1.contains("`priority`"));
    assert!(fault(cases[0].0).1.contains("from 0 to 255"));
}

#[test]
fn documents_nest_within_bounds() {
    let nested = |levels: usize| format!("{{\"value\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(one(&nested(100)).is_ok());
    assert_eq!(one(&nested(100_000)).unwrap_err().field.as_deref(), Some("/value"));
    assert!(!is_document("[".repeat(1000).as_bytes()));
}

#[test]
fn names_with_escapes_are_still_known() {
    assert_eq!(one(r#"{"v\u0061lue":"x"}"#).unwrap().value.unwrap(), "x");
}

#[test]
fn what_counts_as_json() {
    for yes in ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json"] {
        assert!(is_json(yes), "{yes}");
    }
    for no in ["", "text/plain", "application/jsonp", "json", "é+jso"] {
        assert!(!is_json(no), "{no}");
    }
    assert!(is_document(b" {} ") && !is_document(b"{} {}") && !is_document(b"\"\xff\""));
}

proptest! {
    #[test]
    fn any_text_comes_through_as_it_was(text in "\\PC*", key in proptest::option::of(".*")) {
        let body = serde_json::json!({"messages": [{"key": key, "value": text}]}).to_string();
        let parsed = parse_body(&Bytes::from(body)).unwrap();
        prop_assert_eq!(parsed[0].value.as_deref(), Some(text.as_bytes()));
        prop_assert_eq!(parsed[0].key.as_deref(), key.as_deref().map(str::as_bytes));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_body(&Bytes::from(bytes));
    }

    #[test]
    fn a_cut_or_mangled_body_is_refused_or_read(cut in 0usize..120, byte in any::<u8>()) {
        let mut body = br#"{"messages":[{"key":"k","value":{"a":[1]},"headers":{"h":["x",{"y":1}]},"priority":3}]}"#.to_vec();
        let at = cut % body.len();
        body[at] = byte;
        let _ = parse_body(&Bytes::from(body.clone()));
        body.truncate(at);
        prop_assert!(parse_body(&Bytes::from(body)).is_err());
    }
}
