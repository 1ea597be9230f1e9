//! Streams that go out as fast as the quota on consumption allows.

use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};

use super::api::Api;
use crate::auth::quota::Measure;

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

/// The same pieces, each of which waits until those before it are paid for, or the server goes down.
pub fn paced<S>(api: Api, pieces: S) -> impl Stream<Item = S::Item> + Send
where
    S: Stream + Send,
    S::Item: Piece + Send,
{
    let begin = (Box::pin(pieces), api, Duration::ZERO);
    stream::unfold(begin, |(mut pieces, api, wait)| async move {
        if !wait.is_zero() {
            tokio::select! {
                () = api.usage().waited(Measure::Consume, wait) => {}
                () = api.drain().begun() => {}
            }
        }
        let piece = pieces.next().await?;
        let wait = api.usage().take(Measure::Consume, piece.bytes() as u64);
        Some((piece, (pieces, api, wait)))
    })
}
