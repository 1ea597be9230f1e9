//! 1,000 messages a second over WebSocket: publish to push on one socket, beside an echo on one socket.

use std::time::Duration;

use crate::batches;
use crate::frames::{WebSocket, push_binary};
use crate::latency::{Latencies, middle, paced, precise_timers};
use crate::process::{Process, Scratch};
use crate::setup::{declare_log, declare_queue, payload};
use crate::socket::{self, HEADER, MESSAGES};
use crate::table::Line;

const PER_SECOND: u32 = 1000;
const TURN: Duration = Duration::from_secs(4);
const ROUNDS: usize = 5;

/// Synced beside an echo plus one `fdatasync`; unsynced beside a bare echo; both models.
pub fn run() -> Vec<Line> {
    precise_timers();
    let scratch = Scratch::new("latency");
    let bare = Process::bare(&scratch.path(""));
    let broker = Process::broker(&scratch.path("data"));
    declare_queue(broker.address, "queue");
    declare_log(broker.address, "log", 1);
    let mut lines = Vec::new();
    for (acks, path, floor) in
        [("leader", "/echo", "a bare echo"), ("all", "/echo-synced", "an echo plus one fdatasync")]
    {
        let mut echo = WebSocket::open(bare.address, path, "");
        let mut sockets = ["queue", "log"].map(|topic| {
            let mut socket = socket::open(broker.address);
            let from = if topic == "log" { r#","from":"latest""# } else { "" };
            socket::control(&mut socket, &format!(r#"{{"type":"subscribe","topic":"{topic}"{from}}}"#));
            (topic, socket, Vec::new())
        });
        let mut floors = Vec::new();
        for round in 0..=ROUNDS {
            // The first round only warms up.
            let counts = |turn: &Latencies| round > 0 && !turn.is_empty();
            floors.extend(Some(echoed(&mut echo)).filter(counts));
            for (topic, socket, turns) in &mut sockets {
                turns.extend(Some(pushed(socket, topic, acks)).filter(counts));
            }
        }
        let (floor_p50, floor_p99) = middle(&floors);
        for (topic, _, turns) in &sockets {
            let (p50, p99) = middle(turns);
            let (r50, r99) = (p50 / floor_p50, p99 / floor_p99);
            let measured = format!(
                "p50 {p50:.0} µs, p99 {p99:.0} µs: {r50:.2}× and {r99:.2}× of {floor}'s {floor_p50:.0} and {floor_p99:.0}"
            );
            let workload = format!("latency at 1,000/s over WebSocket, {topic}, acks={acks}");
            lines.push(
                Line::new(workload, format!("≤ 1.3× of {floor}"), measured).met(r50 <= 1.3 && r99 <= 1.3),
            );
        }
    }
    lines
}

fn numbered(number: u32) -> Vec<u8> {
    let mut body = payload(100);
    body[..4].copy_from_slice(&number.to_be_bytes());
    body
}

fn number_of(body: &[u8]) -> u32 {
    u32::from_be_bytes(body[..4].try_into().expect("four bytes"))
}

fn echoed(socket: &mut WebSocket) -> Latencies {
    let frame = |number| {
        let mut frame = Vec::new();
        push_binary(&mut frame, &numbered(number));
        frame
    };
    paced(socket, PER_SECOND, TURN, frame, |payload, arrived| arrived(number_of(payload)), |_| {})
}

fn pushed(socket: &mut WebSocket, topic: &str, acks: &str) -> Latencies {
    let leases = std::cell::RefCell::new(Vec::new());
    let frame = |number| {
        let mut frame = Vec::new();
        socket::push_publish(
            &mut frame,
            topic,
            acks,
            &batches::binary_of([numbered(number).as_slice()].into_iter()),
        );
        frame
    };
    let arrived = |payload: &[u8], arrived: &mut dyn FnMut(u32)| {
        if payload[0] == MESSAGES {
            batches::for_each(&payload[HEADER..], |message| {
                if let Some(lease) = message.lease {
                    socket::push_lease(&mut leases.borrow_mut(), lease);
                }
                arrived(number_of(message.body));
            });
        }
    };
    // Leases are settled once in a while, which is part of the work but not of the path that is timed.
    let reply = |socket: &mut WebSocket| {
        let mut leases = leases.borrow_mut();
        if leases.len() >= 18 * 16 {
            let mut frame = Vec::new();
            socket::push_ack(&mut frame, "leader", &leases);
            socket.send(&frame);
            leases.clear();
        }
    };
    let latencies = paced(socket, PER_SECOND, TURN, frame, arrived, reply);
    let leases = leases.into_inner();
    if !leases.is_empty() {
        let mut frame = Vec::new();
        socket::push_ack(&mut frame, "leader", &leases);
        socket.send(&frame);
    }
    latencies
}
