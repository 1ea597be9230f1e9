//! A bare client of the Kafka door: requests of any API and version, and nothing that a client library would do by itself.

use bytes::BytesMut;
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
        let mut from = soon(R::NAME, self.frame()).await;
        assert_eq!(from.split_to(4)[..], id.to_be_bytes(), "answers come in order");
        let mut from = Reader::new(from);
        if form.flexible {
            assert_eq!(from.uvarint(), Ok(0), "the header has no tagged fields");
        }
        R::Response::read(&mut from, form).expect("an answer in the form of its version")
    }

    async fn frame(&mut self) -> BytesMut {
        let length = self.stream.read_u32().await.expect("the server answers");
        let mut frame = BytesMut::zeroed(length as usize);
        self.stream.read_exact(&mut frame).await.expect("a whole answer");
        frame
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
