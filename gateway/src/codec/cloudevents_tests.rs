use super::*;
use crate::topics::Outgoing;
use message::HeaderValue;
use proptest::prelude::*;

fn event(text: &str) -> Result<Outgoing, Refusal> {
    parse_event(&Bytes::copy_from_slice(text.as_bytes()), "")
}

fn header<'m>(message: &'m Outgoing, name: &str) -> Option<&'m str> {
    message.headers.iter().find(|(have, _)| have == name).and_then(|(_, value)| match value {
        HeaderValue::Text(text) => Some(text.as_str()),
        _ => None,
    })
}

const MINIMAL: &str = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t""#;

#[test]
fn a_structured_event_is_stored_in_binary_mode() {
    let message = event(&format!(
        r#"{MINIMAL},"partitionkey":"p","time":"2026-01-31T12:00:00Z","sampled":3,"data":{{"a":1}}}}"#
    ))
    .unwrap();
    assert_eq!(message.key.as_deref(), Some(&b"p"[..]));
    assert_eq!(message.content_type.as_deref(), Some("application/json"));
    assert_eq!(message.value.as_deref(), Some(&b"{\"a\":1}"[..]));
    assert_eq!(header(&message, "ce_id"), Some("1"));
    assert_eq!(header(&message, "ce_sampled"), Some("3"));
    assert_eq!(header(&message, "ce_partitionkey"), Some("p"));
}

#[test]
fn data_takes_the_form_that_its_type_asks_for() {
    let text = event(&format!(r#"{MINIMAL},"datacontenttype":"text/xml","data":"<a>\"</a>"}}"#)).unwrap();
    assert_eq!(text.value.as_deref(), Some(&b"<a>\"</a>"[..]));
    let json = event(&format!(r#"{MINIMAL},"data":"x"}}"#)).unwrap();
    assert_eq!(json.value.as_deref(), Some(&b"\"x\""[..]));
    let raw = event(&format!(r#"{MINIMAL},"data_base64":"AAE="}}"#)).unwrap();
    assert_eq!((raw.value.as_deref(), raw.content_type), (Some(&[0, 1][..]), None));
    assert_eq!(event(&format!("{MINIMAL}}}")).unwrap().value.as_deref(), Some(&b""[..]));
}

#[test]
fn faults_name_their_attribute() {
    let field = |text: &str| event(text).unwrap_err().field.unwrap();
    assert_eq!(field(r#"{"specversion":"1.0","id":"1","source":"/s"}"#), "/type");
    assert_eq!(field(r#"{"specversion":"0.3","id":"1","source":"/s","type":"t"}"#), "/specversion");
    assert_eq!(field(&format!(r#"{MINIMAL},"time":"yesterday"}}"#)), "/time");
    assert_eq!(field(&format!(r#"{MINIMAL},"Upper":"x"}}"#)), "/Upper");
    assert_eq!(field(&format!(r#"{MINIMAL},"ext":[1]}}"#)), "/ext");
    assert_eq!(field(&format!(r#"{MINIMAL},"data":1,"data_base64":"AA=="}}"#)), "/data_base64");
    let batch = format!(r#"[{MINIMAL}}},{{"id":""}}]"#);
    assert_eq!(parse_batch(&Bytes::from(batch)).unwrap_err().field.unwrap(), "/1/id");
}

#[test]
fn a_binary_event_comes_from_headers() {
    let read = |headers: &[(&'static str, &'static str)]| {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        from_headers(headers, Some("text/plain"), Bytes::from_static(b"data"))
    };
    let minimal = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
    let mut full = minimal.to_vec();
    full.extend([("ce-subject", "Euro%20%E2%82%AC"), ("host", "x")]);
    let message = read(&full).unwrap();
    assert_eq!(header(&message, "ce_subject"), Some("Euro €"));
    assert_eq!(message.headers.len(), 5);
    assert_eq!(
        (message.value.as_deref(), message.content_type.as_deref()),
        (Some(&b"data"[..]), Some("text/plain"))
    );
    assert_eq!(read(&minimal[..3]).unwrap_err().field.unwrap(), "ce-type");
    full.push(("ce-bad", "%ff"));
    assert_eq!(read(&full).unwrap_err().field.unwrap(), "ce-bad");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
        let _ = parse_event(&Bytes::from(bytes.clone()), "");
        let _ = parse_batch(&Bytes::from(bytes));
    }

    #[test]
    fn any_attribute_text_survives_percent_encoding(text in "\\PC{1,20}") {
        let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let headers = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", &*encoded)];
        let message = from_headers(headers.iter().map(|(n, v)| (*n, v.as_bytes())), None, Bytes::new()).unwrap();
        prop_assert_eq!(header(&message, "ce_type"), Some(text.as_str()));
    }
}
