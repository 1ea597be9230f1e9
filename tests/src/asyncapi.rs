//! Checks WebSocket frames against `openapi/asyncapi.yaml`: what the server sends, and what well-meaning tests send.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::checkout;

/// Claims that a JSON frame from the server is one of the messages that the document lets it send.
#[track_caller]
pub fn check_received(frame: &Value) {
    static RECEIVED: OnceLock<Validator> = OnceLock::new();
    check(RECEIVED.get_or_init(|| validator("send")), frame, "the server sent");
}

/// Claims that a JSON frame from a client is one of the messages that the document lets it send.
#[track_caller]
pub fn check_sent(frame: &Value) {
    static SENT: OnceLock<Validator> = OnceLock::new();
    check(SENT.get_or_init(|| validator("receive")), frame, "the test sent");
}

#[track_caller]
fn check(validator: &Validator, frame: &Value, who: &str) {
    if validator.is_valid(frame) {
        return;
    }
    let errors: Vec<String> = validator.iter_errors(frame).map(|error| format!("{error:.600}")).collect();
    panic!("{who} a frame that asyncapi.yaml does not describe: {frame}\n{}", errors.join("\n"));
}

/// The document.
#[must_use]
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let path = checkout::root().join("openapi/asyncapi.yaml");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    })
}

/// One of the messages that operations with this action name, seen from the server.
fn validator(action: &str) -> Validator {
    let document = document();
    let operations = document["operations"].as_object().expect("the document has operations");
    let mut payloads = Vec::new();
    for operation in operations.values().filter(|operation| operation["action"] == action) {
        for message in operation["messages"].as_array().expect("an operation lists its messages") {
            let mut message = resolve(document, message);
            while message.get("$ref").is_some() {
                message = resolve(document, message);
            }
            payloads.push(message["payload"].clone());
        }
    }
    assert!(!payloads.is_empty(), "asyncapi.yaml has no operation with the action {action}");
    // `$ref`s point into the document, so the schema is the document with the alternatives laid on top.
    let mut schema = document.clone();
    schema["anyOf"] = json!(payloads);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema.as_object_mut().expect("the document is an object").remove("id");
    jsonschema::options()
        .build(&schema)
        .unwrap_or_else(|error| panic!("asyncapi.yaml holds a bad schema: {error}"))
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("references stay inside the document");
            document.pointer(pointer).unwrap_or_else(|| panic!("asyncapi.yaml: {reference} leads nowhere"))
        }
        None => value,
    }
}
