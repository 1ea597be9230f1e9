use super::*;
use message::HeaderTable;
use proptest::prelude::*;
use serde_json::{Value, json};

fn record<'a>(value: Option<&'a [u8]>, content_type: Option<&'a str>) -> MessageView<'a> {
    MessageView {
        key: Some(b"k"),
        headers: HeadersView::Record(vec![(b"a", Some(b"1")), (b"a", Some(&[0xff])), (b"n", None)]),
        content_type,
        timestamp: 5,
        value,
        place: Place::Log { partition: 1, offset: 42 },
    }
}

fn shown(view: &MessageView<'_>, mode: ValueMode) -> Value {
    let mut out = Vec::new();
    write_message(&mut out, view, mode);
    assert!(!out.contains(&b'\n'), "one line");
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn a_record_has_the_shape_of_the_contract() {
    assert_eq!(
        shown(&record(Some(b"text"), None), ValueMode::Auto),
        json!({"partition": 1, "offset": 42, "timestamp": 5, "key": "k", "value": "text",
               "headers": [{"name": "a", "value": "1"}, {"name": "a", "value_base64": "/w=="}, {"name": "n", "value": null}]})
    );
}

#[test]
fn a_leased_message_has_the_shape_of_the_contract() {
    let table: HeaderTable = [("x".to_owned(), HeaderValue::Int(3))].into_iter().collect();
    let view = MessageView {
        key: None,
        headers: HeadersView::Table(&table),
        content_type: Some("application/json"),
        timestamp: 5,
        value: Some(b"{\"a\":\n1}"),
        place: Place::Queue {
            id: 9,
            priority: 4,
            attempt: 2,
            redelivered: true,
            failures: &[],
            properties: vec![("message_id", "m-1")],
            standing: Standing::Leased { lease: Lease([0xab; 16]), expires_at: 99 },
        },
    };
    assert_eq!(
        shown(&view, ValueMode::Auto),
        json!({"id": 9, "timestamp": 5, "key": null, "headers": [{"name": "x", "value": 3}],
               "content_type": "application/json", "priority": 4, "attempt": 2, "redelivered": true,
               "message_id": "m-1", "lease": Lease([0xab; 16]).to_string(), "lease_expires_at": 99, "value": {"a": 1}})
    );
}

#[test]
fn the_mode_chooses_how_a_payload_is_shown() {
    let show = |value: &[u8], content_type, mode| {
        let json = shown(&record(Some(value), content_type), mode);
        match (json.get("value"), json.get("value_base64")) {
            (Some(value), None) => value.clone(),
            (None, Some(raw)) => json!({ "base64": raw }),
            both => panic!("exactly one of the two, got {both:?}"),
        }
    };
    use ValueMode::*;
    assert_eq!(show(b"[1]", Some("application/json"), Auto), json!([1]));
    assert_eq!(show(b"[1]", Some("application/json"), Text), json!("[1]"));
    assert_eq!(show(b"[1]", None, Auto), json!("[1]"));
    assert_eq!(show(b"[1]", None, Json), json!([1]));
    assert_eq!(show(b"[1", None, Json), json!("[1"));
    assert_eq!(show(b"[1", Some("application/json"), Auto), json!("[1"));
    assert_eq!(show(b"a", None, Base64), json!({"base64": "YQ=="}));
    assert_eq!(show(b"a", Some("application/octet-stream"), Auto), json!({"base64": "YQ=="}));
    assert_eq!(show(b"a", Some("application/octet-stream"), Text), json!("a"));
    assert_eq!(show(b"\xff", None, Auto), json!({"base64": "/w=="}));
    assert_eq!(show(b"\xff", Some("text/plain"), Text), json!({"base64": "/w=="}));
    assert_eq!(shown(&record(None, None), Base64)["value"], Value::Null);
}

#[test]
fn a_browsed_message_tells_its_state() {
    let table = HeaderTable::default();
    let state = |standing| {
        shown(
            &MessageView {
                key: None,
                headers: HeadersView::Table(&table),
                content_type: None,
                timestamp: 0,
                value: Some(b""),
                place: Place::Queue {
                    id: 1,
                    priority: 0,
                    attempt: 0,
                    redelivered: false,
                    failures: &[],
                    properties: vec![],
                    standing,
                },
            },
            ValueMode::Auto,
        )
    };
    assert_eq!(state(Standing::Ready)["state"], "ready");
    assert_eq!(state(Standing::Delayed { ready_at: 8 })["ready_at"], 8);
    assert_eq!(state(Standing::LeasedByOther { expires_at: 8, holder: "x".into() })["state"], "leased");
    let held = state(Standing::LeasedByOther { expires_at: Standing::NEVER, holder: "x".into() });
    assert!(held.get("lease_expires_at").is_none(), "it does not end by itself: {held}");
    assert_eq!(state(Standing::Taken).get("state"), None);
}

proptest! {
    #[test]
    fn any_payload_and_key_make_one_line_of_json(
        value in proptest::collection::vec(any::<u8>(), 0..80),
        text in ".*",
        content_type in proptest::option::of(prop_oneof![Just("application/json"), Just("text/plain"), Just("x")]),
        mode in prop_oneof![Just(ValueMode::Auto), Just(ValueMode::Json), Just(ValueMode::Text), Just(ValueMode::Base64)],
    ) {
        let mut view = record(Some(&value), content_type);
        view.key = Some(&value);
        shown(&view, mode);
        view.value = Some(text.as_bytes());
        view.key = Some(text.as_bytes());
        let json = shown(&view, ValueMode::Text);
        prop_assert_eq!(json["value"].as_str(), Some(text.as_str()));
        prop_assert_eq!(json["key"].as_str(), Some(text.as_str()));
    }
}
