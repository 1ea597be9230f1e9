//! Who is connected, for whoever looks after the broker.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_channel::mpsc;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::connection::ConnectionReport;
use crate::topics::session::SessionEvent;

/// How long a connection may take to say how it stands; one that is slower is shown without that.
const PATIENCE: Duration = Duration::from_secs(1);

/// All connections of the AMQP door. Cheap to clone.
#[derive(Clone, Default)]
pub struct Roster(Arc<Inner>);

#[derive(Default)]
struct Inner {
    guests: Mutex<BTreeMap<u64, Arc<Guest>>>,
    next: AtomicU64,
    closed: AtomicU64,
}

/// One connection.
pub(super) struct Guest {
    number: u64,
    peer: SocketAddr,
    local: SocketAddr,
    since_ms: u64,
    owner: u64,
    outlet: mpsc::UnboundedSender<SessionEvent>,
    calls: Mutex<Vec<Call>>,
}

/// What somebody wants of a connection.
pub(super) enum Call {
    /// To know how it stands.
    Report(oneshot::Sender<(ConnectionReport, Traffic)>),
    /// That it ends.
    Leave(String),
}

/// What went over a connection's socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Bytes that came in.
    pub received_bytes: u64,
    /// In how many reads.
    pub reads: u64,
    /// Bytes that went out.
    pub sent_bytes: u64,
    /// In how many writes.
    pub writes: u64,
    /// Bytes that wait to go out.
    pub waiting_bytes: u64,
}

/// A connection for whoever looks after the broker.
#[derive(Clone, Debug)]
pub struct Presence {
    /// Where the client is.
    pub peer: SocketAddr,
    /// Where it connected to.
    pub local: SocketAddr,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: u64,
    /// What its exclusive queues belong to.
    pub owner: u64,
    /// How it stands, unless it is too busy to say so.
    pub report: ConnectionReport,
    /// What it took and gave.
    pub traffic: Traffic,
}

impl Presence {
    /// What RabbitMQ calls the connection.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} -> {}", self.peer, self.local)
    }
}

/// A connection's entry; dropping it takes it out.
pub(super) struct Entry {
    roster: Roster,
    guest: Arc<Guest>,
}

impl Roster {
    pub(super) fn enter(
        &self,
        peer: SocketAddr,
        local: SocketAddr,
        owner: u64,
        outlet: mpsc::UnboundedSender<SessionEvent>,
    ) -> Entry {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let since_ms = now.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let number = self.0.next.fetch_add(1, Relaxed);
        let guest = Arc::new(Guest { number, peer, local, since_ms, owner, outlet, calls: Mutex::default() });
        self.0.guests.lock().insert(number, Arc::clone(&guest));
        Entry { roster: self.clone(), guest }
    }

    /// How many connections were opened and closed since the start.
    #[must_use]
    pub fn churn(&self) -> (u64, u64) {
        (self.0.next.load(Relaxed), self.0.closed.load(Relaxed))
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.guests.lock().len()
    }

    /// Whether nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All connections, in the order in which they came.
    pub async fn presences(&self) -> Vec<Presence> {
        let guests: Vec<Arc<Guest>> = self.0.guests.lock().values().cloned().collect();
        let asked: Vec<_> = guests
            .into_iter()
            .map(|guest| {
                let (sender, answer) = oneshot::channel();
                guest.call(Call::Report(sender));
                (guest, answer)
            })
            .collect();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut presences = Vec::with_capacity(asked.len());
        for (guest, answer) in asked {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let (report, traffic) = match timeout(left, answer).await {
                Ok(Ok(told)) => told,
                // It ended meanwhile.
                Ok(Err(_)) => continue,
                Err(_) => Default::default(),
            };
            let Guest { peer, local, since_ms, owner, .. } = *guest;
            presences.push(Presence { peer, local, since_ms, owner, report, traffic });
        }
        presences
    }

    /// Ends the connections that `wanted` picks; answers how many.
    pub fn expel(&self, wanted: impl Fn(SocketAddr, SocketAddr) -> bool, reason: &str) -> usize {
        let guests: Vec<Arc<Guest>> = self.0.guests.lock().values().cloned().collect();
        let chosen = guests.into_iter().filter(|guest| wanted(guest.peer, guest.local));
        chosen.map(|guest| guest.call(Call::Leave(reason.to_owned()))).count()
    }
}

impl Guest {
    fn call(&self, call: Call) {
        self.calls.lock().push(call);
        // One that is gone has nothing to answer.
        let _ = self.outlet.unbounded_send(SessionEvent::Called);
    }
}

impl Entry {
    /// What is wanted of the connection.
    pub(super) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.guest.calls.lock())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roster.0.guests.lock().remove(&self.guest.number);
        self.roster.0.closed.fetch_add(1, Relaxed);
    }
}
