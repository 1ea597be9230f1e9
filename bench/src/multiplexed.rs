//! As much of an HTTP/2 client as sending many small requests at once takes.
//!
//! Frames as in RFC 9113; header blocks as in RFC 7541, with literals only, so that neither side keeps a table.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// Requests under way at once; the server's own limit may be lower.
const WINDOW: usize = 200;

/// Sends `PUT` with this body to every path and waits for all answers; panics unless all are 2xx.
pub fn put_all(address: SocketAddr, paths: impl Iterator<Item = String>, body: &[u8]) -> f64 {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_nodelay(true).expect("a socket");
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_HEADER_TABLE_SIZE = 0: the server's answers use literals too. Then a large connection window.
    push(&mut out, 4, 0, 0, &[0, 1, 0, 0, 0, 0]);
    push(&mut out, 8, 0, 0, &(1_u32 << 30).to_be_bytes());
    let mut waiting: VecDeque<String> = paths.collect();
    let mut stream_id = 1_u32;
    let (mut under_way, mut limit) = (0, 100);
    let mut input = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    let began = Instant::now();
    while under_way > 0 || !waiting.is_empty() {
        while under_way < limit {
            let Some(path) = waiting.pop_front() else { break };
            let mut head = Vec::with_capacity(128);
            literal(&mut head, ":method", "PUT");
            literal(&mut head, ":scheme", "http");
            literal(&mut head, ":authority", "bench");
            literal(&mut head, ":path", &path);
            literal(&mut head, "content-type", "application/json");
            push(&mut out, 1, 0x4, stream_id, &head);
            push(&mut out, 0, 0x1, stream_id, body);
            stream_id += 2;
            under_way += 1;
        }
        if !out.is_empty() {
            stream.write_all(&out).expect("the server reads");
            out.clear();
        }
        let count = stream.read(&mut buffer).expect("the server answers");
        assert!(count > 0, "the server closed the connection");
        input.extend_from_slice(&buffer[..count]);
        let mut at = 0;
        while let Some(frame) = input.get(at..at + 9) {
            let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize;
            let (kind, flags) = (frame[3], frame[4]);
            let Some(payload) = input.get(at + 9..at + 9 + length) else { break };
            match kind {
                // HEADERS: `:status` comes first, either an indexed 200/204 or a literal value.
                1 => assert!(is_good(payload), "a refused request: {payload:02x?}"),
                3 | 7 => panic!("the server gave up: frame {kind}, {}", String::from_utf8_lossy(payload)),
                4 if flags & 1 == 0 => {
                    for setting in payload.chunks_exact(6) {
                        if setting[1] == 3 {
                            limit = WINDOW
                                .min(u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]])
                                    as usize);
                        }
                    }
                    push(&mut out, 4, 1, 0, &[]);
                }
                6 if flags & 1 == 0 => push(&mut out, 6, 1, 0, payload),
                0 if !payload.is_empty() => push(&mut out, 8, 0, 0, &(length as u32).to_be_bytes()),
                _ => {}
            }
            if (kind == 0 || kind == 1) && flags & 1 != 0 {
                under_way -= 1;
            }
            at += 9 + length;
        }
        input.drain(..at);
    }
    began.elapsed().as_secs_f64()
}

fn push(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A literal header field without indexing; all strings here are shorter than 127 bytes.
fn literal(head: &mut Vec<u8>, name: &str, value: &str) {
    head.push(0);
    for text in [name, value] {
        assert!(text.len() < 127, "a short string");
        head.push(text.len() as u8);
        head.extend_from_slice(text.as_bytes());
    }
}

/// Whether a header block opens with `:status` 2xx. 0x88 is 200 and 0x89 is 204 in the static table; 201 comes as a
/// literal with the indexed name 8: the value as three digits, or Huffman-coded (two bytes, `0x10 0x01` for "201").
fn is_good(block: &[u8]) -> bool {
    // A table size update may come before.
    let block = if block.first().is_some_and(|byte| byte & 0xe0 == 0x20) { &block[1..] } else { block };
    matches!(
        block,
        [0x88 | 0x89, ..] | [0x08 | 0x18 | 0x48, 3, b'2', ..] | [0x08 | 0x18 | 0x48, 0x82, 0x10, ..]
    )
}
