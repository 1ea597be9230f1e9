use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::Management;
use super::failure::Failure;
use crate::topics::session::table_from_json;
use crate::topics::{Created, Table};

impl Management {
    /// A body as a JSON object; an empty one is an empty object.
    pub(super) async fn object(&self, body: Body) -> Result<Map<String, Value>, Failure> {
        let held = self.0.bodies.read(body, self.0.body_bytes).await;
        let held = held.map_err(|problem| match problem.status() {
            413 => Failure::TooLarge(format!("a body has at most {} bytes", self.0.body_bytes)),
            429 | 503 => {
                Failure::Unavailable { reason: "too many requests".to_owned(), retry_after_ms: 1000 }
            }
            _ => Failure::bad("the body could not be read"),
        })?;
        if held.bytes.is_empty() {
            return Ok(Map::new());
        }
        match serde_json::from_slice(&held.bytes) {
            Ok(Value::Object(object)) => Ok(object),
            // As Erlang writes an empty object.
            Ok(Value::Array(list)) if list.is_empty() => Ok(Map::new()),
            _ => Err(Failure::bad("not_json")),
        }
    }
}

/// Whether a member is true; RabbitMQ takes the words as well.
pub fn flag(object: &Map<String, Value>, name: &str) -> Result<bool, Failure> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(Value::String(text)) if text == "true" => Ok(true),
        Some(Value::String(text)) if text == "false" => Ok(false),
        Some(other) => Err(Failure::Bad(json!(["not_boolean", other]))),
    }
}

/// A member that is a text; `None` where there is none.
pub fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Failure> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Failure::bad(format!("{name} is a text"))),
    }
}

/// A member that must be there.
pub fn needed<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a Value, Failure> {
    object.get(name).ok_or_else(|| Failure::bad(format!("[{{key_missing,{name}}}]")))
}

/// A member that must be there and be a text.
pub fn needed_text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, Failure> {
    needed(object, name)?.as_str().ok_or_else(|| Failure::bad(format!("{name} is a text")))
}

/// The member `arguments`.
pub fn arguments(object: &Map<String, Value>) -> Result<message::HeaderTable, Failure> {
    let empty = Table::new();
    let arguments = match object.get("arguments") {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(arguments)) => arguments,
        Some(Value::Array(list)) if list.is_empty() => &empty,
        Some(_) => return Err(Failure::bad("arguments is an object")),
    };
    table_from_json(arguments).map_err(Failure::bad)
}

/// 201 for what was made now, 204 for what was there.
pub fn created(made: bool) -> Response {
    if made { StatusCode::CREATED.into_response() } else { StatusCode::NO_CONTENT.into_response() }
}

/// The same by what the seam says.
pub fn put(created_now: Created) -> Response {
    created(created_now == Created::Made)
}

/// 204.
pub fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
