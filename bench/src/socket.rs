//! Commands of the subprotocol `sluice.v1.binary`. `docs/websocket.md` has the layouts.

use std::net::SocketAddr;

use crate::frames::{WebSocket, push_binary, push_frame};

/// The subprotocol's name.
pub const BINARY: &str = "sluice.v1.binary";

/// Types of frames that the server sends.
pub const REPLY: u8 = 0x81;
/// Results of a publish.
pub const PUBLISHED: u8 = 0x82;
/// Results of settling.
pub const SETTLED: u8 = 0x83;
/// Messages of a subscription.
pub const MESSAGES: u8 = 0x84;

/// Bytes before the content of a frame.
pub const HEADER: usize = 5;

/// Opens a socket.
pub fn open(address: SocketAddr) -> WebSocket {
    WebSocket::open(address, "/v1/ws", BINARY)
}

/// Sends a JSON command and waits for its reply.
pub fn control(socket: &mut WebSocket, command: &str) {
    let mut frame = Vec::new();
    push_frame(&mut frame, 2, HEADER + command.len(), |out| {
        out.extend_from_slice(&[0x01, 0, 0, 0, 1]);
        out.extend_from_slice(command.as_bytes());
    });
    socket.send(&frame);
    let mut answered = false;
    while !answered {
        socket.receive(|payload| {
            if payload[0] == REPLY {
                let text = String::from_utf8_lossy(&payload[HEADER..]);
                assert!(text.contains("\"ok\""), "{command}: {text}");
                answered = true;
            }
        });
    }
}

/// Appends a frame that publishes a binary batch.
pub fn push_publish(out: &mut Vec<u8>, topic: &str, acks: &str, batch: &[u8]) {
    let mut payload = vec![0x02, 0, 0, 0, 2, u8::from(acks != "all"), 0];
    payload.extend_from_slice(&(topic.len() as u16).to_be_bytes());
    payload.extend_from_slice(topic.as_bytes());
    payload.extend_from_slice(&[0, 0]);
    payload.extend_from_slice(batch);
    push_binary(out, &payload);
}

/// Appends a frame that acknowledges raw leases, given one after the other with their lengths before them.
pub fn push_ack(out: &mut Vec<u8>, acks: &str, leases: &[u8]) {
    push_frame(out, 2, HEADER + 1 + leases.len(), |out| {
        out.extend_from_slice(&[0x03, 0, 0, 0, 3, u8::from(acks != "all")]);
        out.extend_from_slice(leases);
    });
}

/// Appends a lease in the form that [`push_ack`] takes.
pub fn push_lease(leases: &mut Vec<u8>, lease: &[u8]) {
    leases.extend_from_slice(&(lease.len() as u16).to_be_bytes());
    leases.extend_from_slice(lease);
}
