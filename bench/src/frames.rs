//! WebSocket frames by hand: a client's are masked, a server's are not. Pings are answered, everything else is counted.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Appends one masked binary frame. The mask is zero: allowed, and it costs the client nothing.
pub fn push_frame(out: &mut Vec<u8>, opcode: u8, payload_len: usize, payload: impl FnOnce(&mut Vec<u8>)) {
    out.push(0x80 | opcode);
    match payload_len {
        0..=125 => out.push(0x80 | payload_len as u8),
        126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(payload_len as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    let start = out.len();
    payload(out);
    assert_eq!(out.len() - start, payload_len, "the payload is as long as its frame says");
}

/// Appends one binary frame.
pub fn push_binary(out: &mut Vec<u8>, payload: &[u8]) {
    push_frame(out, 2, payload.len(), |out| out.extend_from_slice(payload));
}

/// Cuts a byte stream into frames.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl FrameReader {
    /// A reader whose buffer starts with so many bytes and grows when a frame is larger.
    pub fn with_capacity(bytes: usize) -> FrameReader {
        FrameReader { buffer: vec![0; bytes], start: 0, end: 0 }
    }

    /// Reads once from the source; false at its end.
    pub fn fill(&mut self, source: &mut impl Read) -> std::io::Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        let count = source.read(&mut self.buffer[self.end..])?;
        self.end += count;
        Ok(count > 0)
    }

    /// The next complete frame: opcode and payload.
    pub fn next_frame(&mut self) -> Option<(u8, &[u8])> {
        let bytes = &self.buffer[self.start..self.end];
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (length, head) = match second & 0x7f {
            126 => (u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?) as usize, 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize, 10),
            short => (short as usize, 2),
        };
        bytes.get(head..head + length)?;
        let at = self.start + head;
        self.start = at + length;
        Some((first & 0x0f, &self.buffer[at..at + length]))
    }
}

/// A WebSocket with blocking calls.
#[derive(Debug)]
pub struct WebSocket {
    /// The connection, for polling.
    pub stream: TcpStream,
    reader: FrameReader,
}

impl WebSocket {
    /// Connects and upgrades.
    pub fn open(address: SocketAddr, path: &str, subprotocol: &str) -> WebSocket {
        let mut stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_nodelay(true).expect("a socket");
        let protocol = if subprotocol.is_empty() {
            String::new()
        } else {
            format!("sec-websocket-protocol: {subprotocol}\r\n")
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            assert_eq!(
                stream.read(&mut byte).expect("the server answers"),
                1,
                "the server closed the connection"
            );
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "no upgrade: {}", String::from_utf8_lossy(&head));
        WebSocket { stream, reader: FrameReader::with_capacity(1 << 20) }
    }

    /// Sends bytes made by [`push_frame`].
    pub fn send(&mut self, frames: &[u8]) {
        self.stream.write_all(frames).expect("the server reads");
    }

    /// Waits for frames; calls `each` with the payload of every data frame that is complete.
    pub fn receive(&mut self, mut each: impl FnMut(&[u8])) {
        let open = self.reader.fill(&mut self.stream).expect("the server sends");
        assert!(open, "the server closed the connection");
        let mut pongs = Vec::new();
        while let Some((opcode, payload)) = self.reader.next_frame() {
            match opcode {
                1 | 2 => each(payload),
                9 => push_frame(&mut pongs, 10, payload.len(), |out| out.extend_from_slice(payload)),
                8 => panic!(
                    "the server closed: {}",
                    String::from_utf8_lossy(payload.get(2..).unwrap_or_default())
                ),
                _ => {}
            }
        }
        if !pongs.is_empty() {
            self.send(&pongs);
        }
    }
}
