//! A plain HTTP/1.1 client whose answers are easy to make claims about.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::deadline::soon;

type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// A client of one server. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Http {
    base: String,
    client: Client<HttpConnector, Body>,
    authorization: Option<String>,
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    asked: String,
}

/// An answer whose body still arrives.
#[derive(Debug)]
pub struct Streaming {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    rest: Vec<u8>,
}

impl Http {
    /// A client for `http://host:port`.
    #[must_use]
    pub fn new(base: impl Into<String>) -> Http {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(5))
            .build(HttpConnector::new());
        Http { base: base.into(), client, authorization: None }
    }

    /// The same by whoever has this password.
    #[must_use]
    pub fn logged_in(self, user: &str, password: &str) -> Http {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        Http { authorization: Some(format!("Basic {basic}")), ..self }
    }

    /// The same by whoever has this token.
    #[must_use]
    pub fn with_token(self, token: &str) -> Http {
        Http { authorization: Some(format!("Bearer {token}")), ..self }
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// `DELETE path`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Bytes::new()).await
    }

    /// `PUT path` with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PUT, path, body).await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.json(Method::POST, path, body).await
    }

    /// `PATCH path` with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PATCH, path, body).await
    }

    /// Any method with a JSON body.
    pub async fn json(&self, method: Method, path: &str, body: Value) -> Answer {
        self.send(method, path, &[("content-type", "application/json")], body.to_string().into()).await
    }

    /// `POST path` with a body of any type.
    pub async fn post_as(&self, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, path, &[("content-type", content_type)], body.into()).await
    }

    /// Any request; panics when the server does not answer at all.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let asked = format!("{method} {path}");
        match self.try_send(method, path, headers, body).await {
            Ok(answer) => answer,
            Err(error) => panic!("{asked}: no answer: {error}"),
        }
    }

    /// Any request, for servers that may be going down or be killed.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let asked = format!("{method} {path} {}", String::from_utf8_lossy(body.get(..300).unwrap_or(&body)));
        let request = self.request(method, path, headers, Full::new(body).boxed_unsync());
        soon(&asked, async {
            let response = self.client.request(request).await.map_err(|error| format!("{error:?}"))?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body, asked: asked.clone() })
        })
        .await
    }

    /// A request whose answer is read piece by piece.
    pub async fn open(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Streaming {
        self.exchange(self.request(method, path, headers, Full::new(body).boxed_unsync())).await
    }

    /// A request whose body is sent piece by piece, through the sender, while the answer is read.
    pub async fn duplex(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (tokio::sync::mpsc::Sender<Bytes>, impl Future<Output = Streaming> + use<'_>) {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
        let pieces = futures_util::stream::unfold(receiver, |mut receiver| async {
            let piece = receiver.recv().await?;
            Some((Ok(Frame::data(piece)), receiver))
        });
        let request = self.request(method, path, headers, StreamBody::new(pieces).boxed_unsync());
        (sender, self.exchange(request))
    }

    async fn exchange(&self, request: Request<Body>) -> Streaming {
        let asked = format!("{} {}", request.method(), request.uri());
        let response = soon(&asked, self.client.request(request)).await;
        let response = response.unwrap_or_else(|error| panic!("{asked}: no answer: {error:?}"));
        let (parts, body) = response.into_parts();
        Streaming { status: parts.status.as_u16(), headers: parts.headers, body, rest: Vec::new() }
    }

    fn request(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
        let uri: Uri = format!("{}{path}", self.base).parse().unwrap_or_else(|_| panic!("{path} is no path"));
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a header name");
            request =
                request.header(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        }
        request.body(body).expect("a request")
    }
}

impl Answer {
    /// Claims the status and returns the body as JSON (`null` when empty).
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}\nanswered {}", self.asked, String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.value() }
    }

    /// The body as JSON, `null` when it is not JSON.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// One header, empty when absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Claims a problem document with this status and code, and returns it.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let text = self.text();
        assert_eq!(self.status, status, "{}\nanswered {text}", self.asked);
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}\nanswered {text}",
            self.asked
        );
        let problem = self.value();
        assert_problem(&problem, status, code, &format!("{}\nanswered {text}", self.asked));
        problem
    }

    /// [`Answer::refused`], and the problem names this field.
    #[track_caller]
    pub fn refused_in(&self, status: u16, code: &str, field: &str) -> Value {
        let problem = self.refused(status, code);
        let named = problem["field"].as_str().unwrap_or_default();
        assert!(
            named.contains(field),
            "{}\nthe problem should name the field {field:?}: {problem}",
            self.asked
        );
        problem
    }
}

/// Claims that a JSON value is a well-formed problem document with this status and code.
#[track_caller]
pub fn assert_problem(problem: &Value, status: u16, code: &str, context: &str) {
    assert_eq!(problem["code"], code, "{context}");
    assert_eq!(problem["status"], status, "{context}");
    assert!(problem["type"].is_string() && problem["title"].is_string(), "{context}");
    assert!(problem["retryable"].is_boolean(), "{context}");
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.len() > 8),
        "no helpful detail: {context}"
    );
}

impl Streaming {
    /// The next piece of the body, `None` at its end.
    pub async fn piece(&mut self) -> Option<Bytes> {
        loop {
            let frame = soon("the next piece of a streamed body", self.body.frame()).await?;
            match frame {
                Ok(frame) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Some(data),
                    _ => {}
                },
                Err(_) => return None,
            }
        }
    }

    /// The next line without its end, `None` when the body ended before one was complete.
    pub async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let piece = self.piece().await?;
            self.rest.extend_from_slice(&piece);
        }
    }

    /// The next Server-Sent Event with data. As in a browser, comments are skipped and an event without data only moves
    /// the id.
    pub async fn event(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                if !event.data.is_empty() {
                    return Some(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line.as_str(), ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => event.id = value.to_owned(),
                "event" => event.kind = value.to_owned(),
                "data" => event.data.push_str(value),
                _ => {}
            }
        }
    }
}

/// One Server-Sent Event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What to send as `Last-Event-ID` to go on after it.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Its payload.
    pub data: String,
}

impl Event {
    /// The payload as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or(Value::Null)
    }
}
