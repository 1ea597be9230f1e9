//! Streams that go out as fast as the quota on consumption allows.

use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};

use super::api::Api;
use crate::auth::quota::Measure;

/// How long the next piece of a stream has to wait until those before it are paid for.
pub struct Pace {
    api: Api,
    wait: Duration,
}

impl Pace {
    /// Of a stream that begins.
    #[must_use]
    pub fn new(api: Api) -> Pace {
        Pace { api, wait: Duration::ZERO }
    }

    /// A piece of so many bytes goes out.
    pub fn sent(&mut self, bytes: usize) {
        self.wait = self.api.usage().take(Measure::Consume, bytes as u64);
    }

    /// Returns when another one may go out, or the server goes down.
    pub async fn keep(&mut self) {
        let wait = std::mem::take(&mut self.wait);
        if !wait.is_zero() {
            tokio::select! {
                () = self.api.usage().waited(Measure::Consume, wait) => {}
                () = self.api.drain().begun() => {}
            }
        }
    }
}

/// The same pieces, each of which waits until those before it are paid for.
pub fn paced<S>(api: Api, pieces: S) -> impl Stream<Item = S::Item> + Send
where
    S: Stream + Send,
    S::Item: Piece + Send,
{
    stream::unfold((Box::pin(pieces), Pace::new(api)), |(mut pieces, mut pace)| async move {
        pace.keep().await;
        let piece = pieces.next().await?;
        pace.sent(piece.bytes());
        Some((piece, (pieces, pace)))
    })
}

/// What a piece of a stream counts.
pub trait Piece {
    /// Its bytes.
    fn bytes(&self) -> usize;
}

impl Piece for Bytes {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl<E> Piece for Result<Bytes, E> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, Bytes::len)
    }
}
