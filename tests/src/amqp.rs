//! As much of AMQP 0-9-1 as it takes to get one message, without a client library.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::deadline::soon;
use crate::server::Server;

const METHOD: u8 = 1;
const BODY: u8 = 3;
const END: u8 = 0xCE;
const START_OK: [u8; 4] = [0, 10, 0, 11];
const TUNE_OK: [u8; 4] = [0, 10, 0, 31];
const OPEN: [u8; 4] = [0, 10, 0, 40];
const CHANNEL_OPEN: [u8; 4] = [0, 20, 0, 10];
const GET: [u8; 4] = [0, 60, 0, 70];
const GET_OK: [u8; 4] = [0, 60, 0, 71];

/// The body of the next message of a queue, taken for good by `basic.get`, and whether it was delivered before.
pub async fn get(server: &Server, queue: &str) -> Option<(String, bool)> {
    soon("a message by basic.get", take(server, queue)).await
}

async fn take(server: &Server, queue: &str) -> Option<(String, bool)> {
    let mut stream = TcpStream::connect(server.amqp()).await.expect("the AMQP door is open");
    stream.write_all(b"AMQP\0\0\x09\x01").await.expect("the server takes it");
    frame(&mut stream).await;
    let login = [&[0; 4][..], &short("PLAIN"), &[0, 0, 0, 12], b"\0guest\0guest", &short("en_US")].concat();
    send(&mut stream, 0, START_OK, &login).await;
    let (_, tune) = frame(&mut stream).await;
    // The limits as the server gave them, without heartbeats.
    send(&mut stream, 0, TUNE_OK, &[&tune[4..10], &[0, 0]].concat()).await;
    send(&mut stream, 0, OPEN, &[&short("/")[..], &[0, 0]].concat()).await;
    frame(&mut stream).await;
    send(&mut stream, 1, CHANNEL_OPEN, &[0]).await;
    frame(&mut stream).await;
    send(&mut stream, 1, GET, &[&[0, 0][..], &short(queue), &[1]].concat()).await;
    let (kind, got) = frame(&mut stream).await;
    assert_eq!(kind, METHOD);
    if got[..4] != GET_OK {
        return None;
    }
    let redelivered = got[12] != 0;
    loop {
        let (kind, body) = frame(&mut stream).await;
        if kind == BODY {
            return Some((String::from_utf8(body).expect("text"), redelivered));
        }
    }
}

fn short(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).expect("a short string")][..], text.as_bytes()].concat()
}

async fn send(stream: &mut TcpStream, channel: u16, method: [u8; 4], arguments: &[u8]) {
    let payload = [&method[..], arguments].concat();
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let frame = [&[METHOD][..], &channel.to_be_bytes(), &length, &payload, &[END]].concat();
    stream.write_all(&frame).await.expect("the server takes it");
}

async fn frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 7];
    stream.read_exact(&mut head).await.expect("the server answers");
    let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
    let mut payload = vec![0; length + 1];
    stream.read_exact(&mut payload).await.expect("a whole frame");
    assert_eq!(payload.pop(), Some(END));
    (head[0], payload)
}
