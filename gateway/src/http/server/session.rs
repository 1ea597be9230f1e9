use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, EXPECT, HeaderValue};
use hyper::{StatusCode, Version};
use pin_project_lite::pin_project;

use super::Answer;
use super::peer::Peer;
use super::refuse;
use super::watch::Watch;
use super::watched_body::{Rest, WatchedBody};

/// As much of the body of a request that is refused is read all the same, so that its connection can go on.
const READ_ANYHOW: u64 = 64 << 10;

/// What hyper calls for each request of one connection.
pub struct Session<A> {
    pub answer: A,
    pub watch: Arc<Watch>,
    pub max_header_bytes: usize,
    pub peer: Arc<Peer>,
}

impl<A: Answer> hyper::service::Service<hyper::Request<Incoming>> for Session<A> {
    type Response = Response;
    type Error = Infallible;
    type Future = Answering<A::Future>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let busy = Busy::begin(&self.watch);
        if head_bytes(&request) > self.max_header_bytes {
            return Answering::Refused { response: Some(refuse::head_too_large(self.max_header_bytes)) };
        }
        let rest = Rest::default();
        let unread = Unread {
            rest: rest.clone(),
            watch: self.watch.clone(),
            may_be_read: !request.headers().contains_key(EXPECT),
            version: request.version(),
        };
        let mut request = request.map(|body| Body::new(WatchedBody::new(body, self.watch.clone(), rest)));
        request.extensions_mut().insert(Arc::clone(&self.peer));
        Answering::Asked { answer: self.answer.answer(request), unread, busy: Some(busy) }
    }
}

/// Size of the request line and the headers, as HTTP/1.1 would write them.
fn head_bytes<B>(request: &hyper::Request<B>) -> usize {
    let path = request.uri().path_and_query().map_or(1, |path| path.as_str().len());
    let headers: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    path + headers + 16
}

/// The connection waits for the server as long as this lives.
pub struct Busy(Arc<Watch>);

impl Busy {
    fn begin(watch: &Arc<Watch>) -> Busy {
        watch.request_begins();
        Busy(watch.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.request_ends();
    }
}

pin_project! {
    /// A request being answered.
    #[project = AnsweringStep]
    pub enum Answering<F> {
        /// The server works on it.
        Asked { #[pin] answer: F, unread: Unread, busy: Option<Busy> },
        /// It is refused; what it brought comes in yet.
        Refusing { response: Option<Response>, body: WatchedBody, busy: Option<Busy> },
        /// It broke a limit.
        Refused { response: Option<Response> },
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Answering<F> {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                AnsweringStep::Asked { answer, unread, busy } => {
                    let mut response = ready!(answer.poll(cx))?;
                    let Some(body) = unread.of(&mut response) else { return Poll::Ready(Ok(response)) };
                    let busy = busy.take();
                    self.set(Answering::Refusing { response: Some(response), body, busy });
                }
                AnsweringStep::Refusing { response, body, .. } => {
                    while let Some(Ok(_)) = ready!(Pin::new(&mut *body).poll_frame(cx)) {}
                    return Poll::Ready(Ok(response.take().unwrap_or_default()));
                }
                AnsweringStep::Refused { response } => {
                    return Poll::Ready(Ok(response.take().unwrap_or_default()));
                }
            }
        }
    }
}

/// What is known of a request's body while it is being answered.
pub struct Unread {
    rest: Rest,
    watch: Arc<Watch>,
    /// Whether the client sends it without being told to.
    may_be_read: bool,
    version: Version,
}

impl Unread {
    /// The body to read before a refusal goes out. A connection with one that is too long for that ends with the answer,
    /// which says so: to a client, the end of a connection is a failure if it was not told.
    fn of(&self, response: &mut Response) -> Option<WatchedBody> {
        if response.status() < StatusCode::BAD_REQUEST || self.version > Version::HTTP_11 {
            return None;
        }
        let body = self.rest.lock().take()?;
        if self.may_be_read && body.size_hint().upper().is_some_and(|bytes| bytes <= READ_ANYHOW) {
            return Some(WatchedBody::new(body, self.watch.clone(), Rest::default()));
        }
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_measured_as_it_was_sent() {
        let sent = "GET /v1/topics?limit=5 HTTP/1.1\r\nhost: example.org\r\naccept: */*\r\n\r\n";
        let request = hyper::Request::get("/v1/topics?limit=5")
            .header("host", "example.org")
            .header("accept", "*/*")
            .body(())
            .unwrap();
        assert!(
            head_bytes(&request).abs_diff(sent.len()) <= 4,
            "{} for {}",
            head_bytes(&request),
            sent.len()
        );
    }
}
