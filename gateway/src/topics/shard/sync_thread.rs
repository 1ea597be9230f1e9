use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use segment_store::{Lsn, StoreError, Syncer};
use tokio::sync::Notify;

use crate::topics::vitals::Vitals;

/// The thread that waits for the disk so that the owner need not.
///
/// It syncs up to the newest position asked for, so requests that arrive during one sync share the next. Waking it, and
/// being woken by it, costs as much as half a sync of a fast disk. So where the disk is fast and little waits, the owner
/// syncs by itself.
pub(crate) struct SyncThread {
    syncer: Syncer,
    vitals: Arc<Vitals>,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    asked: Condvar,
    done: Notify,
}

struct State {
    wanted: Lsn,
    /// Commands that wait for it.
    waiting: usize,
    outcome: Result<Lsn, String>,
    /// How long a sync takes lately.
    typical: Duration,
    stop: bool,
}

/// The owner waits for a disk that takes no longer than this.
const QUICK: Duration = Duration::from_micros(400);

impl State {
    /// Takes note of a sync that ended.
    fn ended(&mut self, outcome: Result<Lsn, StoreError>, took: Duration) {
        self.outcome = outcome.map_err(|error| error.to_string());
        self.typical = (self.typical * 7 + took) / 8;
    }
}

impl SyncThread {
    pub(crate) fn start(syncer: Syncer, durable: Lsn, vitals: Arc<Vitals>) -> std::io::Result<SyncThread> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                wanted: durable,
                waiting: 0,
                outcome: Ok(durable),
                // Until it was seen to be quick, it counts as slow.
                typical: 2 * QUICK,
                stop: false,
            }),
            asked: Condvar::new(),
            done: Notify::new(),
        });
        let (worker, its_syncer, its_vitals) = (Arc::clone(&shared), syncer.clone(), Arc::clone(&vitals));
        let run = move || worker.run(&its_syncer, &its_vitals);
        let thread = thread::Builder::new().name("sluice-sync".into()).spawn(run)?;
        Ok(SyncThread { syncer, vitals, shared, thread: Some(thread) })
    }

    /// Whether the thread rests and the disk is so quick that waiting for it here is better than waking the thread.
    pub(crate) fn is_quick(&self) -> bool {
        let state = self.shared.state.lock();
        state.typical <= QUICK && state.outcome.as_ref().is_ok_and(|durable| state.wanted <= *durable)
    }

    /// Syncs in this thread; the outcome says how it went.
    pub(crate) fn sync_here(&self, upto: Lsn) {
        let began = Instant::now();
        let outcome = self.syncer.sync(upto);
        let took = began.elapsed();
        self.vitals.sync.record(took);
        let mut state = self.shared.state.lock();
        state.ended(outcome, took);
        state.wanted = state.wanted.max(upto);
    }

    /// Asks for everything below `upto` to reach the disk.
    pub(crate) fn request(&self, upto: Lsn, waiting: usize) {
        let mut state = self.shared.state.lock();
        if upto > state.wanted {
            state.wanted = upto;
            state.waiting = waiting;
            self.shared.asked.notify_one();
        }
    }

    /// How far the disk is certain, or why it never will be again.
    pub(crate) fn outcome(&self) -> Result<Lsn, String> {
        self.shared.state.lock().outcome.clone()
    }

    /// Returns when a sync ended since the last time this returned.
    pub(crate) async fn progressed(&self) {
        self.shared.done.notified().await;
    }
}

impl Drop for SyncThread {
    fn drop(&mut self) {
        self.shared.state.lock().stop = true;
        self.shared.asked.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// From this many commands on, those that a sync answers are expected back.
pub(super) const COHORT: usize = 6;
/// How long they are waited for at most.
pub(super) const GATHER: Duration = Duration::from_micros(100);

impl Shared {
    /// Right after a sync that answered many, their next requests are on the way: a sync for the first of them alone
    /// would make all others wait for two. So most of them are let in first, for less time than a sync takes.
    fn gather(&self, state: &mut MutexGuard<'_, State>, last: Instant, cohort: usize) {
        let until = last + GATHER;
        while cohort >= COHORT && state.waiting < cohort / 4 * 3 && !state.stop && Instant::now() < until {
            self.asked.wait_until(state, until);
        }
    }

    fn run(&self, syncer: &Syncer, vitals: &Vitals) {
        let mut state = self.state.lock();
        let (mut last, mut cohort) = (Instant::now(), 0);
        loop {
            let reached = match &state.outcome {
                Ok(durable) => *durable,
                Err(_) => return,
            };
            if state.wanted <= reached {
                if state.stop {
                    return;
                }
                self.asked.wait(&mut state);
                continue;
            }
            self.gather(&mut state, last, cohort);
            let wanted = state.wanted;
            cohort = state.waiting;
            drop(state);
            let began = Instant::now();
            let outcome = syncer.sync(wanted);
            last = Instant::now();
            vitals.sync.record(last - began);
            state = self.state.lock();
            state.ended(outcome, last - began);
            self.done.notify_one();
        }
    }
}
