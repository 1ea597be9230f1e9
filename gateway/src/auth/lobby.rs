use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// How long a client may wait without having to make room: far longer than one that does its part.
const SPARED: Duration = Duration::from_secs(1);

/// Clients that nobody knows yet, of all doors: in the handshake of TLS, or before their login.
///
/// There is room for so many. Once it is full, whoever comes takes the place of who has waited longest, so that clients
/// which never go on do not keep out those that do. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lobby(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    numbered: u64,
    /// In the order in which they came.
    clients: BTreeMap<u64, (Instant, CancellationToken)>,
}

/// A client's place; dropping it gives the place back.
#[derive(Debug)]
pub struct Waiter {
    lobby: Lobby,
    number: u64,
    turned_out: CancellationToken,
}

impl Lobby {
    /// With room for so many.
    #[must_use]
    pub fn new(most: usize) -> Lobby {
        Lobby(Arc::new(Inner { most, waiting: Mutex::default() }))
    }

    /// Lets a client wait; `None` when all places are taken by clients that came just now.
    #[must_use]
    pub fn enter(&self, now: Instant) -> Option<Waiter> {
        let mut waiting = self.0.waiting.lock();
        if waiting.clients.len() >= self.0.most {
            let first = waiting.clients.first_entry()?;
            if now.saturating_duration_since(first.get().0) < SPARED {
                return None;
            }
            first.remove().1.cancel();
        }
        let turned_out = CancellationToken::new();
        let number = waiting.numbered;
        waiting.numbered += 1;
        waiting.clients.insert(number, (now, turned_out.clone()));
        Some(Waiter { lobby: self.clone(), number, turned_out })
    }
}

impl Waiter {
    /// Returns when the client has to make room for another.
    pub async fn turned_out(&self) {
        self.turned_out.cancelled().await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.lobby.0.waiting.lock().clients.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waited_longest_makes_room_but_not_at_once() {
        let (lobby, start) = (Lobby::new(2), Instant::now());
        let first = lobby.enter(start).unwrap();
        let second = lobby.enter(start + SPARED / 2).unwrap();
        assert!(lobby.enter(start + SPARED / 2).is_none(), "both came just now");
        let third = lobby.enter(start + SPARED).unwrap();
        assert!(first.turned_out.is_cancelled() && !second.turned_out.is_cancelled());
        // A place that was taken over is not given back by who had it.
        drop(first);
        assert!(lobby.enter(start + SPARED).is_none());
        drop(third);
        assert!(lobby.enter(start + SPARED).is_some());
    }
}
