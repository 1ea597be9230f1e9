use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::ServerLimits;
use super::leash::{Leash, Pull};

/// All connections of the server: how many there are, and what the patrol needs to find those that stand still.
#[derive(Debug, Default)]
pub struct Connections {
    /// Seconds since the server started, from 1 on: 0 stands for "not".
    clock: AtomicU32,
    open: AtomicUsize,
    accepted: AtomicU64,
    refused: AtomicU64,
    timed_out: AtomicU64,
    watches: Mutex<Vec<Weak<Watch>>>,
}

impl Connections {
    /// Connections that are open now, WebSockets included.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Connections taken since the start.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Connections turned away because there were too many.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Connections cut or closed because they stood still.
    #[must_use]
    pub fn timed_out(&self) -> u64 {
        self.timed_out.load(Relaxed)
    }

    /// Takes one more connection, if there may be one.
    pub fn admit(self: &Arc<Self>, limit: usize) -> Option<Arc<Watch>> {
        if self.open.load(Relaxed) >= limit {
            self.refused.fetch_add(1, Relaxed);
            return None;
        }
        self.open.fetch_add(1, Relaxed);
        self.accepted.fetch_add(1, Relaxed);
        let watch = Arc::new(Watch::new(self.clone()));
        self.watches.lock().push(Arc::downgrade(&watch));
        Some(watch)
    }

    fn now(&self) -> u32 {
        self.clock.load(Relaxed) + 1
    }

    /// One second passed: deals with connections that stood still for too long.
    pub fn patrol(&self, limits: &ServerLimits) {
        self.clock.fetch_add(1, Relaxed);
        let now = self.now();
        self.watches.lock().retain(|watch| {
            let Some(watch) = watch.upgrade().filter(|watch| !watch.handed_over.load(Relaxed)) else {
                return false;
            };
            if let Some(pull) = watch.verdict(now, limits)
                && watch.leash.pull(pull)
            {
                self.timed_out.fetch_add(1, Relaxed);
            }
            true
        });
    }

    /// Pulls every leash: on the way down.
    pub fn pull_all(&self, pull: Pull) {
        for watch in self.watches.lock().iter().filter_map(Weak::upgrade) {
            watch.leash.pull(pull);
        }
    }
}

/// What one connection is doing. Written by the connection, read by the patrol; times are in seconds of the clock.
#[derive(Debug)]
pub struct Watch {
    connections: Arc<Connections>,
    pub leash: Leash,
    in_service: AtomicU32,
    head_since: AtomicU32,
    body_awaited_since: AtomicU32,
    write_blocked_since: AtomicU32,
    read_at: AtomicU32,
    wrote_at: AtomicU32,
    multiplexed: AtomicBool,
    handed_over: AtomicBool,
}

impl Watch {
    fn new(connections: Arc<Connections>) -> Watch {
        let now = connections.now();
        Watch {
            connections,
            leash: Leash::default(),
            in_service: AtomicU32::new(0),
            head_since: AtomicU32::new(now),
            body_awaited_since: AtomicU32::new(0),
            write_blocked_since: AtomicU32::new(0),
            read_at: AtomicU32::new(now),
            wrote_at: AtomicU32::new(now),
            multiplexed: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
        }
    }

    /// A request's head arrived in full.
    pub fn request_begins(&self) {
        self.in_service.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
    }

    /// Its answer is ready (the body of the answer may still be on its way), or nobody wants it any more.
    pub fn request_ends(&self) {
        self.in_service.fetch_sub(1, Relaxed);
        self.wrote_at.store(self.connections.now(), Relaxed);
    }

    /// The client turned out to speak HTTP/2: many requests at a time, so a head cannot be told from its bytes.
    pub fn multiplexes(&self) {
        self.multiplexed.store(true, Relaxed);
        self.head_since.store(0, Relaxed);
    }

    /// Bytes came in.
    pub fn read(&self) {
        let now = self.connections.now();
        self.read_at.store(now, Relaxed);
        if self.in_service.load(Relaxed) == 0
            && self.head_since.load(Relaxed) == 0
            && !self.multiplexed.load(Relaxed)
        {
            self.head_since.store(now, Relaxed);
        }
    }

    /// Bytes went out.
    pub fn wrote(&self) {
        self.wrote_at.store(self.connections.now(), Relaxed);
    }

    /// The client takes no more bytes, or takes them again.
    pub fn write_blocked(&self, blocked: bool) {
        self.write_blocked_since.store(if blocked { self.connections.now() } else { 0 }, Relaxed);
    }

    /// The server waits for the body of a request, or no longer.
    pub fn body_awaited(&self, awaited: bool) {
        self.body_awaited_since.store(if awaited { self.connections.now() } else { 0 }, Relaxed);
    }

    /// HTTP is over on this connection: closed, or upgraded to something with limits of its own.
    pub fn hand_over(&self) {
        self.handed_over.store(true, Relaxed);
    }

    fn verdict(&self, now: u32, limits: &ServerLimits) -> Option<Pull> {
        // A second more, since a clock that ticks in seconds may be nearly one second off.
        let seconds = |limit: std::time::Duration| limit.as_millis().div_ceil(1000) as u64 + 1;
        let passed = |since: u32, limit| since != 0 && u64::from(now.saturating_sub(since)) >= limit;
        let wrote_at = self.wrote_at.load(Relaxed);
        let head_since = self.head_since.load(Relaxed);
        let idle = seconds(limits.idle_timeout);
        // While an answer is still being written the next head may wait.
        if head_since != 0 && passed(head_since.max(wrote_at), seconds(limits.header_timeout)) {
            return Some(Pull::Cut);
        }
        if passed(self.body_awaited_since.load(Relaxed), idle)
            || passed(self.write_blocked_since.load(Relaxed), idle)
        {
            return Some(Pull::Cut);
        }
        let moved_at =
            if self.multiplexed.load(Relaxed) { wrote_at } else { wrote_at.max(self.read_at.load(Relaxed)) };
        (self.in_service.load(Relaxed) == 0 && passed(moved_at, idle)).then_some(Pull::Close)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: ServerLimits = ServerLimits {
        max_connections: 2,
        max_header_bytes: 8192,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
    };

    fn pass(connections: &Connections, seconds: u32) {
        for _ in 0..seconds {
            connections.patrol(&LIMITS);
        }
    }

    #[test]
    fn more_connections_than_allowed_are_refused_until_one_goes() {
        let connections = Arc::new(Connections::default());
        let first = connections.admit(2).unwrap();
        let _second = connections.admit(2).unwrap();
        assert!(connections.admit(2).is_none());
        drop(first);
        assert!(connections.admit(2).is_some());
        assert_eq!((connections.accepted(), connections.refused()), (3, 1));
    }

    #[test]
    fn a_client_that_never_sends_its_head_is_cut() {
        let connections = Arc::new(Connections::default());
        let watch = connections.admit(2).unwrap();
        pass(&connections, 9);
        watch.read();
        assert_eq!(watch.leash.pulled(), None);
        pass(&connections, 2);
        assert_eq!(watch.leash.pulled(), Some(Pull::Cut));
        assert_eq!(connections.timed_out(), 1);
    }

    #[test]
    fn a_request_may_take_as_long_as_it_likes_and_idling_after_it_is_closed() {
        let connections = Arc::new(Connections::default());
        let watch = connections.admit(2).unwrap();
        watch.read();
        watch.request_begins();
        pass(&connections, 1000);
        assert_eq!(watch.leash.pulled(), None);
        watch.request_ends();
        watch.wrote();
        pass(&connections, 60);
        assert_eq!(watch.leash.pulled(), None);
        pass(&connections, 1);
        assert_eq!(watch.leash.pulled(), Some(Pull::Close));
    }

    #[test]
    fn a_body_that_stops_and_a_reader_that_stops_are_cut() {
        for stall in [|watch: &Watch| watch.body_awaited(true), |watch: &Watch| watch.write_blocked(true)] {
            let connections = Arc::new(Connections::default());
            let watch = connections.admit(2).unwrap();
            watch.request_begins();
            stall(&watch);
            pass(&connections, 60);
            assert_eq!(watch.leash.pulled(), None);
            pass(&connections, 1);
            assert_eq!(watch.leash.pulled(), Some(Pull::Cut));
        }
    }

    #[test]
    fn a_stream_that_is_written_to_lives_on() {
        let connections = Arc::new(Connections::default());
        let watch = connections.admit(2).unwrap();
        watch.request_begins();
        watch.request_ends();
        watch.read();
        for _ in 0..50 {
            pass(&connections, 9);
            watch.wrote();
        }
        assert_eq!(watch.leash.pulled(), None);
    }

    #[test]
    fn pings_do_not_keep_an_unused_http2_connection() {
        let connections = Arc::new(Connections::default());
        let watch = connections.admit(2).unwrap();
        watch.multiplexes();
        for _ in 0..12 {
            pass(&connections, 5);
            watch.read();
        }
        assert_eq!(watch.leash.pulled(), None);
        pass(&connections, 1);
        assert_eq!(watch.leash.pulled(), Some(Pull::Close));
    }

    #[test]
    fn what_was_handed_over_is_counted_but_left_alone() {
        let connections = Arc::new(Connections::default());
        let watch = connections.admit(2).unwrap();
        watch.hand_over();
        pass(&connections, 500);
        assert_eq!(watch.leash.pulled(), None);
        assert_eq!(connections.open(), 1);
    }
}
