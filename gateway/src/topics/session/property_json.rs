//! Properties, headers and arguments as RabbitMQ's management API writes them.

use bytes::Bytes;
use message::{HeaderTable, HeaderTableBuilder};
use queue_engine::{Properties, PropertyFields};
use serde_json::{Map, Value, json};

use crate::topics::header_json;

/// What is wrong with properties: the kind of fault, and the property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyFault(pub &'static str, pub &'static str);

/// A JSON object as a table.
pub fn table_from_json(object: &Map<String, Value>) -> Result<HeaderTable, String> {
    let mut table = HeaderTableBuilder::new();
    for (name, value) in object {
        table.push(name, &header_json::from_json(value)).map_err(|error| error.to_string())?;
    }
    // What is nested too deeply could not be read again.
    HeaderTable::from_bytes(table.build().as_bytes().clone()).map_err(|error| error.to_string())
}

/// A table as a JSON object.
#[must_use]
pub fn table_to_json(table: &HeaderTable) -> Map<String, Value> {
    table.iter().map(|(name, value)| (name.to_owned(), header_json::to_json(&value))).collect()
}

/// Properties and headers in AMQP's form. Names that are no property are passed over, as RabbitMQ does.
pub fn properties_from_json(object: &Map<String, Value>) -> Result<(Bytes, HeaderTable), PropertyFault> {
    let text = |name: &'static str| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(PropertyFault("not_string", name)),
    };
    let number = |name: &'static str| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(PropertyFault("not_int", name)),
    };
    let byte = |name: &'static str| {
        number(name)?
            .map(|number| u8::try_from(number).map_err(|_| PropertyFault("not_int", name)))
            .transpose()
    };
    let headers = match object.get("headers") {
        None | Some(Value::Null) => None,
        Some(Value::Object(headers)) => {
            Some(table_from_json(headers).map_err(|_| PropertyFault("bad_headers", "headers"))?)
        }
        // An empty table, as RabbitMQ itself writes it.
        Some(Value::Array(list)) if list.is_empty() => Some(HeaderTable::default()),
        Some(_) => return Err(PropertyFault("not_object", "headers")),
    };
    let fields = PropertyFields {
        content_type: text("content_type")?,
        content_encoding: text("content_encoding")?,
        has_headers: headers.is_some(),
        delivery_mode: byte("delivery_mode")?,
        priority: byte("priority")?,
        correlation_id: text("correlation_id")?,
        reply_to: text("reply_to")?,
        expiration: text("expiration")?,
        message_id: text("message_id")?,
        timestamp: number("timestamp")?,
        kind: text("type")?,
        user_id: text("user_id")?,
        app_id: text("app_id")?,
        cluster_id: text("cluster_id")?,
    };
    let built = fields.build().map_err(|error| PropertyFault("too_long", error.0))?;
    Ok((built.as_bytes().clone(), headers.unwrap_or_default()))
}

/// Properties and headers as JSON: an empty list where there are none, as Erlang writes an empty object.
#[must_use]
pub fn properties_to_json(properties: &[u8], headers: &[u8]) -> Value {
    let properties = Properties::from_bytes(Bytes::copy_from_slice(properties)).unwrap_or_default();
    let fields = properties.fields();
    let mut object = Map::new();
    let texts = [
        ("content_type", fields.content_type),
        ("content_encoding", fields.content_encoding),
        ("correlation_id", fields.correlation_id),
        ("reply_to", fields.reply_to),
        ("expiration", fields.expiration),
        ("message_id", fields.message_id),
        ("type", fields.kind),
        ("user_id", fields.user_id),
        ("app_id", fields.app_id),
        ("cluster_id", fields.cluster_id),
    ];
    for (name, text) in texts {
        text.into_iter().for_each(|text| drop(object.insert(name.to_owned(), json!(text))));
    }
    let numbers = [
        ("delivery_mode", fields.delivery_mode.map(u64::from)),
        ("priority", fields.priority.map(u64::from)),
        ("timestamp", fields.timestamp),
    ];
    for (name, number) in numbers {
        number.into_iter().for_each(|number| drop(object.insert(name.to_owned(), json!(number))));
    }
    let headers = HeaderTable::from_bytes(Bytes::copy_from_slice(headers)).unwrap_or_default();
    if fields.has_headers || !headers.as_bytes().is_empty() {
        object.insert("headers".to_owned(), Value::Object(table_to_json(&headers)));
    }
    if object.is_empty() { json!([]) } else { Value::Object(object) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_comes_back_as_it_was_given() {
        let given = json!({
            "content_type": "a/b", "content_encoding": "gzip", "delivery_mode": 2, "priority": 7,
            "correlation_id": "c", "reply_to": "r", "expiration": "60000", "message_id": "m", "timestamp": 5,
            "type": "t", "user_id": "u", "app_id": "a", "cluster_id": "cl", "headers": {"n": 1, "list": [true, null]},
        });
        let (properties, headers) = properties_from_json(given.as_object().unwrap()).unwrap();
        assert_eq!(properties_to_json(&properties, headers.as_bytes()), given);
        let (properties, headers) = properties_from_json(&Map::new()).unwrap();
        assert_eq!(properties_to_json(&properties, headers.as_bytes()), json!([]));
    }

    #[test]
    fn what_could_not_be_read_again_is_not_made() {
        let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
        assert!(table_from_json(json!({"deep": deep}).as_object().unwrap()).is_err());
        assert!(table_from_json(json!({"": 1}).as_object().unwrap()).is_err());
        assert!(table_from_json(json!({"deep": [[1]]}).as_object().unwrap()).is_ok());
    }

    #[test]
    fn what_is_no_property_is_told_apart_from_what_is_a_bad_one() {
        let read = |value: Value| properties_from_json(value.as_object().unwrap());
        assert!(read(json!({"nothing": 1})).is_ok());
        assert_eq!(read(json!({"priority": "high"})), Err(PropertyFault("not_int", "priority")));
        assert_eq!(read(json!({"priority": 256})), Err(PropertyFault("not_int", "priority")));
        assert_eq!(read(json!({"reply_to": 5})), Err(PropertyFault("not_string", "reply_to")));
        assert_eq!(read(json!({"headers": 5})), Err(PropertyFault("not_object", "headers")));
        assert_eq!(read(json!({"type": "x".repeat(256)})), Err(PropertyFault("too_long", "type")));
    }
}
