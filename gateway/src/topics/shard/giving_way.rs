//! Work in the background that gives way to what somebody waits for.
use std::panic::resume_unwind;
use std::thread;

/// How much less the system prefers a thread that gives way: it gets a tenth of what another gets that wants to run at the
/// same time, so that it is late but never starves.
const NICENESS: i32 = 10;

/// Runs `work`, and the threads that it makes, after those of others that want to run: a request that had to wait until eight
/// threads have settled their share would be as late as if it had waited for the disk. On a thread of its own, since without
/// privileges none gets its rank back; here, where there is none to be had.
pub(super) fn giving_way<R: Send>(work: impl Fn() -> R + Sync) -> R {
    thread::scope(|scope| {
        let later = || {
            // Refused, it runs as all others do.
            let _ = rustix::process::nice(NICENESS);
            work()
        };
        match thread::Builder::new().name("settle".into()).spawn_scoped(scope, later) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => work(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{NICENESS, giving_way};

    #[test]
    fn work_gives_way_and_its_caller_does_not() {
        let rank = || rustix::process::getpriority_process(None).expect("a priority");
        let before = rank();
        let (own, of_its_thread) =
            giving_way(|| (rank(), std::thread::spawn(rank).join().expect("it does not panic")));
        let lower = (before + NICENESS).min(19);
        assert_eq!((own, of_its_thread), (lower, lower));
        assert_eq!(rank(), before);
    }
}
