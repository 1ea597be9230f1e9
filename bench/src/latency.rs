//! Sending at a fixed rate and timing from the moment a message was meant to be sent, whether or not it was.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::frames::WebSocket;
use crate::table::median;

/// Latencies in nanoseconds.
pub type Latencies = Histogram<u64>;

/// An empty histogram: up to a minute, three digits.
pub fn histogram() -> Latencies {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("valid bounds")
}

/// `p50/p99` in microseconds.
pub fn quantiles(latencies: &Latencies) -> (f64, f64) {
    (latencies.value_at_quantile(0.5) as f64 / 1e3, latencies.value_at_quantile(0.99) as f64 / 1e3)
}

/// The middle of several turns' p50 and p99, in microseconds: one turn in which the disk was busy with something else
/// does not decide.
pub fn middle(turns: &[Latencies]) -> (f64, f64) {
    let all: Vec<(f64, f64)> = turns.iter().map(quantiles).collect();
    let of = |part: fn(&(f64, f64)) -> f64| median(&all.iter().map(part).collect::<Vec<_>>());
    (of(|turn| turn.0), of(|turn| turn.1))
}

/// Sends one message per tick on a socket and times what comes back on it.
///
/// `frame(n)` makes the bytes of message `n`; `arrived(payload)` tells which message a received frame carries.
pub fn paced(
    socket: &mut WebSocket,
    per_second: u32,
    time: Duration,
    mut frame: impl FnMut(u32) -> Vec<u8>,
    mut arrived: impl FnMut(&[u8], &mut dyn FnMut(u32)),
    mut reply: impl FnMut(&mut WebSocket),
) -> Latencies {
    let step = Duration::from_secs(1) / per_second;
    let count = (time.as_secs_f64() * f64::from(per_second)) as u32;
    let began = Instant::now() + Duration::from_millis(5);
    let intended = |number: u32| began + step * number;
    let mut latencies = histogram();
    let (mut sent, mut seen) = (0, 0);
    let give_up = intended(count) + Duration::from_secs(10);
    while seen < count && Instant::now() < give_up {
        while sent < count && Instant::now() >= intended(sent) {
            let bytes = frame(sent);
            socket.send(&bytes);
            sent += 1;
        }
        let next = if sent < count { intended(sent) } else { give_up };
        let wait = next.saturating_duration_since(Instant::now());
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let readable = {
            let mut fds = [PollFd::from_borrowed_fd(socket.stream.as_fd(), PollFlags::IN)];
            poll(&mut fds, Some(&wait)).unwrap_or(0) > 0
        };
        if readable {
            let mut any = false;
            socket.receive(|payload| {
                let now = Instant::now();
                arrived(payload, &mut |number| {
                    latencies.saturating_record((now - intended(number)).as_nanos() as u64);
                    seen += 1;
                    any = true;
                });
            });
            if any {
                reply(socket);
            }
        }
    }
    assert_eq!(seen, count, "messages went missing");
    latencies
}

/// Asks the kernel to wake this thread when it said, not up to 50 microseconds later.
pub fn precise_timers() {
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}
