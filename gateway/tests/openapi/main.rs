//! `openapi/` says what the server does: the document is the one that it serves, and every endpoint has an example
//! that was played for it just now. `UPDATE=1` rewrites both.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod exchange;
mod normal;
mod story;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi"))
}

/// The file must be there with this content; with `UPDATE` it is made so.
fn compare(path: &std::path::Path, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "{} is out of date: run the tests with UPDATE=1", path.display());
}

#[test]
fn the_document_is_what_is_served() {
    let served = sluice::http::docs::specification();
    assert_eq!(served, sluice::http::docs::specification());
    compare(&folder().join("openapi.json"), served);
}

#[tokio::test]
async fn every_endpoint_has_an_example_that_works() {
    let examples = story::play().await;
    let specification: Value = serde_json::from_str(sluice::http::docs::specification()).unwrap();
    let mut described = BTreeSet::new();
    for (path, item) in specification["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_string();
            let example =
                examples.get(&id).unwrap_or_else(|| panic!("{method} {path} ({id}) has no example"));
            let status = example["response"]["status"].to_string();
            assert!(
                operation["responses"][&status].is_object(),
                "{id} answered {status}, which is not described"
            );
            compare(
                &folder().join("examples").join(format!("{id}.json")),
                &format!("{}\n", serde_json::to_string_pretty(example).unwrap()),
            );
            described.insert(id);
        }
    }
    let played: BTreeSet<String> = examples.keys().cloned().collect();
    assert_eq!(played, described, "examples of endpoints that are not described");
}
