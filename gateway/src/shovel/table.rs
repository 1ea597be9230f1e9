//! Arguments as AMQP's tables, with the types that RabbitMQ makes of JSON's.

use lapin::types::{AMQPValue, FieldArray, FieldTable};
use serde_json::Value;

/// A table; `None` when the value is none, or nobody could read it.
#[must_use]
pub fn from_json(value: &Value) -> Option<FieldTable> {
    let members = match value {
        Value::Object(members) => members,
        // As Erlang writes an empty object.
        Value::Array(list) if list.is_empty() => return Some(FieldTable::default()),
        _ => return None,
    };
    let mut table = FieldTable::default();
    for (name, value) in members {
        if name.len() > 255 {
            return None;
        }
        table.insert(name.as_str().into(), value_of(value)?);
    }
    Some(table)
}

fn value_of(value: &Value) -> Option<AMQPValue> {
    Some(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(flag) => AMQPValue::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => AMQPValue::LongLongInt(whole),
            None => AMQPValue::Double(number.as_f64()?),
        },
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(list) => {
            let values: Vec<AMQPValue> = list.iter().map(value_of).collect::<Option<_>>()?;
            AMQPValue::FieldArray(FieldArray::from(values))
        }
        Value::Object(_) => AMQPValue::FieldTable(from_json(value)?),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_becomes_a_table_as_in_rabbitmq() {
        let table = from_json(&json!({"n": 1, "t": "x", "l": [true, null], "d": 0.5})).unwrap();
        let get = |name: &str| table.inner().get(name).cloned();
        assert_eq!(get("n"), Some(AMQPValue::LongLongInt(1)));
        assert_eq!(get("t"), Some(AMQPValue::LongString("x".into())));
        assert_eq!(get("d"), Some(AMQPValue::Double(0.5)));
        let list = vec![AMQPValue::Boolean(true), AMQPValue::Void];
        assert_eq!(get("l"), Some(AMQPValue::FieldArray(FieldArray::from(list))));
        assert_eq!((from_json(&json!([])), from_json(&json!(5))), (Some(FieldTable::default()), None));
        assert_eq!(from_json(&json!({"a".repeat(256): 1})), None);
    }
}
