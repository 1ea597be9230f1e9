use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::Answer;
use super::io::WatchedBody;
use super::peer::Peer;
use super::refuse;
use super::watch::Watch;

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
        let mut request = request.map(|body| Body::new(WatchedBody::new(body, self.watch.clone())));
        request.extensions_mut().insert(Arc::clone(&self.peer));
        Answering::Asked { answer: self.answer.answer(request), busy }
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
        Asked { #[pin] answer: F, busy: Busy },
        /// It broke a limit.
        Refused { response: Option<Response> },
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Answering<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AnsweringStep::Asked { answer, .. } => Poll::Ready(ready!(answer.poll(cx))),
            AnsweringStep::Refused { response } => Poll::Ready(Ok(response.take().unwrap_or_default())),
        }
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
