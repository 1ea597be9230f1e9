//! `openapi/asyncapi.yaml` and this code say the same.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::ws::command::Inbound;
use crate::ws::encoding::Encoding;

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_yaml_ng::from_str(include_str!("../../../openapi/asyncapi.yaml")).unwrap())
}

/// References lead into the document, so the schema is the document with `extra` laid on top.
fn validator(extra: Value) -> Validator {
    let mut schema = document().clone();
    schema.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    jsonschema::options().build(&schema).unwrap()
}

fn messages_of(action: &str) -> Vec<&'static str> {
    let operations = document()["operations"].as_object().unwrap().values();
    let refs =
        operations.filter(|one| one["action"] == action).flat_map(|one| one["messages"].as_array().unwrap());
    refs.map(|one| one["$ref"].as_str().unwrap().rsplit('/').next().unwrap()).collect()
}

/// Claims that the server may send this frame.
#[track_caller]
pub fn check_sent_by_server(frame: &Value) {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    let validator = VALIDATOR.get_or_init(|| {
        let messages = messages_of("send").into_iter();
        let payloads = messages.map(|name| document()["components"]["messages"][name]["payload"].clone());
        validator(json!({"anyOf": payloads.collect::<Vec<_>>()}))
    });
    let faults: Vec<_> = validator.iter_errors(frame).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{frame} is not in asyncapi.yaml: {faults:?}");
}

#[test]
fn every_example_follows_its_schema() {
    for (name, message) in document()["components"]["messages"].as_object().unwrap() {
        let validator = validator(json!({"allOf": [message["payload"].clone()]}));
        let examples = message["examples"].as_array().unwrap_or_else(|| panic!("{name} has no example"));
        for example in examples {
            let faults: Vec<_> =
                validator.iter_errors(&example["payload"]).map(|fault| fault.to_string()).collect();
            assert!(faults.is_empty(), "{name}, {}: {faults:?}", example["name"]);
        }
    }
}

#[test]
fn every_example_of_a_command_is_understood() {
    let names = messages_of("receive");
    assert!(names.len() >= crate::ws::json_command::NAMES.len());
    for name in names {
        for example in document()["components"]["messages"][name]["examples"].as_array().unwrap() {
            let frame = Inbound::Text(example["payload"].to_string().into());
            let read = Encoding::Json.decode(&frame);
            assert!(read.is_ok(), "{name}, {}: {read:?}", example["name"]);
        }
    }
}

#[test]
fn what_is_not_described_is_refused_by_the_schemas() {
    let outcome =
        std::panic::catch_unwind(|| check_sent_by_server(&json!({"id": 1, "type": "ok", "surprise": 1})));
    assert!(outcome.is_err());
}
