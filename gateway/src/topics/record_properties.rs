//! AMQP's properties among the headers of a log's record, so that they survive the way through a log.
//!
//! A property that is set becomes a header whose name begins with `amqp-`, its value as text; the content type has its own
//! header ([`super::record_batches::CONTENT_TYPE`]). Read by AMQP, such headers are the properties again.

use bytes::Bytes;
use message::{HeaderTable, HeaderTableBuilder, HeaderValue};
use queue_engine::{Properties, PropertyFields};

use super::record_batches::typed_header;
use super::{HeadersView, MessageView};

/// The headers that stand for properties.
const TEXTS: [&str; 9] = [
    "amqp-content-encoding",
    "amqp-correlation-id",
    "amqp-reply-to",
    "amqp-expiration",
    "amqp-message-id",
    "amqp-type",
    "amqp-user-id",
    "amqp-app-id",
    "amqp-cluster-id",
];
const DELIVERY_MODE: &str = "amqp-delivery-mode";
const PRIORITY: &str = "amqp-priority";
const TIMESTAMP: &str = "amqp-timestamp";

/// The properties as headers, before those that the message has itself.
pub(crate) fn headers_of(properties: &Properties, own: &HeaderTable) -> Vec<(String, HeaderValue)> {
    let mut headers = Vec::new();
    if !properties.is_empty() {
        let mut fields = properties.fields();
        for name in TEXTS {
            let text = text_field(&mut fields, name).and_then(|text| *text);
            headers.extend(text.map(|text| (name.to_owned(), HeaderValue::Text(text.to_owned()))));
        }
        let numbers = [
            (DELIVERY_MODE, fields.delivery_mode.map(u64::from)),
            (PRIORITY, fields.priority.map(u64::from)),
            (TIMESTAMP, fields.timestamp),
        ];
        for (name, number) in numbers {
            headers.extend(number.map(|number| (name.to_owned(), HeaderValue::Text(number.to_string()))));
        }
    }
    headers.extend(own.iter().map(|(name, value)| (name.to_owned(), value)));
    headers
}

fn text_field<'f, 'a>(fields: &'f mut PropertyFields<'a>, name: &str) -> Option<&'f mut Option<&'a str>> {
    Some(match name {
        "amqp-content-encoding" => &mut fields.content_encoding,
        "amqp-correlation-id" => &mut fields.correlation_id,
        "amqp-reply-to" => &mut fields.reply_to,
        "amqp-expiration" => &mut fields.expiration,
        "amqp-message-id" => &mut fields.message_id,
        "amqp-type" => &mut fields.kind,
        "amqp-user-id" => &mut fields.user_id,
        "amqp-app-id" => &mut fields.app_id,
        "amqp-cluster-id" => &mut fields.cluster_id,
        _ => return None,
    })
}

/// Puts a header into the properties that it stands for; answers whether it does.
fn take<'a>(fields: &mut PropertyFields<'a>, name: &str, text: &'a str) -> bool {
    if !name.starts_with("amqp-") {
        return false;
    }
    match name {
        DELIVERY_MODE => fill(&mut fields.delivery_mode, text.parse().ok()),
        PRIORITY => fill(&mut fields.priority, text.parse().ok()),
        TIMESTAMP => fill(&mut fields.timestamp, text.parse().ok()),
        _ => match text_field(fields, name) {
            Some(field) => fill(field, (text.len() <= 255).then_some(text)),
            None => false,
        },
    }
}

/// The first header of a name is the property; another one is a header like any other, and so is what does not fit.
fn fill<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    let fits = field.is_none() && value.is_some();
    if fits {
        *field = value;
    }
    fits
}

/// A record as AMQP shows it: properties in AMQP's form, and the other headers behind `first`.
#[must_use]
pub fn amqp_form(view: &MessageView<'_>, first: (&str, HeaderValue)) -> (Bytes, HeaderTable) {
    let mut fields = PropertyFields {
        content_type: view.content_type.filter(|text| text.len() <= 255),
        ..Default::default()
    };
    let mut table = HeaderTableBuilder::new();
    // The names fit, and what does not is left out rather than the record.
    let _ = table.push(first.0, &first.1);
    match &view.headers {
        HeadersView::Record(headers) => {
            for (name, value) in headers {
                let Ok(name) = std::str::from_utf8(name) else { continue };
                let text = value.and_then(|value| std::str::from_utf8(value).ok());
                if !text.is_some_and(|text| take(&mut fields, name, text)) {
                    let _ = table.push(name, &typed_header(*value));
                }
            }
        }
        HeadersView::Table(headers) => {
            for (name, value) in headers.iter() {
                let _ = table.push(name, &value);
            }
        }
    }
    let properties = fields.build().map(|built| built.as_bytes().clone()).unwrap_or_default();
    (properties, table.build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::Place;
    use crate::topics::record_batches::record_header;

    fn through_a_record(properties: &Properties, own: &HeaderTable) -> (Bytes, HeaderTable) {
        let headers = headers_of(properties, own);
        let written: Vec<(&[u8], Option<Bytes>)> =
            headers.iter().map(|(name, value)| (name.as_bytes(), record_header(value))).collect();
        let view = MessageView {
            key: None,
            headers: HeadersView::Record(
                written.iter().map(|(name, value)| (*name, value.as_deref())).collect(),
            ),
            content_type: properties.fields().content_type,
            timestamp: 0,
            value: None,
            place: Place::Log { partition: 0, offset: 7 },
        };
        amqp_form(&view, ("x-stream-offset", HeaderValue::Int(7)))
    }

    #[test]
    fn every_property_survives_the_way_through_a_record() {
        let fields = PropertyFields {
            content_type: Some("a/b"),
            content_encoding: Some("gzip"),
            has_headers: false,
            delivery_mode: Some(2),
            priority: Some(0),
            correlation_id: Some("c"),
            reply_to: Some("r"),
            expiration: Some("60000"),
            message_id: Some(""),
            timestamp: Some(1_600_000_000),
            kind: Some("t"),
            user_id: Some("guest"),
            app_id: Some("a"),
            cluster_id: Some("cl"),
        };
        let sent = fields.build().unwrap();
        let own: HeaderTable =
            [("amqp-nothing".to_owned(), HeaderValue::Text("h".into()))].into_iter().collect();
        let (properties, headers) = through_a_record(&sent, &own);
        assert_eq!(Properties::from_bytes(properties).unwrap().fields(), fields);
        let names: Vec<&str> = headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["x-stream-offset", "amqp-nothing"]);
    }

    #[test]
    fn what_cannot_be_a_property_stays_a_header() {
        let header = |name: &str, value: &str| (name.to_owned(), HeaderValue::Text(value.to_owned()));
        let own: HeaderTable = [
            header("amqp-priority", "high"),
            header("amqp-message-id", "first"),
            header("amqp-message-id", "second"),
            header("amqp-type", &"x".repeat(256)),
        ]
        .into_iter()
        .collect();
        let (properties, headers) = through_a_record(&Properties::default(), &own);
        let expected = PropertyFields { message_id: Some("first"), ..PropertyFields::default() };
        assert_eq!(Properties::from_bytes(properties).unwrap().fields(), expected);
        assert_eq!(headers.iter().count(), 4);
        assert_eq!(headers.get("amqp-message-id"), Some(HeaderValue::Text("second".into())));
    }
}
