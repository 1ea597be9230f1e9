//! Request bodies, within bounds.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use message::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::refusal::Refusal;

/// Bodies up to this size are bounded well enough by the number of connections.
const SMALL: usize = 16 << 10;
/// One permit stands for so many bytes.
const GRAIN: usize = 1 << 10;
/// A body of unknown length reserves memory in steps of this.
const STEP: usize = 256 << 10;

/// The memory that all bodies together may take. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BodyMemory {
    permits: Arc<Semaphore>,
    total: usize,
}

/// A body in memory, and its share of the memory for bodies.
#[derive(Debug)]
pub struct Held {
    /// The whole body.
    pub bytes: Bytes,
    _share: Vec<OwnedSemaphorePermit>,
}

impl BodyMemory {
    /// So many bytes for all.
    #[must_use]
    pub fn new(bytes: usize) -> BodyMemory {
        let total = (bytes / GRAIN).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        BodyMemory { permits: Arc::new(Semaphore::new(total)), total }
    }

    /// A share of this size, once there is room.
    pub async fn share(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes <= SMALL {
            return None;
        }
        let permits = (bytes / GRAIN).clamp(1, self.total) as u32;
        // The semaphore is never closed.
        Arc::clone(&self.permits).acquire_many_owned(permits).await.ok()
    }

    /// A share of this size if there is room now.
    pub fn try_share(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let permits = (bytes / GRAIN).clamp(1, self.total) as u32;
        Arc::clone(&self.permits).try_acquire_many_owned(permits).map_err(|_| {
            Refusal::new(ErrorCode::Overloaded, "the server holds as many request bytes as it may")
                .retry_after(200)
        })
    }

    /// Reads a body of at most `limit` bytes. One that arrives in one piece is not copied.
    pub async fn read(&self, mut body: Body, limit: usize) -> Result<Held, Problem> {
        let hint = body.size_hint();
        if hint.lower() > limit as u64 {
            return Err(Problem::body_too_large(limit));
        }
        let mut share = Vec::new();
        if let Some(exact) = hint.exact() {
            // Known beforehand: wait for room instead of refusing, which stops reading from this client.
            share.extend(self.share(usize::try_from(exact).unwrap_or(limit)).await);
        }
        let known = hint.exact().is_some();
        let Some(first) = next_piece(&mut body).await? else {
            return Ok(Held { bytes: Bytes::new(), _share: share });
        };
        if body.is_end_stream() {
            return if first.len() > limit {
                Err(Problem::body_too_large(limit))
            } else {
                Ok(Held { bytes: first, _share: share })
            };
        }
        let mut whole = BytesMut::with_capacity(usize::try_from(hint.lower()).unwrap_or(0).min(limit));
        let mut reserved = SMALL;
        let mut piece = first;
        loop {
            if whole.len() + piece.len() > limit {
                return Err(Problem::body_too_large(limit));
            }
            while !known && whole.len() + piece.len() > reserved {
                share.push(self.try_share(STEP)?);
                reserved += STEP;
            }
            whole.extend_from_slice(&piece);
            match next_piece(&mut body).await? {
                Some(next) => piece = next,
                None => return Ok(Held { bytes: whole.freeze(), _share: share }),
            }
        }
    }
}

/// The next data of a body; trailers are passed over.
pub async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Err(error) => {
                return Err(Problem::invalid("body", format!("the body could not be read: {error}")));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse as _;

    fn pieces(pieces: &[&'static str]) -> Body {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok::<_, std::io::Error>(*piece)).collect();
        Body::from_stream(futures_util::stream::iter(pieces))
    }

    #[tokio::test]
    async fn bodies_are_read_whole_or_refused() {
        let memory = BodyMemory::new(1 << 20);
        assert_eq!(memory.read(pieces(&["ab", "cd"]), 4).await.unwrap().bytes, "abcd");
        assert_eq!(memory.read(pieces(&[]), 4).await.unwrap().bytes, "");
        for body in [pieces(&["ab", "cde"]), pieces(&["abcde"]), Body::from("abcde")] {
            let refused = memory.read(body, 4).await.unwrap_err();
            assert_eq!(refused.into_response().status(), 413);
        }
    }

    #[tokio::test]
    async fn memory_for_bodies_runs_out_and_comes_back() {
        let memory = BodyMemory::new(300 << 10);
        let big = || Body::from(vec![0; 200 << 10]);
        let held = memory.read(big(), 1 << 20).await.unwrap();
        assert!(memory.try_share(200 << 10).is_err());
        drop(held);
        memory.read(big(), 1 << 20).await.unwrap();
    }
}
