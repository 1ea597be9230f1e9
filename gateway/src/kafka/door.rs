use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::fetch_sessions::FetchSessions;
use super::share_sessions::ShareSessions;
use crate::auth::sasl::Mechanism;
use crate::auth::{Pass, Usage};
use crate::config::KafkaConfig;
use crate::drain::Drain;
use crate::topics::{Topic, Topics};

/// Topics listed at a time.
const PAGE: usize = 1000;

/// Everything that Kafka connections share. Cheap to clone.
#[derive(Clone)]
pub struct KafkaDoor(Arc<Inner>, Topics);

struct Inner {
    mechanisms: Vec<Mechanism>,
    config: KafkaConfig,
    data_dir: String,
    drain: Drain,
    in_flight: Arc<Semaphore>,
    connections: AtomicUsize,
    fetch_sessions: Mutex<FetchSessions>,
    share_sessions: Mutex<ShareSessions>,
    /// Connections numbered so far.
    numbered: AtomicU64,
}

/// One open connection's place among those that may be open.
pub struct Place(KafkaDoor);

impl KafkaDoor {
    /// A door to `topics`.
    #[must_use]
    pub fn new(
        topics: Topics,
        config: KafkaConfig,
        max_share_sessions: usize,
        data_dir: String,
        drain: Drain,
    ) -> KafkaDoor {
        let share_sessions = Mutex::new(ShareSessions::new(max_share_sessions));
        let fetch_sessions = Mutex::new(FetchSessions::new(config.max_fetch_sessions));
        let in_flight = Arc::new(Semaphore::new(config.max_in_flight_bytes));
        let names = config.mechanisms.iter();
        let inner = Inner {
            mechanisms: names.filter_map(|name| Mechanism::from_name(name)).collect(),
            config,
            data_dir,
            drain,
            in_flight,
            connections: AtomicUsize::new(0),
            fetch_sessions,
            share_sessions,
            numbered: AtomicU64::new(0),
        };
        KafkaDoor(Arc::new(inner), topics)
    }

    /// The same door for a client with this pass.
    #[must_use]
    pub fn acting_for(&self, pass: Pass) -> KafkaDoor {
        KafkaDoor(Arc::clone(&self.0), self.1.acting_for(pass))
    }

    /// The same door for a client whose use is measured so.
    #[must_use]
    pub fn measured_by(&self, usage: Usage) -> KafkaDoor {
        KafkaDoor(Arc::clone(&self.0), self.1.measured_by(usage))
    }

    /// How clients may say who they are.
    pub fn mechanisms(&self) -> &[Mechanism] {
        &self.0.mechanisms
    }

    /// How long a login lasts before it has to be renewed (KIP-368).
    pub fn session(&self) -> Option<Duration> {
        let ms = self.0.config.max_session_ms;
        (ms > 0).then(|| Duration::from_millis(ms))
    }

    /// The seam, on behalf of whom the door acts for.
    pub fn topics(&self) -> &Topics {
        &self.1
    }

    /// What was configured.
    pub fn config(&self) -> &KafkaConfig {
        &self.0.config
    }

    /// The one node that the cluster has.
    pub fn node_id(&self) -> i32 {
        i32::try_from(self.0.config.node_id).unwrap_or(i32::MAX)
    }

    /// Where the data lies.
    pub fn data_dir(&self) -> &str {
        &self.0.data_dir
    }

    /// Every topic, by name.
    pub fn all_topics(&self) -> Vec<Topic> {
        let mut found: Vec<Topic> = Vec::new();
        loop {
            let after = found.last().map(|topic| topic.name().to_string());
            let page = self.topics().topics_after(after.as_deref(), PAGE);
            let full = page.len() == PAGE;
            found.extend(page);
            if !full {
                return found;
            }
        }
    }

    /// How the process goes down.
    pub fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// Permits for the bytes of large requests.
    pub fn in_flight(&self) -> &Arc<Semaphore> {
        &self.0.in_flight
    }

    /// Fetch sessions of all connections.
    pub fn fetch_sessions(&self) -> &Mutex<FetchSessions> {
        &self.0.fetch_sessions
    }

    /// Share sessions of all members.
    pub fn share_sessions(&self) -> &Mutex<ShareSessions> {
        &self.0.share_sessions
    }

    /// A number that no other connection has.
    pub fn number_connection(&self) -> u64 {
        self.0.numbered.fetch_add(1, Ordering::Relaxed)
    }

    /// A place for one more connection, if there is any.
    pub fn admit(&self) -> Option<Place> {
        let most = self.0.config.max_connections;
        let one_more = |open| (open < most).then_some(open + 1);
        let admitted = self.0.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        admitted.is_ok().then(|| Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
