use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::limits::WsLimits;
use super::record_cache::RecordCache;
use crate::auth::{Pass, Usage};
use crate::drain::Drain;
use crate::topics::Topics;

/// Everything that sockets share. Cheap to clone.
#[derive(Clone)]
pub struct WsDoor(Arc<Inner>, Topics);

struct Inner {
    limits: WsLimits,
    origins: Vec<String>,
    drain: Drain,
    cache: Arc<RecordCache>,
    sockets: AtomicUsize,
}

/// One open socket's place among those that may be open.
pub struct Place(WsDoor);

impl WsDoor {
    /// A door to `topics`. `origins` are those whose pages may open a socket, beside the server's own; `*` is any.
    #[must_use]
    pub fn new(topics: Topics, limits: WsLimits, origins: Vec<String>, drain: Drain) -> WsDoor {
        let cache = Arc::default();
        WsDoor(Arc::new(Inner { limits, origins, drain, cache, sockets: AtomicUsize::new(0) }), topics)
    }

    /// The same door for a client with this pass.
    #[must_use]
    pub fn acting_for(&self, pass: Pass) -> WsDoor {
        WsDoor(Arc::clone(&self.0), self.1.acting_for(pass))
    }

    /// The same door for a client whose use is measured so.
    #[must_use]
    pub fn measured_by(&self, usage: Usage) -> WsDoor {
        WsDoor(Arc::clone(&self.0), self.1.measured_by(usage))
    }

    /// The seam, on behalf of whom the door acts for.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.1
    }

    /// What one socket may use.
    #[must_use]
    pub fn limits(&self) -> &WsLimits {
        &self.0.limits
    }

    /// Origins whose pages may open a socket.
    #[must_use]
    pub fn origins(&self) -> &[String] {
        &self.0.origins
    }

    /// How the process goes down.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// What subscribers of logs share.
    #[must_use]
    pub fn cache(&self) -> Arc<RecordCache> {
        Arc::clone(&self.0.cache)
    }

    /// Sockets that are open now.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        self.0.sockets.load(Relaxed)
    }

    /// Takes one more socket, if there may be one.
    #[must_use]
    pub fn admit(&self) -> Option<Place> {
        let most = self.0.limits.sockets;
        let admitted =
            self.0.sockets.fetch_update(Relaxed, Relaxed, |open| (open < most).then_some(open + 1));
        admitted.is_ok().then(|| Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.sockets.fetch_sub(1, Relaxed);
    }
}
