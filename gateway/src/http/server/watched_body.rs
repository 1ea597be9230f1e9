use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use parking_lot::Mutex;

use super::watch::Watch;

/// What is left of a body that nobody read to its end.
pub type Rest = Arc<Mutex<Option<Incoming>>>;

/// A request's body that notes when the server has to wait for it.
pub struct WatchedBody {
    /// It is there until this is dropped.
    body: Option<Incoming>,
    watch: Arc<Watch>,
    awaited: bool,
    /// Where it goes when this is dropped.
    rest: Rest,
}

impl WatchedBody {
    pub fn new(body: Incoming, watch: Arc<Watch>, rest: Rest) -> WatchedBody {
        WatchedBody { body: Some(body), watch, awaited: false, rest }
    }

    fn note(&mut self, awaited: bool) {
        if awaited != self.awaited {
            self.awaited = awaited;
            self.watch.body_awaited(awaited);
        }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let outcome = Pin::new(body).poll_frame(cx);
        self.note(outcome.is_pending());
        outcome
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        self.note(false);
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.rest.lock() = Some(body);
        }
    }
}
