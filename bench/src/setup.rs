//! What several rows need before they measure: topics, and topics that already hold much.

use std::net::SocketAddr;
use std::time::Duration;

use crate::http::{self, ask, request};

/// How long one side of a comparison runs before the other has its turn.
pub const TURN: Duration = Duration::from_millis(1500);

/// Declares a topic; panics when that is refused.
pub fn declare(address: SocketAddr, name: &str, body: &str) {
    let put = request(
        "PUT",
        &format!("/v1/topics/{name}"),
        &[("content-type", "application/json")],
        body.as_bytes(),
    );
    let (status, answer) = ask(address, &put);
    assert!((200..300).contains(&status), "{name}: {status} {}", String::from_utf8_lossy(&answer));
}

/// A log with so many partitions.
pub fn declare_log(address: SocketAddr, name: &str, partitions: u32) {
    declare(address, name, &format!(r#"{{"model":"log","log":{{"partitions":{partitions}}}}}"#));
}

/// A queue without limits.
pub fn declare_queue(address: SocketAddr, name: &str) {
    declare(address, name, r#"{"model":"queue"}"#);
}

/// A payload of printable bytes that does not compress to nothing.
pub fn payload(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..size)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            b'a' + ((state >> 33) % 26) as u8
        })
        .collect()
}

/// Publishes at least `count` messages of `size` bytes in binary batches, as fast as it goes.
pub fn fill(address: SocketAddr, topic: &str, count: u64, size: usize) {
    let per_batch = (768 << 10) / (size + 32);
    let batch = crate::batches::binary(per_batch, size);
    let path = format!("/v1/topics/{topic}/messages?acks=leader");
    let publish = request("POST", &path, &[("content-type", crate::batches::BINARY)], &batch);
    let mut connection = http::Connection::open(address);
    let mut sent = 0;
    while sent < count {
        let (status, answer) = connection.ask(&publish);
        assert!(status == 200, "filling {topic}: {status} {}", String::from_utf8_lossy(&answer));
        sent += per_batch as u64;
    }
}
