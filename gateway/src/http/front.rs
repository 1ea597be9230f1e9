//! What every request passes first: it is counted, and until the data is open only health, metrics and the
//! documents are answered.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use message::ErrorCode;
use pin_project_lite::pin_project;
use tower::Service;

use super::server::Answer;
use super::unavailable::unavailable;
use crate::metrics::HttpCounters;
use crate::metrics::http_counters::Counting;
use crate::refusal::Refusal;

/// Answers requests with the operational endpoints at first, with everything once it was opened. Cheap to clone.
#[derive(Clone)]
pub struct Front(Arc<Inner>);

struct Inner {
    operations: Router,
    all: OnceLock<Router>,
    counters: Arc<HttpCounters>,
}

impl Front {
    /// A front that answers with `operations` only.
    #[must_use]
    pub fn new(operations: Router, counters: Arc<HttpCounters>) -> Front {
        let operations = operations.fallback(async || {
            unavailable(
                &Refusal::new(ErrorCode::ShuttingDown, "the server is still opening its data; try again")
                    .retry_after(1000),
            )
        });
        Front(Arc::new(Inner { operations, all: OnceLock::new(), counters }))
    }

    /// From now on `all` answers. Only the first call counts.
    pub fn open(&self, all: Router) {
        let _ = self.0.all.set(all);
    }
}

impl Answer for Front {
    type Future = Counted;

    fn answer(&self, request: Request) -> Counted {
        let inner = &self.0;
        let counting = Counting::begin(&inner.counters, request.method(), request.uri().path());
        // Cloning a router is one reference count.
        let mut router = inner.all.get().unwrap_or(&inner.operations).clone();
        Counted { answer: router.call(request), counting }
    }
}

pin_project! {
    /// An answer on its way, which is counted when it is there.
    pub struct Counted {
        #[pin]
        answer: RouteFuture<Infallible>,
        counting: Counting,
    }
}

impl Future for Counted {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.answer.poll(cx))?;
        this.counting.answered(response.status());
        Poll::Ready(Ok(response))
    }
}
