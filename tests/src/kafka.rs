//! A bare client of the Kafka door: requests of any API and version, and nothing that a client library would do by itself.

use bytes::BytesMut;
use kafka_wire::messages::sasl_authenticate::SaslAuthenticateRequest;
use kafka_wire::messages::sasl_handshake::SaslHandshakeRequest;
use kafka_wire::{Reader, Request, RequestHeader, Version, Wire, Writer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::deadline::soon;
use crate::server::Server;

/// One connection.
#[derive(Debug)]
pub struct Kafka {
    stream: TcpStream,
    next_id: i32,
}

impl Kafka {
    /// Connects.
    pub async fn connect(server: &Server) -> Kafka {
        let stream = TcpStream::connect(server.kafka()).await.expect("the Kafka door is open");
        Kafka { stream, next_id: 1 }
    }

    /// Asks, and waits for the answer.
    pub async fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let id = self.send(version, request).await;
        self.receive::<R>(version, id).await
    }

    /// Sends a request, and answers the id that its answer will have.
    pub async fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        assert!(R::VERSIONS.contains(&version), "{} has no version {version}", R::NAME);
        let form = Version::of::<R>(version);
        let id = self.next_id;
        self.next_id += 1;
        let mut frame = Writer::frame();
        let client_id = Some("blackbox".to_owned());
        let header = RequestHeader { key: R::KEY, version, correlation_id: id, client_id };
        header.write(&mut frame, form.flexible);
        request.write(&mut frame, form);
        let bytes = frame.finish_frame().concat();
        soon("a request is sent", self.stream.write_all(&bytes)).await.expect("the server takes it");
        id
    }

    /// Waits for the answer to the request that was sent with this id, which has to be the next.
    pub async fn receive<R: Request>(&mut self, version: i16, id: i32) -> R::Response {
        let form = Version::of::<R>(version);
        let mut from = self.receive_bare().await.unwrap_or_else(|| panic!("{} is answered", R::NAME));
        assert_eq!(from.split_to(4)[..], id.to_be_bytes(), "answers come in order");
        let mut from = Reader::new(from);
        if form.flexible {
            assert_eq!(from.uvarint(), Ok(0), "the header has no tagged fields");
        }
        R::Response::read(&mut from, form).expect("an answer in the form of its version")
    }

    /// Logs in with a password, as clients do: in requests.
    pub async fn log_in(&mut self, user: &str, password: &str) {
        let plain = SaslHandshakeRequest { mechanism: "PLAIN".to_owned() };
        assert_eq!(self.ask(1, &plain).await.error_code, 0);
        let auth_bytes = format!("\0{user}\0{password}").into_bytes().into();
        let answer = self.ask(2, &SaslAuthenticateRequest { auth_bytes }).await;
        assert_eq!(answer.error_code, 0, "{answer:?}");
    }

    /// Sends bytes in a frame, without a request's header.
    pub async fn send_bare(&mut self, bytes: &[u8]) {
        let frame = [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
        soon("a frame is sent", self.stream.write_all(&frame)).await.expect("the server takes it");
    }

    /// Waits for a frame; `None` when the server closes the connection.
    pub async fn receive_bare(&mut self) -> Option<BytesMut> {
        let length = soon("a frame, or the end", self.stream.read_u32()).await.ok()?;
        let mut frame = BytesMut::zeroed(length as usize);
        self.stream.read_exact(&mut frame).await.expect("a whole frame");
        Some(frame)
    }
}

/// The offsets of the records in fetched batches, from `from` on, as the batches' headers tell them.
#[must_use]
pub fn offsets(batches: &[u8], from: i64) -> Vec<i64> {
    let mut rest = batches;
    let mut offsets = Vec::new();
    while let Some(head) = rest.get(..61) {
        let base = i64::from_be_bytes(head[..8].try_into().expect("8 bytes"));
        let length = u32::from_be_bytes(head[8..12].try_into().expect("4 bytes")) as usize;
        let last = i32::from_be_bytes(head[23..27].try_into().expect("4 bytes"));
        offsets.extend((base..=base + i64::from(last)).filter(|offset| *offset >= from));
        rest = rest.get(12 + length..).unwrap_or_default();
    }
    offsets
}

/// The offsets of the records themselves in fetched batches that are not compressed: compaction leaves fewer than the headers
/// tell.
#[must_use]
pub fn record_offsets(batches: &[u8]) -> Vec<i64> {
    let mut rest = batches;
    let mut offsets = Vec::new();
    while let Some(head) = rest.get(..61) {
        let base = i64::from_be_bytes(head[..8].try_into().expect("8 bytes"));
        let length = u32::from_be_bytes(head[8..12].try_into().expect("4 bytes")) as usize;
        let (batch, after) = rest.split_at(12 + length);
        let mut records = &batch[61..];
        while !records.is_empty() {
            let len = number(&mut records) as usize;
            let (mut record, next) = records.split_at(len);
            // Behind the attributes and the time.
            record = &record[1..];
            number(&mut record);
            offsets.push(base + number(&mut record));
            records = next;
        }
        rest = after;
    }
    offsets
}

/// Takes a zigzag number of variable length.
fn number(bytes: &mut &[u8]) -> i64 {
    let len = 1 + bytes.iter().take_while(|byte| **byte >= 0x80).count();
    let (taken, rest) = bytes.split_at(len);
    *bytes = rest;
    let raw = taken.iter().rev().fold(0_u64, |raw, byte| raw << 7 | u64::from(byte & 0x7f));
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// A batch (format version 2) as a producer sends it, with any content in place of its records, whose checksum holds.
#[must_use]
pub fn batch(codec: i16, count: i32, (first_time, last_time): (i64, i64), content: &[u8]) -> BytesMut {
    let mut covered = codec.to_be_bytes().to_vec();
    covered.extend((count - 1).to_be_bytes());
    covered.extend(first_time.to_be_bytes());
    covered.extend(last_time.to_be_bytes());
    // No producer, epoch and sequence.
    covered.extend([0xff; 14]);
    covered.extend(count.to_be_bytes());
    covered.extend(content);
    let mut batch = BytesMut::from(&[0; 8][..]);
    batch.extend_from_slice(&(covered.len() as i32 + 9).to_be_bytes());
    batch.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 2]);
    batch.extend_from_slice(&crc32c(&covered).to_be_bytes());
    batch.extend_from_slice(&covered);
    batch
}

/// One record of a batch; everything in it has fewer than 64 bytes, so that each number takes one.
#[must_use]
pub fn record(number: i8, time: i8, key: Option<&str>, value: &str) -> Vec<u8> {
    let zigzag = |number: i8| ((number << 1) ^ (number >> 7)) as u8;
    let mut body = vec![0, zigzag(time), zigzag(number)];
    body.push(zigzag(key.map_or(-1, |key| key.len() as i8)));
    body.extend(key.unwrap_or_default().bytes());
    body.push(zigzag(value.len() as i8));
    body.extend(value.bytes());
    body.push(0);
    [vec![zigzag(body.len() as i8)], body].concat()
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_the_one_of_rfc_3720() {
        assert_eq!(super::crc32c(b"123456789"), 0xe306_9283);
    }
}
