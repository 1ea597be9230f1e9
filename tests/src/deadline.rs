//! Waiting for conditions. Tests do not sleep for a guessed time: they ask until it is so, or fail at a deadline.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long anything may take before a test calls it stuck. Generous: a slow machine must not fail a test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a future, at most [`PATIENCE`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("still waiting after {PATIENCE:?}: {what}"),
    }
}

/// Asks again and again until the answer is `Some`, at most [`PATIENCE`].
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let end = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(value) = ask().await {
            return value;
        }
        assert!(Instant::now() < end, "still not so after {PATIENCE:?}: {what}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// [`until`] for code outside a runtime.
pub fn until_blocking<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ask() {
            return value;
        }
        assert!(Instant::now() < end, "still not so after {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
