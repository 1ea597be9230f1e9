//! Values as Erlang prints them, for messages that say what RabbitMQ's say.

use serde_json::Value;

use super::address::Address;

/// A value of JSON as RabbitMQ tells it.
#[must_use]
pub fn term(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => binary(text),
        Value::Array(list) => list_of(list.iter().map(term)),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{} => {}", binary(name), term(value)));
            format!("#{{{}}}", members.collect::<Vec<_>>().join(","))
        }
    }
}

/// A text; of a URI, which may stand where it does not belong, without a password.
#[must_use]
pub fn binary(text: &str) -> String {
    if text.contains("://") {
        return format!("<<{:?}>>", Address::redacted(text));
    }
    let shown: String = text.chars().take(255).collect();
    format!("<<{:?}>>", shown)
}

/// A list of what is printed already.
pub fn list_of(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_printed_as_erlang_prints_them() {
        let value = json!({"a": [1, 2.5, true, null, "x"]});
        assert_eq!(term(&value), r#"#{<<"a">> => [1,2.5,true,null,<<"x">>]}"#);
        assert_eq!(term(&json!("amqp://u:secret@h")), r#"<<"amqp://h">>"#);
    }
}
