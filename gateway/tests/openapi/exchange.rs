use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use tower::ServiceExt;

/// Longest wait for the first piece of a stream that goes on.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client of the server without a socket between them.
pub struct Client(pub Router);

impl Client {
    /// Sends a request and writes down both sides. Of a stream only what comes until `enough` is in it.
    pub async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        enough: Option<&str>,
    ) -> Value {
        let mut request = Request::builder().method(method).uri(path);
        let mut asked = Map::from_iter([("method".into(), json!(method)), ("path".into(), json!(path))]);
        let body = match body {
            Some(json) => {
                request = request.header("content-type", "application/json");
                asked.insert("headers".into(), json!({"content-type": "application/json"}));
                let text = Body::from(json.to_string());
                asked.insert("body".into(), json);
                text
            }
            None => Body::empty(),
        };
        let response = self.0.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let mut answered = Map::from_iter([("status".into(), json!(response.status().as_u16()))]);
        let headers: Map<String, Value> = ["content-type", "location", "etag"]
            .into_iter()
            .filter_map(|name| {
                Some((name.to_string(), json!(response.headers().get(name)?.to_str().unwrap())))
            })
            .collect();
        let is_json = headers.get("content-type").is_some_and(|kind| kind.as_str().unwrap().contains("json"));
        if !headers.is_empty() {
            answered.insert("headers".into(), Value::Object(headers));
        }
        let text = read(response.into_body().into_data_stream(), enough).await;
        if is_json {
            answered.insert("body".into(), serde_json::from_str(&text).unwrap());
        } else if !text.is_empty() {
            answered.insert("body".into(), json!(text));
        }
        json!({"request": asked, "response": answered})
    }
}

async fn read(mut body: BodyDataStream, enough: Option<&str>) -> String {
    let mut text = String::new();
    while let Some(piece) = tokio::time::timeout(PATIENCE, body.next()).await.expect("the answer goes on") {
        text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        if enough.is_some_and(|enough| text.contains(enough)) {
            break;
        }
    }
    text
}
